-- +goose Up
-- What holds a destination. Not part of what its etag guards.
ALTER TABLE destinations ADD COLUMN pause_time BIGINT NOT NULL DEFAULT 0; -- 0: not paused
ALTER TABLE destinations ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE destinations ADD COLUMN circuit TEXT NOT NULL DEFAULT ''; -- JSON while it is not closed

-- +goose Down
ALTER TABLE destinations DROP COLUMN circuit;
ALTER TABLE destinations DROP COLUMN pause_reason;
ALTER TABLE destinations DROP COLUMN pause_time;
