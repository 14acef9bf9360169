-- +goose Up
CREATE TABLE signing_keys (
  project        TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  key_id         TEXT NOT NULL,
  algorithm      INTEGER NOT NULL, -- 1 HMAC-SHA256, 2 ed25519
  public_key     TEXT NOT NULL,
  sealed         BLOB NOT NULL,
  create_time    INTEGER NOT NULL,
  expire_time    INTEGER NOT NULL, -- 0: never
  PRIMARY KEY (project, destination_id, key_id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE signing_keys;
