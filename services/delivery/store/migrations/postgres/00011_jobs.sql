-- +goose Up
CREATE TABLE jobs (
  project     TEXT COLLATE "C" NOT NULL,
  kind        BIGINT NOT NULL, -- 1 replay, 2 redrive
  job_id      TEXT COLLATE "C" NOT NULL,
  description TEXT NOT NULL,
  state       BIGINT NOT NULL, -- 1 starting, 2 running, 3 cancelling, 4 completed, 5 cancelled, 6 failed, 7 paused
  reason      TEXT NOT NULL,
  spec        TEXT NOT NULL, -- JSON
  rate        BIGINT NOT NULL, -- items per second
  cursor      TEXT NOT NULL, -- JSON
  items       BIGINT NOT NULL,
  effects     BIGINT NOT NULL,
  total       BIGINT NOT NULL,
  last_time   BIGINT NOT NULL,
  owner       TEXT COLLATE "C" NOT NULL, -- the instance that drives it; '': nobody
  fence       BIGINT NOT NULL, -- rises with every claim
  create_time BIGINT NOT NULL,
  begin_time  BIGINT NOT NULL,
  end_time    BIGINT NOT NULL,
  PRIMARY KEY (project, kind, job_id)
);
CREATE INDEX jobs_driven ON jobs (project, kind, job_id) WHERE state IN (1, 2, 3);

-- A row that is locked while the jobs of a project are counted.
CREATE TABLE job_counts (
  project TEXT COLLATE "C" NOT NULL,
  kind    BIGINT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (project, kind)
);

-- +goose Down
DROP TABLE job_counts;
DROP TABLE jobs;
