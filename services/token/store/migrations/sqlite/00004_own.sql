-- +goose Up
-- The tokens of connections themselves, without those of the grants under them, of which there can be many more.
CREATE INDEX tokens_own ON tokens (project, connection) WHERE grant_id = '';

-- +goose Down
DROP INDEX tokens_own;
