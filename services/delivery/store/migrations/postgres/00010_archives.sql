-- +goose Up
CREATE TABLE archives (
  project        TEXT COLLATE "C" NOT NULL,
  bus_id         TEXT COLLATE "C" NOT NULL,
  archive_id     TEXT COLLATE "C" NOT NULL,
  archive_uid    TEXT COLLATE "C" NOT NULL, -- of this archive, not of one of the same name before or after
  description    TEXT NOT NULL,
  event_pattern  TEXT NOT NULL, -- '': every event
  retention_days BIGINT NOT NULL, -- 0: for ever
  disabled       BIGINT NOT NULL,
  event_count    BIGINT NOT NULL, -- together with archive_counts
  size_bytes     BIGINT NOT NULL,
  create_time    BIGINT NOT NULL,
  update_time    BIGINT NOT NULL,
  etag           TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (project, bus_id, archive_id)
);

-- Copies of events: how long an archive keeps one has nothing to do with how long the bus does.
CREATE TABLE archived_events (
  project        TEXT COLLATE "C" NOT NULL,
  archive_uid    TEXT COLLATE "C" NOT NULL,
  event_id       TEXT COLLATE "C" NOT NULL,
  source         TEXT NOT NULL,
  detail_type    TEXT NOT NULL,
  detail         TEXT NOT NULL, -- byte for byte as it was put
  resources      TEXT NOT NULL, -- JSON
  time           BIGINT NOT NULL,
  ingestion_time BIGINT NOT NULL,
  traceparent    TEXT NOT NULL,
  size_bytes     BIGINT NOT NULL,
  PRIMARY KEY (project, archive_uid, ingestion_time, event_id)
);
CREATE INDEX archived_events_time ON archived_events (project, archive_uid, time, event_id);

-- What was added to or taken from archives since their counts were last brought up to date: many writers, no row that all of them change.
CREATE TABLE archive_counts (
  project     TEXT COLLATE "C" NOT NULL,
  archive_uid TEXT COLLATE "C" NOT NULL,
  count_id    TEXT COLLATE "C" NOT NULL,
  events      BIGINT NOT NULL,
  bytes       BIGINT NOT NULL,
  PRIMARY KEY (project, archive_uid, count_id)
);

-- Archives that were deleted, until their events are too.
CREATE TABLE archive_remains (
  project     TEXT COLLATE "C" NOT NULL,
  archive_uid TEXT COLLATE "C" NOT NULL,
  delete_time BIGINT NOT NULL,
  PRIMARY KEY (project, archive_uid)
);

ALTER TABLE events ADD COLUMN replay TEXT COLLATE "C" NOT NULL DEFAULT ''; -- the replay that put it again

-- +goose Down
ALTER TABLE events DROP COLUMN replay;
DROP TABLE archive_remains;
DROP TABLE archive_counts;
DROP TABLE archived_events;
DROP TABLE archives;
