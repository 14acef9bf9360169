-- +goose Up
-- What a bus is seldom given: JSON.
ALTER TABLE buses ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- Keys of events that are not to be accepted again for a while.
CREATE TABLE deduplications (
  project     TEXT COLLATE "C" NOT NULL,
  bus_id      TEXT COLLATE "C" NOT NULL,
  dedup_key   TEXT COLLATE "C" NOT NULL,
  event_id    TEXT COLLATE "C" NOT NULL, -- the first one's
  expire_time BIGINT NOT NULL,
  PRIMARY KEY (project, bus_id, dedup_key)
);
CREATE INDEX deduplications_expiring ON deduplications (expire_time);

-- +goose Down
DROP TABLE deduplications;
ALTER TABLE buses DROP COLUMN settings;
