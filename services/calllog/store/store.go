package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/freshet-io/freshet/services/calllog"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the directories sqlite and postgres with the migrations of each engine.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil { // only for an invalid path
		return migrations
	}
	return sub
}

// Store implements calllog.Store.
type Store struct{ db *sqldb.DB }

var _ calllog.Store = (*Store)(nil)

// New returns a store on a migrated database.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

const (
	columns = `project, call_id, connection_id, grant_id, start_time, duration, method, host, path, status, status_class, reason, attempts,
  request_bytes, response_bytes, trace_id`

	insertCall = `INSERT INTO calls (` + columns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`

	selectCalls = `SELECT ` + columns + ` FROM calls
WHERE project = $1 AND call_id < $2 AND call_id >= $3 ORDER BY call_id DESC LIMIT $4`

	selectClass = `SELECT ` + columns + ` FROM calls
WHERE project = $1 AND status_class = $5 AND call_id < $2 AND call_id >= $3 ORDER BY call_id DESC LIMIT $4`

	selectConnection = `SELECT ` + columns + ` FROM calls
WHERE project = $1 AND connection_id = $5 AND call_id < $2 AND call_id >= $3 AND ($6 = 0 OR status_class = $6)
ORDER BY call_id DESC LIMIT $4`

	selectGrant = `SELECT ` + columns + ` FROM calls
WHERE project = $1 AND connection_id = $5 AND grant_id = $7 AND grant_id <> '' AND call_id < $2 AND call_id >= $3
  AND ($6 = 0 OR status_class = $6) ORDER BY call_id DESC LIMIT $4`

	// deleteCalls removes the oldest of those that are below an id.
	deleteCalls = `DELETE FROM calls WHERE (project, call_id) IN (
  SELECT project, call_id FROM calls WHERE call_id < $1 ORDER BY call_id LIMIT $2)`

	selectNewest = `SELECT call_id FROM calls ORDER BY call_id DESC LIMIT 1 OFFSET $1`
)

// AddCalls implements calllog.Store.
func (s *Store) AddCalls(ctx context.Context, calls []calllog.Call) error {
	return translate(s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for i := range calls {
			c := &calls[i]
			if _, err := tx.ExecContext(ctx, insertCall, c.Project, c.ID, c.Connection, c.Grant, sqldb.Micros(c.StartTime),
				c.Duration.Microseconds(), c.Method, c.Host, c.Path, c.Status, int(calllog.ClassOf(c.Status)), c.Reason, c.Attempts,
				c.RequestBytes, c.ResponseBytes, c.TraceID); err != nil {
				return err
			}
		}
		return nil
	}))
}

// ListCalls implements calllog.Store.
func (s *Store) ListCalls(ctx context.Context, project string, q calllog.Query) ([]calllog.Call, error) {
	lowest, highest := q.Bounds()
	query, args := selectCalls, []any{project, highest, lowest, q.Limit}
	switch {
	case q.Grant != "":
		query, args = selectGrant, append(args, q.Connection, int(q.Class), q.Grant)
	case q.Connection != "":
		query, args = selectConnection, append(args, q.Connection, int(q.Class))
	case q.Class != 0:
		query, args = selectClass, append(args, int(q.Class))
	}
	var list []calllog.Call
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		list = nil
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err has it
		for rows.Next() {
			c, err := scan(rows)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	return list, translate(err)
}

func scan(rows *sql.Rows) (calllog.Call, error) {
	var c calllog.Call
	var start, duration, class int64
	err := rows.Scan(&c.Project, &c.ID, &c.Connection, &c.Grant, &start, &duration, &c.Method, &c.Host, &c.Path, &c.Status, &class, &c.Reason,
		&c.Attempts, &c.RequestBytes, &c.ResponseBytes, &c.TraceID)
	c.StartTime, c.Duration = sqldb.Time(start), time.Duration(duration)*time.Microsecond
	return c, err
}

// TrimCalls implements calllog.Store.
func (s *Store) TrimCalls(ctx context.Context, below string, limit int) (n int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		result, err := tx.ExecContext(ctx, deleteCalls, below, limit)
		if err != nil {
			return err
		}
		removed, err := result.RowsAffected()
		n = int(removed)
		return err
	})
	return n, translate(err)
}

// NewestCalls implements calllog.Store.
func (s *Store) NewestCalls(ctx context.Context, n int) (id string, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		err := tx.QueryRowContext(ctx, selectNewest, n-1).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return id, translate(err)
}

// translate marks errors that say that the database cannot be used right now.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case sqldb.IsUnavailable(err):
		return unavailableError{err}
	default:
		return fmt.Errorf("call log: %w", err)
	}
}

// unavailableError is an error of a database that may work again later.
type unavailableError struct{ err error }

// Error implements error.
func (e unavailableError) Error() string { return "call log: " + e.err.Error() }

// Unwrap returns the database's error.
func (e unavailableError) Unwrap() error { return e.err }

// Unavailable tells the error edge what to answer.
func (e unavailableError) Unavailable() bool { return true }
