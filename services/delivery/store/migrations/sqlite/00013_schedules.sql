-- +goose Up
CREATE TABLE schedules (
  project     TEXT NOT NULL,
  bus_id      TEXT NOT NULL,
  schedule_id TEXT NOT NULL,
  description TEXT NOT NULL,
  expression  TEXT NOT NULL,
  time_zone   TEXT NOT NULL,
  start_time  INTEGER NOT NULL, -- 0: none
  end_time    INTEGER NOT NULL, -- 0: none
  disabled    INTEGER NOT NULL,
  source      TEXT NOT NULL,
  detail_type TEXT NOT NULL,
  detail      TEXT NOT NULL, -- with placeholders
  missed_runs INTEGER NOT NULL, -- 1 skip, 2 fire once, 3 fire all
  anchor      INTEGER NOT NULL, -- where a rate without a start time counts from
  next_run    INTEGER NOT NULL, -- 0: never
  last_run    INTEGER NOT NULL, -- 0: never yet
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  PRIMARY KEY (project, bus_id, schedule_id)
);
CREATE INDEX schedules_due ON schedules (next_run) WHERE next_run > 0;

-- +goose Down
DROP TABLE schedules;
