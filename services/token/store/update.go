package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
)

// errRaced means that another replica created the row, or changed it in spite of the lock. The transaction is repeated.
var errRaced = errors.New("token store: raced with another write")

// maxRaces bounds the repetitions.
const maxRaces = 10

// Update implements token.Store.
func (s *Store) Update(ctx context.Context, key token.Key, change func(*token.Record) error) (token.Token, error) {
	var result token.Token
	var failed error // of change, which must not be wrapped
	for races := 0; ; races++ {
		err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			result, failed = token.Token{}, nil
			rec, err := s.read(ctx, tx, key)
			if err != nil {
				return err
			}
			result = rec.Token
			version, exists := rec.Token.Version, rec.Exists
			if failed = change(rec); failed != nil {
				return nil //nolint:nilerr // nothing was written, and change's own error is what the caller gets
			}
			rec.Exists = exists
			result, err = s.write(ctx, tx, rec, version)
			return err
		})
		switch {
		case errors.Is(err, errRaced) && races < maxRaces:
			continue
		case err != nil:
			return token.Token{}, failure("update "+key.Name(), err)
		case errors.Is(failed, token.ErrUnchanged):
			return result, nil
		default:
			return result, failed
		}
	}
}

// read returns the record of a token, and keeps other replicas from it.
func (s *Store) read(ctx context.Context, tx sqldb.Tx, key token.Key) (*token.Record, error) {
	var r row
	err := r.scan(tx.QueryRowContext(ctx, "SELECT "+tokenColumns+" FROM tokens"+byKey+s.lock,
		key.Project, key.Connection, key.Grant), false)
	if errors.Is(err, sql.ErrNoRows) {
		return &token.Record{Token: token.Token{Key: key}}, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	rec := &token.Record{Exists: true, Token: t}
	if t.Lease.Rotation == "" {
		return rec, nil
	}
	open, err := scanRotation(tx.QueryRowContext(ctx, "SELECT "+rotationColumns+" FROM rotations"+byKey+" AND rotation_id = $4",
		key.Project, key.Connection, key.Grant, t.Lease.Rotation))
	switch {
	case err == nil:
		rec.Open = &open
	case !errors.Is(err, sql.ErrNoRows):
		return nil, err
	}
	return rec, nil
}

// write stores what change left, as the version after the given one.
func (s *Store) write(ctx context.Context, tx sqldb.Tx, rec *token.Record, version int64) (token.Token, error) {
	t := &rec.Token
	if rec.Exists {
		t.Version = version + 1
	}
	r, err := rowOf(t)
	if err != nil {
		return token.Token{}, err
	}
	if rec.Credential != nil {
		if r.sealed, err = s.seal(rec.Credential, t); err != nil {
			return token.Token{}, err
		}
	}
	query, args := insertToken, append(r.fields(), r.sealed)
	if rec.Exists {
		query, args = updateToken, append(r.fields(), flag(rec.Credential != nil), r.sealed, version)
	}
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return token.Token{}, err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return token.Token{}, errors.Join(errRaced, err)
	}
	if err := errors.Join(s.writeKey(ctx, tx, rec), s.journal(ctx, tx, rec), s.putRevocation(ctx, tx, rec.Revoke)); err != nil {
		return token.Token{}, err
	}
	stored, err := r.token() // with the precision that is stored
	if err != nil || rec.Quiet {
		return stored, err
	}
	return stored, s.notify(ctx, tx, token.Notice{
		Key: t.Key, Version: t.Version, AttemptDue: stored.AttemptDue(), WatchedDue: stored.WatchedDue(), ExpiryDue: stored.ExpiryDue(),
	})
}
