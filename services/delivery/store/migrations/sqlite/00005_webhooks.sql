-- +goose Up
CREATE TABLE webhooks (
  project     TEXT NOT NULL,
  bus_id      TEXT NOT NULL,
  webhook_id  TEXT NOT NULL,
  description TEXT NOT NULL,
  disabled    INTEGER NOT NULL,
  source      TEXT NOT NULL,
  detail_type TEXT NOT NULL,
  settings    TEXT NOT NULL, -- JSON, without secrets
  secrets     BLOB NOT NULL, -- sealed
  create_time INTEGER NOT NULL,
  update_time INTEGER NOT NULL,
  etag        TEXT NOT NULL,
  PRIMARY KEY (project, bus_id, webhook_id)
) WITHOUT ROWID;

-- Requests that became events, as long as they could come again.
CREATE TABLE webhook_receipts (
  project     TEXT NOT NULL,
  bus_id      TEXT NOT NULL,
  webhook_id  TEXT NOT NULL,
  identity    TEXT NOT NULL, -- what the request is known by
  event_id    TEXT NOT NULL,
  expire_time INTEGER NOT NULL,
  PRIMARY KEY (project, bus_id, webhook_id, identity)
) WITHOUT ROWID;
CREATE INDEX webhook_receipts_expiring ON webhook_receipts (project, bus_id, webhook_id, expire_time);

-- +goose Down
DROP TABLE webhook_receipts;
DROP TABLE webhooks;
