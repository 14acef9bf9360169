package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Engine is the database product behind a [DB]. It is also the name of the directory with its migrations.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

var (
	// ErrClosed is returned by every call on a closed DB.
	ErrClosed = errors.New("sqldb: database is closed")
	// ErrNested is returned by Write and Read when called from inside a Write or Read of the same DB: on SQLite it would
	// wait for itself, on PostgreSQL it would not see the changes of the transaction around it.
	ErrNested = errors.New("sqldb: transaction inside a transaction: use the given Tx")
	// ErrInUse is returned by OpenSQLite while another process, or another DB of this process, has the file open.
	ErrInUse = errors.New("database is in use by another freshet process")
	// ErrRowsOpen is returned by a statement that is run before the rows of the previous one were closed.
	ErrRowsOpen = errors.New("sqldb: rows of the previous query are still open")

	errFnExited = errors.New("sqldb: transaction function exited its goroutine")
	errLost     = errors.New("sqldb: transaction was rolled back with the group it was in")
)

// Tx is what queries run on, inside [DB.Write] and [DB.Read]. It must not be kept after the function returned, and not be
// used by several goroutines. A statement that fails ends the transaction: later statements fail too, and Write returns
// an error even if the function does not. To go on after a conflict, use ON CONFLICT.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Options tune a DB. The zero value is ready for use.
type Options struct {
	// Logger receives lost connections, retries, applied migrations and panics. Default: discard.
	Logger *slog.Logger
	// MaxReaders is the number of concurrent reads on SQLite. Default: 8.
	MaxReaders int
	// MaxGroup is the number of writes that may share one commit on SQLite. Default: 256.
	MaxGroup int
	// MaxConns is the number of connections to PostgreSQL, without the one that each Listen holds.
	// Default: pool_max_conns of the DSN, or else 16.
	MaxConns int
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxReaders <= 0 {
		o.MaxReaders = 8
	}
	if o.MaxGroup <= 0 {
		o.MaxGroup = 256
	}
	return o
}

// Stats counts what a DB did since it was opened.
type Stats struct {
	Writes  int64 // functions given to Write that ran; on PostgreSQL every retry counts
	Commits int64 // transactions committed for them
	Waiting int   // writes queued right now; always 0 on PostgreSQL
}

// DB is one open database. It is safe for concurrent use.
type DB struct {
	engine  Engine
	backend backend
	logger  *slog.Logger

	life      context.Context // ends when Close is called
	end       context.CancelFunc
	migrating sync.Mutex
	closeOnce sync.Once
	closeErr  error
}

// backend is what the engines implement.
type backend interface {
	write(ctx context.Context, fn txFunc) error
	read(ctx context.Context, fn txFunc) error
	// migrationDB opens the handle that migrations run on, and a function that releases it.
	migrationDB() (*sql.DB, func() error, error)
	notify(ctx context.Context, tx Tx, channel, payload string) error
	// listen returns when ctx ends.
	listen(ctx context.Context, channel string, fn func(payload string)) error
	stats() Stats
	close() error
}

type txFunc func(ctx context.Context, tx Tx) error

func newDB(engine Engine, b backend, o Options) *DB {
	life, end := context.WithCancel(context.Background())
	return &DB{engine: engine, backend: b, logger: o.Logger, life: life, end: end}
}

// Engine tells which database product this is.
func (db *DB) Engine() Engine { return db.engine }

// Write runs fn in a read-write transaction and returns after it is durable. The error of fn, unchanged, undoes the
// transaction. A panic in fn is returned as an error.
//
// fn runs on the calling goroutine, and possibly more than once: PostgreSQL asks to repeat transactions that
// conflicted, and on SQLite a group begins anew when one of its writes fails after a change. It must have no effect outside tx, and must not wait for other work, above all not for another Write:
// on SQLite all writers wait for it.
//
// If ctx ends before fn started, fn is not run. Once it runs on SQLite, its outcome is returned whatever becomes of ctx;
// on PostgreSQL that holds once the commit was sent. Any error from the commit, for example a lost connection, means that
// the outcome is unknown.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	ctx, err := db.enter(ctx)
	if err != nil {
		return err
	}
	return db.backend.write(ctx, db.guard(fn))
}

// Read runs fn in a read-only transaction that sees one consistent state of the database throughout.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	ctx, err := db.enter(ctx)
	if err != nil {
		return err
	}
	return db.backend.read(ctx, db.guard(fn))
}

// inside is the context key that marks a transaction of db.
type inside struct{ db *DB }

func (db *DB) enter(ctx context.Context) (context.Context, error) {
	if db.life.Err() != nil {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if ctx.Value(inside{db}) != nil {
		return nil, ErrNested
	}
	return context.WithValue(ctx, inside{db}, true), nil
}

// guard turns a panic of fn into an error, so that it costs one transaction and not the connection or the writer.
func (db *DB) guard(fn txFunc) txFunc {
	return func(ctx context.Context, tx Tx) (err error) {
		defer func() {
			if v := recover(); v != nil {
				db.logger.ErrorContext(ctx, "panic in transaction", "panic", v, "stack", string(debug.Stack()))
				err = fmt.Errorf("sqldb: panic in transaction: %v", v)
			}
		}()
		return fn(ctx, tx)
	}
}

// Ping checks that the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return db.Read(ctx, func(ctx context.Context, tx Tx) error {
		var one int
		return tx.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	})
}

// Notify tells the listeners of channel on all replicas that something changed, when and if tx commits. The payload is at
// most 7,999 bytes: a key and a version, not the data. On SQLite it does nothing: one process owns the file, so
// whoever must know is told in memory.
func (db *DB) Notify(ctx context.Context, tx Tx, channel, payload string) error {
	return db.backend.notify(ctx, tx, channel, payload)
}

// Listen calls fn with the payload of every notification on channel until ctx ends, and returns the error of ctx, or
// ErrClosed. A lost connection is replaced, with backoff; notifications sent meanwhile are lost, so fn is called with ""
// after every connect, including the first: read again everything that matters. Calls are sequential; a slow fn delays
// the next. On SQLite Listen only waits, see Notify.
func (db *DB) Listen(ctx context.Context, channel string, fn func(payload string)) error {
	if db.life.Err() != nil {
		return ErrClosed
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(db.life, cancel)()
	err := db.backend.listen(both, channel, fn)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case db.life.Err() != nil:
		return ErrClosed
	default:
		return err
	}
}

// ForUpdateSkipLocked is the clause that makes a claiming SELECT pass over the rows other replicas are claiming. SQLite
// does not know it and does not need it: its writer is alone.
func (db *DB) ForUpdateSkipLocked() string {
	if db.engine == Postgres {
		return "FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// Stats returns the counters of the database.
func (db *DB) Stats() Stats { return db.backend.stats() }

// Close finishes the writes that wait, ends every Listen, and closes the database. It waits for running transactions.
// Later calls return the result of the first.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.end()
		db.closeErr = db.backend.close()
	})
	return db.closeErr
}

// Micros is how times are stored: microseconds since 1970 UTC. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros], in UTC.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
