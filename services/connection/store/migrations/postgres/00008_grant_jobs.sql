-- +goose Up
-- Jobs that end many grants, and how far they are.
CREATE TABLE grant_jobs (
  project           TEXT COLLATE "C" NOT NULL,
  job_id            TEXT COLLATE "C" NOT NULL,
  action            TEXT   NOT NULL,
  connection_id     TEXT   NOT NULL, -- here and below: '' or 0 selects all
  grant_state       TEXT   NOT NULL,
  end_user          TEXT   NOT NULL,
  expire_before     BIGINT NOT NULL,
  skip_revocation   BIGINT NOT NULL, -- 1: credentials stay as they are
  subject           TEXT   NOT NULL, -- of an erasure: digest of whose it is
  state             TEXT   NOT NULL,
  matched           BIGINT NOT NULL,
  ended             BIGINT NOT NULL,
  skipped           BIGINT NOT NULL,
  after_expire      BIGINT NOT NULL, -- the grant that was gone through last
  after_connection  TEXT   NOT NULL,
  after_grant       TEXT   NOT NULL,
  owner             TEXT   NOT NULL, -- the instance that drives it until claim_until
  fence             BIGINT NOT NULL,
  claim_until       BIGINT NOT NULL,
  create_time       BIGINT NOT NULL,
  finish_time       BIGINT NOT NULL,
  PRIMARY KEY (project, job_id)
);

CREATE INDEX grant_jobs_unclaimed ON grant_jobs (claim_until) WHERE state = 'RUNNING';
CREATE INDEX grant_jobs_running ON grant_jobs (project) WHERE state = 'RUNNING';
CREATE UNIQUE INDEX grant_jobs_erasures ON grant_jobs (project, subject) WHERE subject <> '' AND state = 'RUNNING';

-- +goose Down
DROP TABLE grant_jobs;
