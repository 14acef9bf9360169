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
func (s *Store) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	var result token.Token
	var failed error // of change, which must not be wrapped
	for races := 0; ; races++ {
		err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			if known != nil {
				result, failed, err = s.change(ctx, tx, &token.Record{Exists: true, Token: bare(known)}, change)
				if !errors.Is(err, errRaced) && (err != nil || failed == nil) {
					return err
				} // somebody else has written it since, or may have
			}
			rec, err := s.read(ctx, tx, key)
			if err != nil {
				return err
			}
			result, failed, err = s.change(ctx, tx, rec, change)
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

// change lets change decide, and writes what it left. It returns its own error apart from those of the store, and the token as it was read with it.
func (s *Store) change(
	ctx context.Context, tx sqldb.Tx, rec *token.Record, change func(*token.Record) error,
) (result token.Token, failed, err error) {
	before, exists := rec.Token, rec.Exists
	if failed = change(rec); failed != nil {
		return before, failed, nil
	}
	rec.Exists = exists
	result, err = s.write(ctx, tx, rec, before.Version)
	return result, nil, err
}

// bare is a token as read returns it.
func bare(t *token.Token) token.Token {
	b := *t
	b.Credential, b.NextKey, b.CredentialLost = token.Credential{}, token.NextKey{}, false
	return b
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
