-- +goose Up
-- Interfaces: operations, and how each provider's API does them.
CREATE TABLE interfaces (
  project       TEXT NOT NULL,
  interface_id  TEXT NOT NULL,
  uid           TEXT   NOT NULL,
  description   TEXT   NOT NULL,
  definition    TEXT   NOT NULL, -- JSON, as its author wrote it
  operations    TEXT   NOT NULL, -- names in the definition, as a JSON list
  mappings      TEXT   NOT NULL, -- likewise
  version       BIGINT NOT NULL,
  create_time   BIGINT NOT NULL,
  update_time   BIGINT NOT NULL,
  PRIMARY KEY (project, interface_id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE interfaces;
