package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3/lock"
)

const (
	minServerVersion = 150000 // as in server_version_num
	defaultMaxConns  = 16

	// maxAttempts bounds how often a conflicting write is tried; the pauses between are random, and double up to
	// 16 × retryPause.
	maxAttempts = 6
	retryPause  = 5 * time.Millisecond

	// commitTimeout bounds how long a commit may take. It is ours, not the caller's: cutting a commit short leaves its
	// outcome unknown.
	commitTimeout = 30 * time.Second
)

var errCommitTimeout = errors.New("sqldb: commit took too long, its outcome is unknown")

// postgresDB is one schema of a PostgreSQL database.
type postgresDB struct {
	config *pgx.ConnConfig
	schema string
	pool   *pgxpool.Pool
	db     *sql.DB // over pool, so that both engines take the same calls
	logger *slog.Logger

	writes, commits atomic.Int64
}

// OpenPostgres connects to the database of the DSN, a URL or keyword=value pairs, and creates the schema if it is missing.
// Tables are looked up in that schema only. The server must be PostgreSQL 15 or newer, reached directly or through a
// pooler that keeps sessions. No error contains the password.
func OpenPostgres(ctx context.Context, dsn, schema string, o Options) (*DB, error) {
	o = o.withDefaults()
	config, err := postgresConfig(dsn, schema, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("sqldb: open PostgreSQL: %w", err)
	}
	if err := prepareSchema(ctx, pool, schema); err != nil {
		pool.Close()
		return nil, fmt.Errorf("sqldb: open PostgreSQL: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	db.SetMaxOpenConns(int(config.MaxConns))
	p := &postgresDB{config: config.ConnConfig.Copy(), schema: schema, pool: pool, db: db, logger: o.Logger}
	return newDB(Postgres, p, o), nil
}

func postgresConfig(dsn, schema string, o Options) (*pgxpool.Config, error) {
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`).MatchString(schema) {
		return nil, fmt.Errorf("sqldb: schema %q: want 1 to 40 of a-z, 0-9 and _, not starting with a digit", schema)
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, dsnError(err)
	}
	if o.MaxConns > 0 {
		config.MaxConns = int32(min(o.MaxConns, 1<<16))
	} else if !strings.Contains(dsn, "pool_max_conns") {
		config.MaxConns = defaultMaxConns
	}
	params := config.ConnConfig.RuntimeParams
	params["search_path"] = schema
	if params["application_name"] == "" {
		params["application_name"] = "freshet"
	}
	// Prepares each text once per connection. Plans are refreshed after a migration by the retry in write.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	return config, nil
}

// dsnError replaces the error of the parser, which quotes the DSN: in a malformed one the password cannot be told apart
// for sure. Only an unreadable file, such as a certificate, is named.
func dsnError(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("sqldb: PostgreSQL DSN: %w", file)
	}
	return errors.New("sqldb: PostgreSQL DSN is not valid: want postgres://user@host:5432/database?sslmode=verify-full" +
		" or keyword=value pairs")
}

// prepareSchema checks the server and creates the schema.
func prepareSchema(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	var version int
	var name string
	var exists bool
	err := pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, schema).Scan(&version, &name, &exists)
	if err != nil {
		return err
	}
	if version < minServerVersion {
		return fmt.Errorf("server is PostgreSQL %s, need 15 or newer", name)
	}
	if exists { // do not ask for the right to create what is there
		return nil
	}
	_, err = pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize())
	if state := sqlState(err); state == stateUniqueViolation || state == stateDuplicateSchema {
		return nil // another replica was faster: IF NOT EXISTS does not cover creation at the same moment
	}
	return err
}

func (p *postgresDB) write(ctx context.Context, fn txFunc) error {
	for attempt := 1; ; attempt++ {
		err := p.writeOnce(ctx, fn)
		if !repeatable(err) || attempt == maxAttempts {
			return err
		}
		p.logger.DebugContext(ctx, "transaction conflicted, trying again", "attempt", attempt, "error", err)
		pause := time.NewTimer(rand.N(retryPause << min(attempt, 4)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// repeatable tells whether the server undid the transaction for a reason that may be gone the next time.
func repeatable(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case stateSerializationFailure, stateDeadlockDetected:
		return true
	case stateFeatureNotSupported:
		// Another replica migrated a table that this connection has a plan for; the driver has dropped the plan by now.
		return strings.Contains(e.Message, "cached plan must not change result type")
	}
	return false
}

func (p *postgresDB) writeOnce(ctx context.Context, fn txFunc) error {
	// The transaction ends with ctx until the commit is sent, and not from then on.
	txCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	detach := context.AfterFunc(ctx, cancel)
	defer detach()

	tx, err := p.db.BeginTx(txCtx, nil)
	if err != nil {
		return callerError(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	p.writes.Add(1)
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if !detach() {
		return ctx.Err()
	}
	var late atomic.Bool
	timeout := time.AfterFunc(commitTimeout, func() { late.Store(true); cancel() })
	defer timeout.Stop()
	if err := tx.Commit(); err != nil {
		if late.Load() {
			return errCommitTimeout
		}
		return fmt.Errorf("sqldb: commit: %w", err)
	}
	p.commits.Add(1)
	return nil
}

func (p *postgresDB) read(ctx context.Context, fn txFunc) error {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	return callerError(ctx, tx.Commit())
}

// callerError prefers the end of the caller's context as the reason for err.
func callerError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (p *postgresDB) migrationDB() (*sql.DB, func() error, error) {
	return p.db, func() error { return nil }, nil
}

// migrationLocker returns an advisory lock of its own for every schema, so that services do not wait for each other. It is
// polled rather than waited for: a waiting session would block CREATE INDEX CONCURRENTLY in the one that migrates.
func (p *postgresDB) migrationLocker() (lock.SessionLocker, error) {
	id := fnv.New64a()
	_, _ = id.Write([]byte("freshet migration " + p.schema))
	return lock.NewPostgresSessionLocker(lock.WithLockID(int64(id.Sum64())), lock.WithLockTimeout(1, 600))
}

func (p *postgresDB) stats() Stats {
	return Stats{Writes: p.writes.Load(), Commits: p.commits.Load()}
}

func (p *postgresDB) close() error {
	err := p.db.Close()
	p.pool.Close()
	return err
}
