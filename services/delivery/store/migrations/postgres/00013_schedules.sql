-- +goose Up
CREATE TABLE schedules (
  project     TEXT COLLATE "C" NOT NULL,
  bus_id      TEXT COLLATE "C" NOT NULL,
  schedule_id TEXT COLLATE "C" NOT NULL,
  description TEXT NOT NULL,
  expression  TEXT NOT NULL,
  time_zone   TEXT NOT NULL,
  start_time  BIGINT NOT NULL, -- 0: none
  end_time    BIGINT NOT NULL, -- 0: none
  disabled    BIGINT NOT NULL,
  source      TEXT NOT NULL,
  detail_type TEXT NOT NULL,
  detail      TEXT NOT NULL, -- with placeholders
  missed_runs BIGINT NOT NULL, -- 1 skip, 2 fire once, 3 fire all
  anchor      BIGINT NOT NULL, -- where a rate without a start time counts from
  next_run    BIGINT NOT NULL, -- 0: never
  last_run    BIGINT NOT NULL, -- 0: never yet
  create_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  etag        TEXT NOT NULL,
  PRIMARY KEY (project, bus_id, schedule_id)
);
CREATE INDEX schedules_due ON schedules (next_run) WHERE next_run > 0;

-- +goose Down
DROP TABLE schedules;
