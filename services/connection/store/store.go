package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/internal/seal"
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

// Store implements connection.Store, connection.GrantStore and interfaces.Store.
type Store struct {
	db     *sqldb.DB
	sealer *seal.Sealer
}

// New returns a store on a migrated database.
func New(db *sqldb.DB, sealer *seal.Sealer) *Store {
	return &Store{db: db, sealer: sealer}
}

const insertConnection = `
INSERT INTO connections (project, connection_id, uid, description, kind, settings, sealed_secrets, revision, config_version, row_version,
  state, reason, message, pending, seen_generation, seen_state_time, create_time, update_time, state_time, authorize_time,
  grant_expire_time, grant_warning_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT (project, connection_id) DO NOTHING`

// Create implements connection.Store.
func (s *Store) Create(ctx context.Context, c connection.Connection, e *connection.StateEvent) error {
	settings, sealed, err := s.encode(c)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		created, err := affected(tx.ExecContext(ctx, insertConnection,
			c.Name.Project, c.Name.ID, c.UID, c.Description, string(c.Settings.Kind), settings, sealed,
			c.Revision, c.ConfigVersion, c.RowVersion+1, string(c.State), string(c.Reason), c.Message, string(c.Pending),
			c.Seen.Generation, sqldb.Micros(c.Seen.StateTime), sqldb.Micros(c.CreateTime), sqldb.Micros(c.UpdateTime),
			sqldb.Micros(c.StateTime), sqldb.Micros(c.AuthorizeTime), sqldb.Micros(c.GrantExpireTime),
			sqldb.Micros(c.GrantWarningTime)))
		if err != nil {
			return err
		}
		if !created {
			return fmt.Errorf("%w: %s", connection.ErrExists, c.Name)
		}
		return insertEvent(ctx, tx, e)
	})
}

const updateConnection = `
UPDATE connections SET description = $5, revision = $6, config_version = $7, row_version = row_version + 1, state = $8, reason = $9,
  message = $10, pending = $11, seen_generation = $12, seen_state_time = $13, update_time = $14, state_time = $15, authorize_time = $16,
  grant_expire_time = $17, grant_warning_time = $18
WHERE project = $1 AND connection_id = $2 AND uid = $3 AND row_version = $4`

// Update implements connection.Store.
func (s *Store) Update(ctx context.Context, c connection.Connection, e *connection.StateEvent) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return update(ctx, tx, c, e)
	})
}

const updateSettings = `UPDATE connections SET settings = $3, sealed_secrets = $4 WHERE project = $1 AND connection_id = $2`

// UpdateSettings implements connection.Store.
func (s *Store) UpdateSettings(ctx context.Context, c connection.Connection, e *connection.StateEvent) error {
	settings, sealed, err := s.encode(c)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := update(ctx, tx, c, e); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, updateSettings, c.Name.Project, c.Name.ID, settings, sealed)
		return err
	})
}

func update(ctx context.Context, tx sqldb.Tx, c connection.Connection, e *connection.StateEvent) error {
	updated, err := affected(tx.ExecContext(ctx, updateConnection, c.Name.Project, c.Name.ID, c.UID, c.RowVersion,
		c.Description, c.Revision, c.ConfigVersion, string(c.State), string(c.Reason), c.Message, string(c.Pending),
		c.Seen.Generation, sqldb.Micros(c.Seen.StateTime), sqldb.Micros(c.UpdateTime), sqldb.Micros(c.StateTime),
		sqldb.Micros(c.AuthorizeTime), sqldb.Micros(c.GrantExpireTime), sqldb.Micros(c.GrantWarningTime)))
	if err != nil {
		return err
	}
	if !updated {
		return fmt.Errorf("%w: %s", connection.ErrStale, c.Name)
	}
	if c.State == connection.StateDeleting {
		if err := checkUnused(ctx, tx, c.Name); err != nil {
			return err
		}
	}
	return insertEvent(ctx, tx, e)
}

const deleteConnection = `DELETE FROM connections WHERE project = $1 AND connection_id = $2 AND uid = $3 AND state = $4`

// Remove implements connection.Store.
func (s *Store) Remove(ctx context.Context, c connection.Connection) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, deleteConnection, c.Name.Project, c.Name.ID, c.UID, string(connection.StateDeleting))
		return err
	})
}

func affected(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (s *Store) write(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return translate(s.db.Write(ctx, fn))
}

func (s *Store) read(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return translate(s.db.Read(ctx, fn))
}

// translate marks errors that say that the database cannot be used right now, and passes the domain's own.
func translate(err error) error {
	switch {
	case err == nil, errors.Is(err, connection.ErrExists), errors.Is(err, connection.ErrStale), errors.Is(err, connection.ErrNotFound),
		errors.Is(err, connection.ErrGrantNotFound), errors.Is(err, connection.ErrInUse), errors.Is(err, interfaces.ErrNotFound),
		errors.Is(err, connect.ErrNotFound), errors.Is(err, connect.ErrStale):
		return err
	case sqldb.IsUnavailable(err):
		return unavailableError{err}
	default:
		return fmt.Errorf("connection store: %w", err)
	}
}

// unavailableError is an error of a database that may work again later.
type unavailableError struct{ err error }

// Error implements error.
func (e unavailableError) Error() string { return "connection store: " + e.err.Error() }

// Unwrap returns the database's error.
func (e unavailableError) Unwrap() error { return e.err }

// Unavailable tells the error edge what to answer.
func (e unavailableError) Unavailable() bool { return true }
