-- +goose Up
-- The batch that an attempt was made for, and how many deliveries it had; empty and 0 for one that was made alone.
ALTER TABLE attempts ADD COLUMN batch_id TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN batch_size INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE attempts DROP COLUMN batch_size;
ALTER TABLE attempts DROP COLUMN batch_id;
