-- +goose Up
-- Times are microseconds since 1970 UTC, 0 for none. Lists are ordered by the bytes of ids, whatever the database's locale.
CREATE TABLE connections (
  project          TEXT COLLATE "C" NOT NULL,
  connection_id    TEXT COLLATE "C" NOT NULL,
  uid              TEXT    NOT NULL,
  description      TEXT    NOT NULL,
  kind             TEXT    NOT NULL,
  settings         TEXT    NOT NULL, -- JSON, without secrets
  sealed_secrets   BYTEA   NOT NULL, -- associated data: resource name and uid
  revision         BIGINT  NOT NULL,
  config_version   BIGINT  NOT NULL,
  row_version      BIGINT  NOT NULL,
  state            TEXT    NOT NULL,
  reason           TEXT    NOT NULL,
  message          TEXT    NOT NULL,
  pending          TEXT    NOT NULL, -- what the token service must still be told; '' for nothing
  seen_generation  BIGINT  NOT NULL,
  seen_state_time  BIGINT  NOT NULL,
  create_time      BIGINT  NOT NULL,
  update_time      BIGINT  NOT NULL,
  state_time       BIGINT  NOT NULL,
  authorize_time   BIGINT  NOT NULL,
  PRIMARY KEY (project, connection_id)
);

CREATE INDEX connections_by_state ON connections (project, state, connection_id);
CREATE INDEX connections_pending ON connections (project, connection_id) WHERE pending <> '';

-- Events of state changes, until they are published.
CREATE TABLE state_events (
  project         TEXT COLLATE "C" NOT NULL,
  event_id        TEXT COLLATE "C" NOT NULL,
  connection_id   TEXT COLLATE "C" NOT NULL,
  uid             TEXT   NOT NULL,
  state           TEXT   NOT NULL,
  previous_state  TEXT   NOT NULL,
  reason          TEXT   NOT NULL,
  message         TEXT   NOT NULL,
  time            BIGINT NOT NULL,
  claim_owner     TEXT   NOT NULL,
  claim_until     BIGINT NOT NULL,
  PRIMARY KEY (project, event_id)
);

CREATE INDEX state_events_by_time ON state_events (time, event_id);
