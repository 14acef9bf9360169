-- +goose Up
-- Tokens: the current credential of every connection and grant, and what decides about the next.
-- Times are microseconds since 1970 UTC; 0 is none. Text enumerations are the names of the API.
CREATE TABLE tokens (
    project             TEXT NOT NULL,
    connection          TEXT NOT NULL,
    grant_id            TEXT NOT NULL, -- '' for the connection's own token
    connection_uid      TEXT NOT NULL,
    revision            INTEGER NOT NULL, -- of the settings that are wanted
    version             INTEGER NOT NULL, -- grows with every change
    generation          INTEGER NOT NULL,
    generation_revision INTEGER NOT NULL,
    kind                TEXT NOT NULL,
    sealed              BLOB,          -- JSON of access token, refresh token and HTTP fields; bound to name, uid and generation
    token_type          TEXT NOT NULL,
    scopes              TEXT NOT NULL, -- JSON array
    issue_time          INTEGER NOT NULL,
    expire_time         INTEGER NOT NULL,
    expiry_source       TEXT NOT NULL,
    grant_expire_time   INTEGER NOT NULL,
    fingerprint         TEXT NOT NULL,
    traceparent         TEXT NOT NULL,
    state               TEXT NOT NULL,
    state_reason        TEXT NOT NULL,
    state_message       TEXT NOT NULL,
    state_time          INTEGER NOT NULL,
    refresh_at          INTEGER NOT NULL,
    must_refresh_at     INTEGER NOT NULL,
    not_before          INTEGER NOT NULL, -- when the server issues another token at the earliest
    attempt_at          INTEGER NOT NULL,
    attempt_trigger     TEXT NOT NULL,
    stopped             INTEGER NOT NULL, -- 1: attempts have ended until somebody repairs something
    due_at              INTEGER NOT NULL, -- the earliest of attempt, expiry and end of lease that needs attention
    failures            INTEGER NOT NULL, -- since the last success
    failure_class       TEXT NOT NULL, -- '' without one
    failure_reason      TEXT NOT NULL,
    failure_message     TEXT NOT NULL,
    failure_time        INTEGER NOT NULL,
    success_time        INTEGER NOT NULL,
    rejected_generation INTEGER NOT NULL,
    rejections          INTEGER NOT NULL, -- in a row
    lease_owner         TEXT NOT NULL, -- '' when nobody holds it
    lease_until         INTEGER NOT NULL,
    lease_rotation      TEXT NOT NULL,
    fence               INTEGER NOT NULL, -- grows with every claim
    redeemed_at         INTEGER NOT NULL, -- when the refresh token of redeemed_fingerprint may have been redeemed first without an answer
    spent_seeds         TEXT NOT NULL, -- fingerprints of the settings' refresh tokens and codes that are used up, newest last
    redeemed_fingerprint TEXT NOT NULL,
    grant_time          INTEGER NOT NULL, -- when the grant behind the token began
    plan                TEXT NOT NULL, -- JSON: what the settings of the generation say of when the next is obtained
    simulated_class     TEXT NOT NULL, -- '' unless failures are simulated
    simulated_until     INTEGER NOT NULL,
    simulated_failure   INTEGER NOT NULL, -- 1: the last failure is the simulation's
    hold_until          INTEGER NOT NULL, -- consumers begin no request with the generation before
    PRIMARY KEY (project, connection, grant_id)
);
CREATE INDEX tokens_due ON tokens (due_at, project, connection, grant_id) WHERE due_at > 0;
CREATE INDEX tokens_leased ON tokens (lease_owner) WHERE lease_owner <> '';

-- Rotations: the journal of attempts to get the next generation, bounded per token.
CREATE TABLE rotations (
    project                   TEXT NOT NULL,
    connection                TEXT NOT NULL,
    grant_id                  TEXT NOT NULL,
    rotation_id               TEXT NOT NULL, -- ULID
    generation                INTEGER NOT NULL,
    revision                  INTEGER NOT NULL,
    kind                      TEXT NOT NULL,
    state                     TEXT NOT NULL,
    trigger_name              TEXT NOT NULL,
    fence                     INTEGER NOT NULL,
    start_time                INTEGER NOT NULL,
    sent_time                 INTEGER NOT NULL,
    responded_time            INTEGER NOT NULL,
    end_time                  INTEGER NOT NULL,
    request_sent              INTEGER NOT NULL, -- 1: some part of the request may have left
    repeatable                INTEGER NOT NULL, -- 1: the request can be made again
    refresh_token_fingerprint TEXT NOT NULL,
    lead_us                   INTEGER,          -- validity that the former generation had left; NULL: it had none
    failure_class             TEXT NOT NULL,
    failure_message           TEXT NOT NULL,
    http_status               INTEGER NOT NULL,
    trace_id                  TEXT NOT NULL,
    sealed_response           BLOB,          -- while RESPONDED: the raw answer; bound to the rotation's name
    PRIMARY KEY (project, connection, grant_id, rotation_id)
);

-- +goose Down
DROP TABLE rotations;
DROP TABLE tokens;
