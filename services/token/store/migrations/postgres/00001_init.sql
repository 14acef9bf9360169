-- +goose Up
-- Tokens: the current credential of every connection and grant, and what decides about the next.
-- Times are microseconds since 1970 UTC; 0 is none. Text enumerations are the names of the API.
CREATE TABLE tokens (
    project             text COLLATE "C" NOT NULL,
    connection          text COLLATE "C" NOT NULL,
    grant_id            text COLLATE "C" NOT NULL, -- '' for the connection's own token
    connection_uid      text NOT NULL,
    revision            bigint NOT NULL, -- of the settings that are wanted
    version             bigint NOT NULL, -- grows with every change
    generation          bigint NOT NULL,
    generation_revision bigint NOT NULL,
    kind                text NOT NULL,
    sealed              bytea,          -- JSON of access token, refresh token and HTTP fields; bound to name, uid and generation
    token_type          text NOT NULL,
    scopes              text NOT NULL, -- JSON array
    issue_time          bigint NOT NULL,
    expire_time         bigint NOT NULL,
    expiry_source       text NOT NULL,
    grant_expire_time   bigint NOT NULL,
    fingerprint         text NOT NULL,
    traceparent         text NOT NULL,
    state               text NOT NULL,
    state_reason        text NOT NULL,
    state_message       text NOT NULL,
    state_time          bigint NOT NULL,
    refresh_at          bigint NOT NULL,
    must_refresh_at     bigint NOT NULL,
    not_before          bigint NOT NULL, -- when the server issues another token at the earliest
    attempt_at          bigint NOT NULL,
    attempt_trigger     text NOT NULL,
    stopped             bigint NOT NULL, -- 1: attempts have ended until somebody repairs something
    due_at              bigint NOT NULL, -- the earliest of attempt, expiry and end of lease that needs attention
    failures            bigint NOT NULL, -- since the last success
    failure_class       text NOT NULL, -- '' without one
    failure_reason      text NOT NULL,
    failure_message     text NOT NULL,
    failure_time        bigint NOT NULL,
    success_time        bigint NOT NULL,
    rejected_generation bigint NOT NULL,
    rejections          bigint NOT NULL, -- in a row
    lease_owner         text NOT NULL, -- '' when nobody holds it
    lease_until         bigint NOT NULL,
    lease_rotation      text NOT NULL,
    fence               bigint NOT NULL, -- grows with every claim
    redeemed_at         bigint NOT NULL, -- when the refresh token of redeemed_fingerprint may have been redeemed first without an answer
    spent_seeds         text NOT NULL, -- fingerprints of the settings' refresh tokens and codes that are used up, newest last
    redeemed_fingerprint text NOT NULL,
    grant_time          bigint NOT NULL, -- when the grant behind the token began
    plan                text NOT NULL, -- JSON: what the settings of the generation say of when the next is obtained
    simulated_class     text NOT NULL, -- '' unless failures are simulated
    simulated_until     bigint NOT NULL,
    simulated_failure   bigint NOT NULL, -- 1: the last failure is the simulation's
    hold_until          bigint NOT NULL, -- consumers begin no request with the generation before
    PRIMARY KEY (project, connection, grant_id)
);
CREATE INDEX tokens_due ON tokens (due_at, project, connection, grant_id) WHERE due_at > 0;
CREATE INDEX tokens_leased ON tokens (lease_owner) WHERE lease_owner <> '';

-- Rotations: the journal of attempts to get the next generation, bounded per token.
CREATE TABLE rotations (
    project                   text COLLATE "C" NOT NULL,
    connection                text COLLATE "C" NOT NULL,
    grant_id                  text COLLATE "C" NOT NULL,
    rotation_id               text COLLATE "C" NOT NULL, -- ULID
    generation                bigint NOT NULL,
    revision                  bigint NOT NULL,
    kind                      text NOT NULL,
    state                     text NOT NULL,
    trigger_name              text NOT NULL,
    fence                     bigint NOT NULL,
    start_time                bigint NOT NULL,
    sent_time                 bigint NOT NULL,
    responded_time            bigint NOT NULL,
    end_time                  bigint NOT NULL,
    request_sent              bigint NOT NULL, -- 1: some part of the request may have left
    repeatable                bigint NOT NULL, -- 1: the request can be made again
    refresh_token_fingerprint text NOT NULL,
    lead_us                   bigint,          -- validity that the former generation had left; NULL: it had none
    failure_class             text NOT NULL,
    failure_message           text NOT NULL,
    http_status               bigint NOT NULL,
    trace_id                  text NOT NULL,
    sealed_response           bytea,          -- while RESPONDED: the raw answer; bound to the rotation's name
    PRIMARY KEY (project, connection, grant_id, rotation_id)
);

-- +goose Down
DROP TABLE rotations;
DROP TABLE tokens;
