-- +goose Up
-- What an authorization told of the account: a JSON object of texts.
ALTER TABLE grants ADD COLUMN account TEXT NOT NULL DEFAULT '{}';

-- End users on their way to a grant. Hashes are of what their browsers have.
CREATE TABLE authorization_sessions (
  project         TEXT   NOT NULL,
  session_id      TEXT   NOT NULL,
  connection_id   TEXT   NOT NULL,
  connection_uid  TEXT   NOT NULL,
  grant_id        TEXT   NOT NULL,
  request         TEXT   NOT NULL, -- JSON
  link_hash       TEXT   NOT NULL,
  state_hash      TEXT   NOT NULL, -- '' before the user has begun
  browser_hash    TEXT   NOT NULL, -- '' before the user has begun
  redirect_uri    TEXT   NOT NULL,
  sealed_secrets  BYTEA  NOT NULL, -- associated data: resource name
  state           TEXT   NOT NULL,
  reason          TEXT   NOT NULL,
  message         TEXT   NOT NULL,
  told            TEXT   NOT NULL, -- JSON object of texts
  created         BIGINT NOT NULL, -- 1: the grant came into being with this session
  grant_uid       TEXT   NOT NULL,
  grant_revision  BIGINT NOT NULL, -- 0: the grant does not have the code yet
  row_version     BIGINT NOT NULL,
  create_time     BIGINT NOT NULL,
  expire_time     BIGINT NOT NULL,
  end_time        BIGINT NOT NULL,
  due_time        BIGINT NOT NULL,
  PRIMARY KEY (project, session_id)
);

CREATE UNIQUE INDEX authorization_sessions_by_link ON authorization_sessions (project, link_hash);
CREATE UNIQUE INDEX authorization_sessions_by_state ON authorization_sessions (project, state_hash) WHERE state_hash <> '';
CREATE INDEX authorization_sessions_due ON authorization_sessions (due_time);

-- +goose Down
DROP TABLE authorization_sessions;
ALTER TABLE grants DROP COLUMN account;
