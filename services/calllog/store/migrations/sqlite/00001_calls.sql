-- +goose Up
-- Calls through the API proxy. Ids begin with the time, so that their order is that of the calls.
CREATE TABLE calls (
  project         TEXT NOT NULL,
  call_id         TEXT NOT NULL, -- ULID
  connection_id   TEXT NOT NULL,
  grant_id        TEXT NOT NULL, -- '' for the connection's own token
  start_time      BIGINT NOT NULL, -- microseconds since 1970 UTC
  duration        BIGINT NOT NULL, -- microseconds
  method          TEXT   NOT NULL,
  host            TEXT   NOT NULL,
  path            TEXT   NOT NULL, -- without the query
  status          BIGINT NOT NULL, -- 0 without an answer
  status_class    BIGINT NOT NULL, -- first digit of the status; 1 without an answer
  reason          TEXT   NOT NULL, -- '' where the API's answer was passed on
  attempts        BIGINT NOT NULL,
  request_bytes   BIGINT NOT NULL,
  response_bytes  BIGINT NOT NULL,
  trace_id        TEXT   NOT NULL,
  PRIMARY KEY (project, call_id)
) WITHOUT ROWID;

CREATE INDEX calls_by_class ON calls (project, status_class, call_id);
CREATE INDEX calls_by_connection ON calls (project, connection_id, call_id);
CREATE INDEX calls_by_grant ON calls (project, connection_id, grant_id, call_id) WHERE grant_id <> '';
CREATE INDEX calls_by_age ON calls (call_id);

-- +goose Down
DROP TABLE calls;
