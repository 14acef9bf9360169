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

const grantColumns = `project, connection_id, grant_id, uid, end_user, metadata, revision, config_version, row_version, state, reason, message,
  pending, revoke, seen_generation, seen_state_time, create_time, update_time, state_time, authorize_time, expire_time,
  warning_time, account`

const selectGrant = `SELECT ` + grantColumns + `, sealed_credential FROM grants WHERE project = $1 AND connection_id = $2 AND grant_id = $3`

// GetGrant implements connection.GrantStore.
func (s *Store) GetGrant(ctx context.Context, name connection.GrantName) (connection.Grant, error) {
	g, _, err := s.getGrant(ctx, name)
	return g, err
}

// GetGrantWithCredential implements connection.GrantStore.
func (s *Store) GetGrantWithCredential(ctx context.Context, name connection.GrantName) (connection.Grant, error) {
	g, sealed, err := s.getGrant(ctx, name)
	if err != nil {
		return connection.Grant{}, err
	}
	if err := s.openCredential(&g, sealed); err != nil {
		return connection.Grant{}, err
	}
	return g, nil
}

func (s *Store) getGrant(ctx context.Context, name connection.GrantName) (g connection.Grant, sealed []byte, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var err error
		g, err = scanGrant(tx.QueryRowContext(ctx, selectGrant, name.Connection.Project, name.Connection.ID, name.ID), &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: %s", connection.ErrGrantNotFound, name)
		}
		return err
	})
	return g, sealed, err
}

const (
	selectGrants = `SELECT ` + grantColumns + ` FROM grants
WHERE project = $1 AND connection_id = $2 AND grant_id > $3 ORDER BY grant_id LIMIT $4`

	selectGrantsState = `SELECT ` + grantColumns + ` FROM grants
WHERE project = $1 AND state = $5 AND connection_id = $2 AND grant_id > $3 ORDER BY grant_id LIMIT $4`

	selectProjectGrants = `SELECT ` + grantColumns + ` FROM grants
WHERE project = $1 AND (connection_id, grant_id) > ($2, $3) ORDER BY connection_id, grant_id LIMIT $4`

	selectProjectGrantsState = `SELECT ` + grantColumns + ` FROM grants
WHERE project = $1 AND state = $5 AND (connection_id, grant_id) > ($2, $3) ORDER BY connection_id, grant_id LIMIT $4`

	selectEndUserGrants = `SELECT ` + grantColumns + ` FROM grants
WHERE project = $1 AND end_user <> '' AND end_user = $5 AND (connection_id, grant_id) > ($2, $3)
  AND ($6 = '' OR connection_id = $6) AND ($7 = '' OR state = $7) ORDER BY connection_id, grant_id LIMIT $4`

	selectEndingGrants = `SELECT ` + grantColumns + ` FROM grants
WHERE project = $1 AND expire_time > 0 AND expire_time < $5 AND (expire_time, connection_id, grant_id) > ($2, $3, $4)
  AND ($7 = '' OR connection_id = $7) AND ($8 = '' OR state = $8) AND ($9 = '' OR end_user = $9)
ORDER BY expire_time, connection_id, grant_id LIMIT $6`
)

// ListGrants implements connection.GrantStore.
func (s *Store) ListGrants(ctx context.Context, project string, q connection.GrantQuery) ([]connection.Grant, error) {
	after, id, state := q.After.Name.Connection.ID, q.After.Name.ID, string(q.State)
	switch {
	case !q.ExpireBefore.IsZero():
		return s.queryGrants(ctx, selectEndingGrants, project, sqldb.Micros(q.After.ExpireTime), after, id, sqldb.Micros(q.ExpireBefore), q.Limit,
			q.Connection, state, q.EndUser)
	case q.EndUser != "":
		return s.queryGrants(ctx, selectEndUserGrants, project, after, id, q.Limit, q.EndUser, q.Connection, state)
	case q.Connection != "" && q.State != "":
		return s.queryGrants(ctx, selectGrantsState, project, q.Connection, id, q.Limit, state)
	case q.Connection != "":
		return s.queryGrants(ctx, selectGrants, project, q.Connection, id, q.Limit)
	case q.State != "":
		return s.queryGrants(ctx, selectProjectGrantsState, project, after, id, q.Limit, state)
	default:
		return s.queryGrants(ctx, selectProjectGrants, project, after, id, q.Limit)
	}
}

const (
	selectPendingGrants = `SELECT ` + grantColumns + ` FROM grants
WHERE pending <> '' AND (project, connection_id, grant_id) > ($1, $2, $3) ORDER BY project, connection_id, grant_id LIMIT $4`

	selectWaitingGrants = `SELECT ` + grantColumns + ` FROM grants
WHERE pending = '' AND state IN ('AUTHORIZING', 'UPDATING') AND (project, connection_id, grant_id) > ($1, $2, $3)
ORDER BY project, connection_id, grant_id LIMIT $4`
)

// ScanGrants implements connection.GrantStore.
func (s *Store) ScanGrants(
	ctx context.Context, scope connection.GrantScope, after connection.GrantName, limit int,
) ([]connection.Grant, error) {
	query := selectPendingGrants
	if scope == connection.GrantsWaiting {
		query = selectWaitingGrants
	}
	return s.queryGrants(ctx, query, after.Connection.Project, after.Connection.ID, after.ID, limit)
}

func (s *Store) queryGrants(ctx context.Context, query string, args ...any) ([]connection.Grant, error) {
	return queryRows(ctx, s, func(row scanner) (connection.Grant, error) { return scanGrant(row) }, query, args...)
}

// scanGrant reads a row of grantColumns, followed by what more was selected.
func scanGrant(row scanner, more ...any) (connection.Grant, error) {
	var g connection.Grant
	var metadata, account string
	var revoke, seen, created, updated, changed, authorized, expire, warning int64
	dest := []any{
		&g.Name.Connection.Project, &g.Name.Connection.ID, &g.Name.ID, &g.UID, &g.EndUser, &metadata, &g.Revision, &g.ConfigVersion,
		&g.RowVersion, &g.State, &g.Reason, &g.Message, &g.Pending, &revoke, &g.Seen.Generation, &seen, &created, &updated, &changed,
		&authorized, &expire, &warning, &account,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return connection.Grant{}, err
	}
	g.Revoke = revoke == 1
	g.Seen.StateTime = sqldb.Time(seen)
	g.CreateTime, g.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	g.StateTime, g.AuthorizeTime, g.ExpireTime = sqldb.Time(changed), sqldb.Time(authorized), sqldb.Time(expire)
	g.WarningTime = sqldb.Time(warning)
	var err error
	if g.Metadata, err = decodeMap(metadata); err == nil {
		g.Account, err = decodeMap(account)
	}
	if err != nil {
		return connection.Grant{}, fmt.Errorf("%s: decode: %w", g.Name, err)
	}
	return g, nil
}

const selectDueGrantWarnings = `SELECT ` + grantColumns + ` FROM grants
WHERE warning_time > 0 AND warning_time <= $1 ORDER BY warning_time LIMIT $2`

// DueGrantWarnings implements connection.GrantHorizons.
func (s *Store) DueGrantWarnings(ctx context.Context, now time.Time, limit int) ([]connection.Grant, error) {
	return s.queryGrants(ctx, selectDueGrantWarnings, sqldb.Micros(now), limit)
}
