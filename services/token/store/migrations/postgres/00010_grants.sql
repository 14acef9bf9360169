-- +goose Up
-- Revocations of grants that ended: server is '' for whichever the connection belongs to. The token type hint is that of RFC 7009.
ALTER TABLE revocations ADD COLUMN hint TEXT NOT NULL DEFAULT 'access_token';
-- The tokens of grants, by when their state changed last.
CREATE INDEX tokens_grants ON tokens (state_time, project, connection, grant_id) WHERE grant_id <> '';

-- +goose Down
DROP INDEX tokens_grants;
ALTER TABLE revocations DROP COLUMN hint;
