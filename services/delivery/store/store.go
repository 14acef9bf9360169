package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the schema, a directory per engine, for sqldb.DB.Migrate.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil { // a constant path
		return migrations
	}
	return sub
}

// Store implements delivery.Store.
type Store struct {
	db        *sqldb.DB
	sealer    *seal.Sealer
	inserts   insertions
	journal   journal
	accepting group[*acceptance]
	recording group[*outcome]
}

var _ delivery.Store = (*Store)(nil)

// New returns a store on a database that has the migrations. Secrets are sealed with sealer.
func New(db *sqldb.DB, sealer *seal.Sealer) *Store {
	s := &Store{db: db, sealer: sealer, inserts: newInsertions(db.Engine()), journal: journal{open: map[delivery.ID]*folded{}}}
	s.accepting.run, s.recording.run = s.acceptAll, s.recordAll
	s.accepting.project = func(a *acceptance) string { return a.bus.Project }
	s.recording.project = func(o *outcome) string { return o.delivery.ID.Project }
	s.recording.linger = recordLinger
	s.recording.pressing = func(o *outcome) bool { return o.delivery.Group != "" } // the next of the group waits for it
	return s
}

// Alone implements delivery.Instances.
func (s *Store) Alone() bool { return s.db.Engine() == sqldb.SQLite }

func micros(t time.Time) int64 { return sqldb.Micros(t) }

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// notFound replaces sql.ErrNoRows.
func notFound(err, sentinel error, name fmt.Stringer) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", name, sentinel)
	}
	return err
}

// exists replaces a violated primary key.
func exists(err error, name fmt.Stringer) error {
	if sqldb.IsUnique(err) {
		return fmt.Errorf("%s: %w", name, delivery.ErrExists)
	}
	return err
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// collect runs a query and scans each row.
func collect[R any](ctx context.Context, tx sqldb.Tx, scan func(scanner) (R, error), query string, args ...any) (list []R, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// reading runs a query in a transaction of its own.
func reading[R any](ctx context.Context, s *Store, fn func(ctx context.Context, tx sqldb.Tx) (R, error)) (R, error) {
	var result R
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		result, err = fn(ctx, tx)
		return err
	})
	return result, translate(err)
}

// writing runs statements in a transaction of its own.
func writing[R any](ctx context.Context, s *Store, fn func(ctx context.Context, tx sqldb.Tx) (R, error)) (R, error) {
	var result R
	err := s.write(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		result, err = fn(ctx, tx)
		return err
	})
	return result, err
}

func (s *Store) write(ctx context.Context, fn func(ctx context.Context, tx sqldb.Tx) error) error {
	return translate(s.db.Write(ctx, fn))
}

// translate marks errors that say that the database cannot be used right now.
func translate(err error) error {
	if sqldb.IsUnavailable(err) {
		return unavailableError{err}
	}
	return err
}

// unavailableError is an error of a database that may work again later.
type unavailableError struct{ err error }

// Error implements error.
func (e unavailableError) Error() string { return "delivery store: " + e.err.Error() }

// Unwrap returns the database's error.
func (e unavailableError) Unwrap() error { return e.err }

// Unavailable tells the error edge what to answer.
func (e unavailableError) Unavailable() bool { return true }

// affected runs a statement and returns how many rows it changed.
func affected(ctx context.Context, tx sqldb.Tx, query string, args ...any) (int, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
