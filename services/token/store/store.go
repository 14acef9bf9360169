package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// Migrations are the schema's versions, in a directory for each engine.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return migrations // cannot happen: the directory is part of the program
	}
	return sub
}

// channel carries the changes between replicas.
const channel = "freshet_token"

// Store implements token.Store.
type Store struct {
	db     *sqldb.DB
	sealer *seal.Sealer
	lock   string // the clause that keeps other replicas from a row until the transaction ends
}

var _ token.Store = (*Store)(nil)

// New returns a store on a migrated database.
func New(db *sqldb.DB, sealer *seal.Sealer) *Store {
	s := &Store{db: db, sealer: sealer}
	if db.Engine() == sqldb.Postgres {
		s.lock = " FOR UPDATE" // SQLite has one writer and does not know the clause
	}
	return s
}

// Exclusive implements token.Store: a SQLite file belongs to one process.
func (s *Store) Exclusive() bool { return s.db.Engine() == sqldb.SQLite }

const byKey = " WHERE project = $1 AND connection = $2 AND grant_id = $3"

// Get implements token.Store.
func (s *Store) Get(ctx context.Context, key token.Key) (token.Token, error) {
	var r row
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return r.scan(tx.QueryRowContext(ctx, "SELECT "+tokenColumns+", sealed, sealed_key FROM tokens"+byKey,
			key.Project, key.Connection, key.Grant), true)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return token.Token{}, token.ErrNotFound
	}
	if err != nil {
		return token.Token{}, failure("get", err)
	}
	t, err := r.token()
	if err != nil {
		return token.Token{}, err
	}
	t.Credential, err = s.open(r.sealed, &t)
	t.CredentialLost = errors.Is(err, seal.ErrUnsealable)
	if err != nil && !t.CredentialLost {
		return token.Token{}, err
	}
	t.NextKey, err = s.openKey(r.sealedKey, &t)
	return t, err
}

// Due implements token.Store.
func (s *Store) Due(ctx context.Context, after token.DueCursor, until time.Time, limit int) ([]token.Token, error) {
	return s.list(ctx, "SELECT "+tokenColumns+` FROM tokens
		WHERE due_at > 0 AND (due_at, project, connection, grant_id) > ($1, $2, $3, $4) AND due_at <= $5
		ORDER BY due_at, project, connection, grant_id LIMIT $6`,
		sqldb.Micros(after.At), after.Key.Project, after.Key.Connection, after.Key.Grant, sqldb.Micros(until), limit)
}

// List implements token.Store.
func (s *Store) List(ctx context.Context, after token.Key, limit int) ([]token.Token, error) {
	return s.list(ctx, "SELECT "+tokenColumns+` FROM tokens
		WHERE grant_id = '' AND (project, connection) > ($1, $2) ORDER BY project, connection LIMIT $3`,
		after.Project, after.Connection, limit)
}

// ListGrants implements token.Store.
func (s *Store) ListGrants(ctx context.Context, after token.DueCursor, limit int) ([]token.Token, error) {
	return s.list(ctx, "SELECT "+tokenColumns+` FROM tokens
		WHERE grant_id <> '' AND (state_time, project, connection, grant_id) > ($1, $2, $3, $4)
		ORDER BY state_time, project, connection, grant_id LIMIT $5`,
		sqldb.Micros(after.At), after.Key.Project, after.Key.Connection, after.Key.Grant, limit)
}

func (s *Store) list(ctx context.Context, query string, args ...any) ([]token.Token, error) {
	var tokens []token.Token
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		tokens = nil
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var r row
			if err := r.scan(rows, false); err != nil {
				return err
			}
			t, err := r.token()
			if err != nil {
				return err
			}
			tokens = append(tokens, t)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, failure("list", err)
	}
	return tokens, nil
}

// Delete implements token.Store.
func (s *Store) Delete(
	ctx context.Context, key token.Key, connectionUID string, revoke *token.Revocation,
) (deleted bool, version int64, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		deleted = false
		var generation int64
		err := tx.QueryRowContext(ctx, "SELECT version, generation FROM tokens"+byKey+" AND connection_uid = $4"+s.lock,
			key.Project, key.Connection, key.Grant, connectionUID).Scan(&version, &generation)
		if errors.Is(err, sql.ErrNoRows) || err == nil && revoke != nil && generation != revoke.Generation {
			return nil
		}
		if err != nil {
			return err
		}
		version++
		deleted = true
		for _, query := range []string{"DELETE FROM rotations" + byKey, deleteSuperseded, "DELETE FROM tokens" + byKey} {
			if _, err := tx.ExecContext(ctx, query, key.Project, key.Connection, key.Grant); err != nil {
				return err
			}
		}
		if err := s.putRevocation(ctx, tx, revoke); err != nil {
			return err
		}
		return s.notify(ctx, tx, token.Notice{Key: key, Version: version, Deleted: true})
	})
	if err != nil {
		return false, 0, failure("delete", err)
	}
	return deleted, version, nil
}

// BreakLeases implements token.Store.
func (s *Store) BreakLeases(ctx context.Context, now time.Time) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tokens SET lease_until = $1, due_at = $1, version = version + 1
			WHERE lease_owner <> '' AND lease_until > $1`, sqldb.Micros(now))
		return err
	})
	if err != nil {
		return failure("break leases", err)
	}
	return nil
}

// payload is a token.Notice on the wire.
type payload struct {
	Key     [3]string `json:"k"`
	Version int64     `json:"v"`
	Deleted bool      `json:"d,omitempty"`
	Attempt int64     `json:"a,omitempty"`
	Watched int64     `json:"w,omitempty"`
	Expiry  int64     `json:"x,omitempty"`
}

// notify tells every replica of a change, if and when tx commits.
func (s *Store) notify(ctx context.Context, tx sqldb.Tx, n token.Notice) error {
	text, err := json.Marshal(payload{
		Key: [3]string{n.Key.Project, n.Key.Connection, n.Key.Grant}, Version: n.Version, Deleted: n.Deleted,
		Attempt: sqldb.Micros(n.AttemptDue), Watched: sqldb.Micros(n.WatchedDue), Expiry: sqldb.Micros(n.ExpiryDue),
	})
	if err != nil {
		return err
	}
	return s.db.Notify(ctx, tx, channel, string(text))
}

// Listen implements token.Store.
func (s *Store) Listen(ctx context.Context, fn func(token.Notice)) error {
	return s.db.Listen(ctx, channel, func(text string) {
		var p payload
		if text == "" || json.Unmarshal([]byte(text), &p) != nil {
			fn(token.Notice{Resync: true})
			return
		}
		fn(token.Notice{
			Key: token.Key{Project: p.Key[0], Connection: p.Key[1], Grant: p.Key[2]}, Version: p.Version, Deleted: p.Deleted,
			AttemptDue: sqldb.Time(p.Attempt), WatchedDue: sqldb.Time(p.Watched), ExpiryDue: sqldb.Time(p.Expiry),
		})
	})
}
