-- +goose Up
-- How much the events of each bus are, by the day of their acceptance. Of each project, the events up to history_measured.
CREATE TABLE history_sizes (
  project TEXT COLLATE "C" NOT NULL,
  bus_id  TEXT COLLATE "C" NOT NULL,
  day     BIGINT NOT NULL, -- since 1970
  events  BIGINT NOT NULL,
  bytes   BIGINT NOT NULL,
  PRIMARY KEY (project, bus_id, day)
);

CREATE TABLE history_measured (
  project    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  last_event TEXT COLLATE "C" NOT NULL
);

-- +goose Down
DROP TABLE history_measured;
DROP TABLE history_sizes;
