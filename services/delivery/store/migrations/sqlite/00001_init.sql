-- +goose Up
CREATE TABLE buses (
  project       TEXT NOT NULL,
  bus_id        TEXT NOT NULL,
  description   TEXT NOT NULL,
  create_time   INTEGER NOT NULL,
  update_time   INTEGER NOT NULL,
  etag          TEXT NOT NULL,
  rules_version TEXT NOT NULL, -- a new one with every change of the bus's rules
  PRIMARY KEY (project, bus_id)
) WITHOUT ROWID;

CREATE TABLE rules (
  project       TEXT NOT NULL,
  bus_id        TEXT NOT NULL,
  rule_id       TEXT NOT NULL,
  description   TEXT NOT NULL,
  event_pattern TEXT NOT NULL,
  disabled      INTEGER NOT NULL,
  targets       TEXT NOT NULL, -- JSON
  create_time   INTEGER NOT NULL,
  update_time   INTEGER NOT NULL,
  etag          TEXT NOT NULL,
  PRIMARY KEY (project, bus_id, rule_id)
);

-- Which rules use a destination.
CREATE TABLE rule_destinations (
  project        TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  bus_id         TEXT NOT NULL,
  rule_id        TEXT NOT NULL,
  PRIMARY KEY (project, destination_id, bus_id, rule_id)
) WITHOUT ROWID;
CREATE INDEX rule_destinations_rule ON rule_destinations (project, bus_id, rule_id);

CREATE TABLE destinations (
  project        TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  description    TEXT NOT NULL,
  connection_id  TEXT NOT NULL,
  endpoint       TEXT NOT NULL,
  http_method    TEXT NOT NULL,
  rate_limit     INTEGER NOT NULL, -- per second
  timeout        INTEGER NOT NULL, -- microseconds
  create_time    INTEGER NOT NULL,
  update_time    INTEGER NOT NULL,
  etag           TEXT NOT NULL,
  PRIMARY KEY (project, destination_id)
) WITHOUT ROWID;

-- Starts of destinations that several instances share: the first that nobody has reserved.
CREATE TABLE rate_slots (
  project        TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  next_slot      INTEGER NOT NULL,
  PRIMARY KEY (project, destination_id)
) WITHOUT ROWID;

CREATE TABLE events (
  project        TEXT NOT NULL,
  event_id       TEXT NOT NULL,
  bus_id         TEXT NOT NULL,
  source         TEXT NOT NULL,
  detail_type    TEXT NOT NULL,
  detail         TEXT NOT NULL, -- byte for byte as it was put
  resources      TEXT NOT NULL, -- JSON
  time           INTEGER NOT NULL,
  ingestion_time INTEGER NOT NULL,
  traceparent    TEXT NOT NULL,
  PRIMARY KEY (project, event_id)
);

CREATE TABLE deliveries (
  project        TEXT NOT NULL,
  delivery_id    TEXT NOT NULL,
  event_id       TEXT NOT NULL,
  bus_id         TEXT NOT NULL,
  rule_id        TEXT NOT NULL,
  target_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  target         TEXT NOT NULL, -- JSON, as it was when the event was accepted
  state          INTEGER NOT NULL, -- 1 pending, 3 succeeded, 4 dead, 5 cancelled
  owner          TEXT NOT NULL, -- the instance that has it in memory; '': nobody
  create_time    INTEGER NOT NULL,
  next_attempt   INTEGER NOT NULL,
  expire_time    INTEGER NOT NULL,
  end_time       INTEGER NOT NULL,
  max_age        INTEGER NOT NULL, -- microseconds, for a redrive
  attempts       INTEGER NOT NULL,
  charged        INTEGER NOT NULL, -- attempts that count against the retry policy
  auth_forgiven  INTEGER NOT NULL, -- a first 401 or 407 was not charged
  error_code     INTEGER NOT NULL,
  error_message  TEXT NOT NULL,
  condition      INTEGER NOT NULL,
  payload        TEXT NOT NULL, -- of the last attempt, when dead
  redrives       INTEGER NOT NULL,
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
  project          TEXT NOT NULL,
  delivery_id      TEXT NOT NULL,
  number           INTEGER NOT NULL,
  start_time       INTEGER NOT NULL,
  duration         INTEGER NOT NULL, -- microseconds
  status_code      INTEGER NOT NULL,
  error_class      INTEGER NOT NULL,
  message          TEXT NOT NULL,
  token_generation INTEGER NOT NULL,
  retry_after      INTEGER, -- microseconds; negative: do not try again
  excerpt          TEXT NOT NULL,
  trace_id         TEXT NOT NULL,
  PRIMARY KEY (project, delivery_id, number)
) WITHOUT ROWID;

-- Unfinished deliveries that are to be cancelled: those of a rule, of a target of it, or of a destination, accepted before.
CREATE TABLE cancellations (
  project         TEXT NOT NULL,
  cancellation_id TEXT NOT NULL,
  bus_id          TEXT NOT NULL,
  rule_id         TEXT NOT NULL,
  target_id       TEXT NOT NULL,
  destination_id  TEXT NOT NULL,
  PRIMARY KEY (project, cancellation_id)
) WITHOUT ROWID;

-- Which owners are alive.
CREATE TABLE instances (
  instance_id TEXT NOT NULL PRIMARY KEY,
  expire_time INTEGER NOT NULL
) WITHOUT ROWID;

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
