-- +goose Up
-- Interfaces: operations, and how each provider's API does them.
CREATE TABLE interfaces (
  project       TEXT COLLATE "C" NOT NULL,
  interface_id  TEXT COLLATE "C" NOT NULL,
  uid           TEXT   NOT NULL,
  description   TEXT   NOT NULL,
  definition    TEXT   NOT NULL, -- JSON, as its author wrote it
  operations    TEXT   NOT NULL, -- names in the definition, as a JSON list
  mappings      TEXT   NOT NULL, -- likewise
  version       BIGINT NOT NULL,
  create_time   BIGINT NOT NULL,
  update_time   BIGINT NOT NULL,
  PRIMARY KEY (project, interface_id)
);

-- +goose Down
DROP TABLE interfaces;
