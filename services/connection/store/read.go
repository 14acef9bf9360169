package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const columns = `project, connection_id, uid, description, kind, settings, revision, config_version, row_version, state, reason, message,
  pending, seen_generation, seen_state_time, create_time, update_time, state_time, authorize_time, grant_expire_time, grant_warning_time`

const selectConnection = `SELECT ` + columns + `, sealed_secrets FROM connections WHERE project = $1 AND connection_id = $2`

// Get implements connection.Store.
func (s *Store) Get(ctx context.Context, name connection.Name) (connection.Connection, error) {
	c, _, err := s.get(ctx, name)
	return c, err
}

// GetWithSecrets implements connection.Store.
func (s *Store) GetWithSecrets(ctx context.Context, name connection.Name) (connection.Connection, error) {
	c, sealed, err := s.get(ctx, name)
	if err != nil {
		return connection.Connection{}, err
	}
	if err := s.open(&c, sealed); err != nil {
		return connection.Connection{}, err
	}
	return c, nil
}

func (s *Store) get(ctx context.Context, name connection.Name) (c connection.Connection, sealed []byte, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var err error
		c, err = scan(tx.QueryRowContext(ctx, selectConnection, name.Project, name.ID), &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: %s", connection.ErrNotFound, name)
		}
		return err
	})
	return c, sealed, err
}

const (
	selectProject = `SELECT ` + columns + ` FROM connections
WHERE project = $1 AND connection_id > $2 ORDER BY connection_id LIMIT $3`

	selectProjectState = `SELECT ` + columns + ` FROM connections
WHERE project = $1 AND state = $4 AND connection_id > $2 ORDER BY connection_id LIMIT $3`
)

// List implements connection.Store.
func (s *Store) List(ctx context.Context, project string, q connection.Query) ([]connection.Connection, error) {
	if q.State != "" {
		return s.query(ctx, selectProjectState, project, q.After, q.Limit, string(q.State))
	}
	return s.query(ctx, selectProject, project, q.After, q.Limit)
}

const (
	selectAll = `SELECT ` + columns + ` FROM connections
WHERE (project, connection_id) > ($1, $2) ORDER BY project, connection_id LIMIT $3`

	selectPending = `SELECT ` + columns + ` FROM connections
WHERE pending <> '' AND (project, connection_id) > ($1, $2) ORDER BY project, connection_id LIMIT $3`
)

// Scan implements connection.Store.
func (s *Store) Scan(ctx context.Context, after connection.Name, limit int, pendingOnly bool) ([]connection.Connection, error) {
	query := selectAll
	if pendingOnly {
		query = selectPending
	}
	return s.query(ctx, query, after.Project, after.ID, limit)
}

const selectDueWarnings = `SELECT ` + columns + ` FROM connections
WHERE grant_warning_time > 0 AND grant_warning_time <= $1 ORDER BY grant_warning_time LIMIT $2`

// DueWarnings implements connection.Horizons.
func (s *Store) DueWarnings(ctx context.Context, now time.Time, limit int) ([]connection.Connection, error) {
	return s.query(ctx, selectDueWarnings, sqldb.Micros(now), limit)
}

func (s *Store) query(ctx context.Context, query string, args ...any) ([]connection.Connection, error) {
	return queryRows(ctx, s, func(row scanner) (connection.Connection, error) { return scan(row) }, query, args...)
}

type scanner interface{ Scan(dest ...any) error }

// queryRows reads a list of what read makes of a row.
func queryRows[T any](ctx context.Context, s *Store, read func(scanner) (T, error), query string, args ...any) ([]T, error) {
	var list []T
	err := s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		list = nil
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err has it
		for rows.Next() {
			one, err := read(rows)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return rows.Err()
	})
	return list, err
}

// scan reads a row of columns, followed by what more was selected.
func scan(row scanner, more ...any) (connection.Connection, error) {
	var c connection.Connection
	var settings string
	var seen, created, updated, changed, authorized, expire, warning int64
	dest := []any{
		&c.Name.Project, &c.Name.ID, &c.UID, &c.Description, &c.Settings.Kind, &settings, &c.Revision, &c.ConfigVersion, &c.RowVersion,
		&c.State, &c.Reason, &c.Message, &c.Pending, &c.Seen.Generation, &seen, &created, &updated, &changed, &authorized,
		&expire, &warning,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return connection.Connection{}, err
	}
	c.Seen.StateTime = sqldb.Time(seen)
	c.CreateTime = sqldb.Time(created)
	c.UpdateTime = sqldb.Time(updated)
	c.StateTime = sqldb.Time(changed)
	c.AuthorizeTime = sqldb.Time(authorized)
	c.GrantExpireTime, c.GrantWarningTime = sqldb.Time(expire), sqldb.Time(warning)
	if err := decodeSettings(settings, &c.Settings); err != nil {
		return connection.Connection{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	return c, nil
}
