-- +goose Up
-- Keys compare byte by byte, whatever the locale of the database.
CREATE TABLE buses (
  project       TEXT COLLATE "C" NOT NULL,
  bus_id        TEXT COLLATE "C" NOT NULL,
  description   TEXT NOT NULL,
  create_time   BIGINT NOT NULL,
  update_time   BIGINT NOT NULL,
  etag          TEXT NOT NULL,
  rules_version TEXT NOT NULL, -- a new one with every change of the bus's rules
  PRIMARY KEY (project, bus_id)
);

CREATE TABLE rules (
  project       TEXT COLLATE "C" NOT NULL,
  bus_id        TEXT COLLATE "C" NOT NULL,
  rule_id       TEXT COLLATE "C" NOT NULL,
  description   TEXT NOT NULL,
  event_pattern TEXT NOT NULL,
  disabled      BIGINT NOT NULL,
  targets       TEXT NOT NULL, -- JSON
  create_time   BIGINT NOT NULL,
  update_time   BIGINT NOT NULL,
  etag          TEXT NOT NULL,
  PRIMARY KEY (project, bus_id, rule_id)
);

-- Which rules use a destination.
CREATE TABLE rule_destinations (
  project        TEXT COLLATE "C" NOT NULL,
  destination_id TEXT COLLATE "C" NOT NULL,
  bus_id         TEXT COLLATE "C" NOT NULL,
  rule_id        TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (project, destination_id, bus_id, rule_id)
);
CREATE INDEX rule_destinations_rule ON rule_destinations (project, bus_id, rule_id);

CREATE TABLE destinations (
  project        TEXT COLLATE "C" NOT NULL,
  destination_id TEXT COLLATE "C" NOT NULL,
  description    TEXT NOT NULL,
  connection_id  TEXT NOT NULL,
  endpoint       TEXT NOT NULL,
  http_method    TEXT NOT NULL,
  rate_limit     BIGINT NOT NULL, -- per second
  timeout        BIGINT NOT NULL, -- microseconds
  create_time    BIGINT NOT NULL,
  update_time    BIGINT NOT NULL,
  etag           TEXT NOT NULL,
  PRIMARY KEY (project, destination_id)
);

-- Starts of destinations that several instances share: the first that nobody has reserved.
CREATE TABLE rate_slots (
  project        TEXT COLLATE "C" NOT NULL,
  destination_id TEXT COLLATE "C" NOT NULL,
  next_slot      BIGINT NOT NULL,
  PRIMARY KEY (project, destination_id)
);

CREATE TABLE events (
  project        TEXT COLLATE "C" NOT NULL,
  event_id       TEXT COLLATE "C" NOT NULL,
  bus_id         TEXT COLLATE "C" NOT NULL,
  source         TEXT NOT NULL,
  detail_type    TEXT NOT NULL,
  detail         TEXT NOT NULL, -- byte for byte as it was put
  resources      TEXT NOT NULL, -- JSON
  time           BIGINT NOT NULL,
  ingestion_time BIGINT NOT NULL,
  traceparent    TEXT NOT NULL,
  PRIMARY KEY (project, event_id)
);

CREATE TABLE deliveries (
  project        TEXT COLLATE "C" NOT NULL,
  delivery_id    TEXT COLLATE "C" NOT NULL,
  event_id       TEXT COLLATE "C" NOT NULL,
  bus_id         TEXT COLLATE "C" NOT NULL,
  rule_id        TEXT COLLATE "C" NOT NULL,
  target_id      TEXT NOT NULL,
  destination_id TEXT COLLATE "C" NOT NULL,
  target         TEXT NOT NULL, -- JSON, as it was when the event was accepted
  state          BIGINT NOT NULL, -- 1 pending, 3 succeeded, 4 dead, 5 cancelled
  owner          TEXT COLLATE "C" NOT NULL, -- the instance that has it in memory; '': nobody
  create_time    BIGINT NOT NULL,
  next_attempt   BIGINT NOT NULL,
  expire_time    BIGINT NOT NULL,
  end_time       BIGINT NOT NULL,
  max_age        BIGINT NOT NULL, -- microseconds, for a redrive
  attempts       BIGINT NOT NULL,
  charged        BIGINT NOT NULL, -- attempts that count against the retry policy
  auth_forgiven  BIGINT NOT NULL, -- a first 401 or 407 was not charged
  error_code     BIGINT NOT NULL,
  error_message  TEXT NOT NULL,
  condition      BIGINT NOT NULL,
  payload        TEXT NOT NULL, -- of the last attempt, when dead
  redrives       BIGINT NOT NULL,
  PRIMARY KEY (project, delivery_id)
);
-- The backlog, by what is due; and by what is overdue. Deliveries that go through memory are never in these.
CREATE INDEX deliveries_waiting ON deliveries (project, destination_id, next_attempt, delivery_id) WHERE state = 1 AND owner = '';
CREATE INDEX deliveries_expiring ON deliveries (expire_time) WHERE state = 1 AND owner = '';
CREATE INDEX deliveries_owned ON deliveries (owner) WHERE state = 1 AND owner <> '';
-- Lists, newest first.
CREATE INDEX deliveries_open ON deliveries (project, delivery_id) WHERE state = 1;
CREATE INDEX deliveries_dead ON deliveries (project, delivery_id) WHERE state = 4;
CREATE INDEX deliveries_dead_destination ON deliveries (project, destination_id, state, delivery_id) WHERE state = 4;
CREATE INDEX deliveries_cancelled ON deliveries (project, delivery_id) WHERE state = 5;
CREATE INDEX deliveries_destination ON deliveries (project, destination_id, delivery_id);
CREATE INDEX deliveries_rule ON deliveries (project, bus_id, rule_id, delivery_id);
CREATE INDEX deliveries_event ON deliveries (project, event_id, delivery_id);

CREATE TABLE attempts (
  project          TEXT COLLATE "C" NOT NULL,
  delivery_id      TEXT COLLATE "C" NOT NULL,
  number           BIGINT NOT NULL,
  start_time       BIGINT NOT NULL,
  duration         BIGINT NOT NULL, -- microseconds
  status_code      BIGINT NOT NULL,
  error_class      BIGINT NOT NULL,
  message          TEXT NOT NULL,
  token_generation BIGINT NOT NULL,
  retry_after      BIGINT, -- microseconds; negative: do not try again
  excerpt          TEXT NOT NULL,
  trace_id         TEXT NOT NULL,
  PRIMARY KEY (project, delivery_id, number)
);

-- Unfinished deliveries that are to be cancelled: those of a rule, of a target of it, or of a destination, accepted before.
CREATE TABLE cancellations (
  project         TEXT COLLATE "C" NOT NULL,
  cancellation_id TEXT COLLATE "C" NOT NULL,
  bus_id          TEXT COLLATE "C" NOT NULL,
  rule_id         TEXT COLLATE "C" NOT NULL,
  target_id       TEXT NOT NULL,
  destination_id  TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (project, cancellation_id)
);

-- Which owners are alive.
CREATE TABLE instances (
  instance_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  expire_time BIGINT NOT NULL
);

-- +goose Down
DROP TABLE instances;
DROP TABLE cancellations;
DROP TABLE attempts;
DROP TABLE deliveries;
DROP TABLE events;
DROP TABLE rate_slots;
DROP TABLE destinations;
DROP TABLE rule_destinations;
DROP TABLE rules;
DROP TABLE buses;
