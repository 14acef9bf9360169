-- +goose Up
-- Deliveries that are in an instance's memory for their first attempt and have no row of their own yet: those of one PutEvents each.
CREATE TABLE journal (
  project    TEXT NOT NULL,
  journal_id TEXT NOT NULL, -- of the first delivery
  owner      TEXT NOT NULL, -- the instance that has them
  deliveries TEXT NOT NULL, -- JSON: their rows
  PRIMARY KEY (project, journal_id)
);
CREATE INDEX journal_owner ON journal (owner);

-- +goose Down
DROP TABLE journal;
