-- +goose Up
-- How much the events of each bus are, by the day of their acceptance. Of each project, the events up to history_measured.
CREATE TABLE history_sizes (
  project TEXT NOT NULL,
  bus_id  TEXT NOT NULL,
  day     INTEGER NOT NULL, -- since 1970
  events  INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (project, bus_id, day)
) WITHOUT ROWID;

CREATE TABLE history_measured (
  project    TEXT NOT NULL PRIMARY KEY,
  last_event TEXT NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE history_measured;
DROP TABLE history_sizes;
