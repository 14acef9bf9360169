-- +goose Up
-- The HTTP exchange of an attempt: timings, address, headers. JSON; empty where nothing is kept.
ALTER TABLE attempts ADD COLUMN exchange TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE attempts DROP COLUMN exchange;
