package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
)

var _ token.Revocations = (*Store)(nil)

const insertRevocation = `INSERT INTO revocations (project, connection, grant_id, revocation_id, connection_uid, server, generation,
	sealed_token, due_time, expire_time, attempts, hint) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// boundRevocation is the associated data of a revocation's token.
func boundRevocation(r *token.Revocation) string { return r.Key.Name() + "/revocations/" + r.ID }

func (s *Store) putRevocation(ctx context.Context, tx sqldb.Tx, r *token.Revocation) error {
	if r == nil {
		return nil
	}
	sealed, err := s.sealer.Seal([]byte(r.Token.Reveal()), boundRevocation(r))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, insertRevocation, r.Key.Project, r.Key.Connection, r.Key.Grant, r.ID, r.ConnectionUID, r.Server, r.Generation,
		sealed, sqldb.Micros(r.DueTime), sqldb.Micros(r.ExpireTime), r.Attempts, r.Hint)
	return err
}

const selectRevocations = `SELECT project, connection, grant_id, revocation_id, connection_uid, server, generation, sealed_token, due_time,
	expire_time, attempts, hint FROM revocations WHERE due_time <= $1 ORDER BY due_time, revocation_id LIMIT $2`

const (
	byRevocation = byKey + " AND revocation_id = $4"
	// claimRevocation fails for the second of two processes that have read the same.
	claimRevocation    = "UPDATE revocations SET due_time = $6" + byRevocation + " AND due_time = $5"
	postponeRevocation = "UPDATE revocations SET due_time = $5, attempts = $6" + byRevocation
	deleteRevocation   = "DELETE FROM revocations" + byRevocation
	// deleteSuperseded leaves those of grants that ended: they outlive their token.
	deleteSuperseded = "DELETE FROM revocations" + byKey + " AND server <> ''"
)

// ClaimRevocations implements token.Revocations.
func (s *Store) ClaimRevocations(ctx context.Context, now, until time.Time, limit int) ([]token.Revocation, error) {
	if due, err := s.NextRevocation(ctx); err != nil || due.IsZero() || due.After(now) {
		return nil, err // without a write, which most calls do not need
	}
	var claimed []token.Revocation
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		claimed = nil
		due, err := s.selectRevocations(ctx, tx, now, limit)
		if err != nil {
			return err
		}
		for i := range due {
			r := &due[i]
			query, args := claimRevocation, []any{r.Key.Project, r.Key.Connection, r.Key.Grant, r.ID, sqldb.Micros(r.DueTime), sqldb.Micros(until)}
			if r.Token.IsZero() {
				query, args = deleteRevocation, args[:4]
			}
			result, err := tx.ExecContext(ctx, query, args...)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 || r.Token.IsZero() {
				if err != nil {
					return err
				}
				continue
			}
			r.DueTime = until
			claimed = append(claimed, *r)
		}
		return nil
	})
	if err != nil {
		return nil, failure("claim revocations", err)
	}
	return claimed, nil
}

// selectRevocations reads what is due; Token is zero where it does not open.
func (s *Store) selectRevocations(ctx context.Context, tx sqldb.Tx, now time.Time, limit int) ([]token.Revocation, error) {
	rows, err := tx.QueryContext(ctx, selectRevocations, sqldb.Micros(now), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []token.Revocation
	for rows.Next() {
		var r token.Revocation
		var sealed []byte
		var due, expire int64
		if err := rows.Scan(&r.Key.Project, &r.Key.Connection, &r.Key.Grant, &r.ID, &r.ConnectionUID, &r.Server, &r.Generation, &sealed, &due,
			&expire, &r.Attempts, &r.Hint); err != nil {
			return nil, err
		}
		r.DueTime, r.ExpireTime = sqldb.Time(due), sqldb.Time(expire)
		text, err := s.sealer.Open(sealed, boundRevocation(&r))
		if err != nil && !errors.Is(err, seal.ErrUnsealable) {
			return nil, err
		}
		r.Token = seal.NewSecret(string(text))
		list = append(list, r)
	}
	return list, rows.Err()
}

// NextRevocation implements token.Revocations.
func (s *Store) NextRevocation(ctx context.Context) (time.Time, error) {
	var due int64
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT due_time FROM revocations ORDER BY due_time LIMIT 1").Scan(&due)
		if errors.Is(err, sql.ErrNoRows) {
			due, err = 0, nil
		}
		return err
	})
	if err != nil {
		return time.Time{}, failure("next revocation", err)
	}
	return sqldb.Time(due), nil
}

// PostponeRevocation implements token.Revocations.
func (s *Store) PostponeRevocation(ctx context.Context, r *token.Revocation, due time.Time) error {
	return s.onRevocation(ctx, "postpone revocation", postponeRevocation, r, sqldb.Micros(due), r.Attempts)
}

// RemoveRevocation implements token.Revocations.
func (s *Store) RemoveRevocation(ctx context.Context, r *token.Revocation) error {
	return s.onRevocation(ctx, "remove revocation", deleteRevocation, r)
}

func (s *Store) onRevocation(ctx context.Context, what, query string, r *token.Revocation, more ...any) error {
	args := append([]any{r.Key.Project, r.Key.Connection, r.Key.Grant, r.ID}, more...)
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		return failure(what, err)
	}
	return nil
}
