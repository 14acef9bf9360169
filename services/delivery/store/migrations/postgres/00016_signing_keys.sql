-- +goose Up
CREATE TABLE signing_keys (
  project        TEXT COLLATE "C" NOT NULL,
  destination_id TEXT COLLATE "C" NOT NULL,
  key_id         TEXT COLLATE "C" NOT NULL,
  algorithm      BIGINT NOT NULL, -- 1 HMAC-SHA256, 2 ed25519
  public_key     TEXT NOT NULL,
  sealed         BYTEA NOT NULL,
  create_time    BIGINT NOT NULL,
  expire_time    BIGINT NOT NULL, -- 0: never
  PRIMARY KEY (project, destination_id, key_id)
);

-- +goose Down
DROP TABLE signing_keys;
