-- +goose Up
-- When the grant behind a connection's token ends, and when the next event about that is due; 0 for none.
ALTER TABLE connections ADD COLUMN grant_expire_time BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN grant_warning_time BIGINT NOT NULL DEFAULT 0;
CREATE INDEX connections_grant_warning ON connections (grant_warning_time) WHERE grant_warning_time > 0;

ALTER TABLE state_events ADD COLUMN kind TEXT NOT NULL DEFAULT ''; -- '' for a change of the state
ALTER TABLE state_events ADD COLUMN grant_expire_time BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE state_events DROP COLUMN grant_expire_time;
ALTER TABLE state_events DROP COLUMN kind;
DROP INDEX connections_grant_warning;
ALTER TABLE connections DROP COLUMN grant_warning_time;
ALTER TABLE connections DROP COLUMN grant_expire_time;
