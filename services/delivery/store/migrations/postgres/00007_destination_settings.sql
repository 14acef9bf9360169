-- +goose Up
-- What a destination is seldom given: JSON.
ALTER TABLE destinations ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE destinations DROP COLUMN settings;
