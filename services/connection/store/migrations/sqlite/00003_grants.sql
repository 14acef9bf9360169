-- +goose Up
-- Grants: the accounts that end users have connected. There can be many of one connection.
CREATE TABLE grants (
  project            TEXT NOT NULL,
  connection_id      TEXT NOT NULL,
  grant_id           TEXT NOT NULL,
  uid                TEXT   NOT NULL,
  end_user           TEXT   NOT NULL,
  metadata           TEXT   NOT NULL, -- JSON object of texts
  sealed_credential  BLOB  NOT NULL, -- associated data: resource name and uid
  revision           BIGINT NOT NULL,
  config_version     BIGINT NOT NULL,
  row_version        BIGINT NOT NULL,
  state              TEXT   NOT NULL,
  reason             TEXT   NOT NULL,
  message            TEXT   NOT NULL,
  pending            TEXT   NOT NULL, -- what the token service must still be told; '' for nothing
  revoke             BIGINT NOT NULL, -- 1: what is pending also has the credential revoked
  seen_generation    BIGINT NOT NULL,
  seen_state_time    BIGINT NOT NULL,
  create_time        BIGINT NOT NULL,
  update_time        BIGINT NOT NULL,
  state_time         BIGINT NOT NULL,
  authorize_time     BIGINT NOT NULL,
  expire_time        BIGINT NOT NULL, -- until when the end user must authorize again; 0 if that is not known
  PRIMARY KEY (project, connection_id, grant_id)
) WITHOUT ROWID;

CREATE INDEX grants_by_state ON grants (project, state, connection_id, grant_id);
CREATE INDEX grants_by_end_user ON grants (project, end_user, connection_id, grant_id) WHERE end_user <> '';
CREATE INDEX grants_pending ON grants (project, connection_id, grant_id) WHERE pending <> '';
CREATE INDEX grants_waiting ON grants (project, connection_id, grant_id) WHERE pending = '' AND state IN ('AUTHORIZING', 'UPDATING');
CREATE INDEX grants_seen ON grants (seen_state_time);

ALTER TABLE state_events ADD COLUMN grant_id TEXT NOT NULL DEFAULT ''; -- '' for an event of the connection itself
ALTER TABLE state_events ADD COLUMN end_user TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE state_events DROP COLUMN end_user;
ALTER TABLE state_events DROP COLUMN grant_id;
DROP TABLE grants;
