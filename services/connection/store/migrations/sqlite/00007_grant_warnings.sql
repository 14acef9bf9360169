-- +goose Up
-- When the next event is due that a grant ends; 0 for none. Those that there are already are looked at once.
ALTER TABLE grants ADD COLUMN warning_time BIGINT NOT NULL DEFAULT 0;
UPDATE grants SET warning_time = 1 WHERE expire_time > 0;
CREATE INDEX grants_warning ON grants (warning_time) WHERE warning_time > 0;
-- Those that end, the soonest first.
CREATE INDEX grants_by_end ON grants (project, expire_time, connection_id, grant_id) WHERE expire_time > 0;

-- +goose Down
DROP INDEX grants_by_end;
DROP INDEX grants_warning;
ALTER TABLE grants DROP COLUMN warning_time;
