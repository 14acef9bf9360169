-- +goose Up
-- Token requests of clients whose provider allows so many in a time.
CREATE TABLE mint_budgets (
    project     TEXT NOT NULL,
    server      TEXT NOT NULL, -- fingerprint of the token endpoint and the client
    counts      TEXT NOT NULL, -- JSON: requests by slot of time
    update_time BIGINT NOT NULL,
    PRIMARY KEY (project, server)
);

-- +goose Down
DROP TABLE mint_budgets;
