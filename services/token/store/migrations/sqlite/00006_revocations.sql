-- +goose Up
-- Superseded access tokens that are to be revoked.
CREATE TABLE revocations (
    project        TEXT NOT NULL,
    connection     TEXT NOT NULL,
    grant_id       TEXT NOT NULL,
    revocation_id  TEXT NOT NULL, -- ULID
    connection_uid TEXT NOT NULL,
    server         TEXT NOT NULL, -- fingerprint of the token endpoint and the client
    generation     INTEGER NOT NULL,
    sealed_token   BLOB NOT NULL, -- bound to the revocation's name
    due_time       INTEGER NOT NULL,
    expire_time    INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    PRIMARY KEY (project, connection, grant_id, revocation_id)
);
CREATE INDEX revocations_due ON revocations (due_time, revocation_id);

-- +goose Down
DROP TABLE revocations;
