-- +goose Up
CREATE TABLE jobs (
  project     TEXT NOT NULL,
  kind        INTEGER NOT NULL, -- 1 replay, 2 redrive
  job_id      TEXT NOT NULL,
  description TEXT NOT NULL,
  state       INTEGER NOT NULL, -- 1 starting, 2 running, 3 cancelling, 4 completed, 5 cancelled, 6 failed, 7 paused
  reason      TEXT NOT NULL,
  spec        TEXT NOT NULL, -- JSON
  rate        INTEGER NOT NULL, -- items per second
  cursor      TEXT NOT NULL, -- JSON
  items       INTEGER NOT NULL,
  effects     INTEGER NOT NULL,
  total       INTEGER NOT NULL,
  last_time   INTEGER NOT NULL,
  owner       TEXT NOT NULL, -- the instance that drives it; '': nobody
  fence       INTEGER NOT NULL, -- rises with every claim
  create_time INTEGER NOT NULL,
  begin_time  INTEGER NOT NULL,
  end_time    INTEGER NOT NULL,
  PRIMARY KEY (project, kind, job_id)
) WITHOUT ROWID;
CREATE INDEX jobs_driven ON jobs (project, kind, job_id) WHERE state IN (1, 2, 3);

-- A row that is locked while the jobs of a project are counted.
CREATE TABLE job_counts (
  project TEXT NOT NULL,
  kind    INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (project, kind)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE job_counts;
DROP TABLE jobs;
