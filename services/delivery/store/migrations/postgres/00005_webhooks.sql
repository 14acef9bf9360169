-- +goose Up
CREATE TABLE webhooks (
  project     TEXT COLLATE "C" NOT NULL,
  bus_id      TEXT COLLATE "C" NOT NULL,
  webhook_id  TEXT COLLATE "C" NOT NULL,
  description TEXT NOT NULL,
  disabled    BIGINT NOT NULL,
  source      TEXT NOT NULL,
  detail_type TEXT NOT NULL,
  settings    TEXT NOT NULL, -- JSON, without secrets
  secrets     BYTEA NOT NULL, -- sealed
  create_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  etag        TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (project, bus_id, webhook_id)
);

-- Requests that became events, as long as they could come again.
CREATE TABLE webhook_receipts (
  project     TEXT COLLATE "C" NOT NULL,
  bus_id      TEXT COLLATE "C" NOT NULL,
  webhook_id  TEXT COLLATE "C" NOT NULL,
  identity    TEXT COLLATE "C" NOT NULL, -- what the request is known by
  event_id    TEXT COLLATE "C" NOT NULL,
  expire_time BIGINT NOT NULL,
  PRIMARY KEY (project, bus_id, webhook_id, identity)
);
CREATE INDEX webhook_receipts_expiring ON webhook_receipts (project, bus_id, webhook_id, expire_time);

-- +goose Down
DROP TABLE webhook_receipts;
DROP TABLE webhooks;
