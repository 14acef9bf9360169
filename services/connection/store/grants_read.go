package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const grantColumns = `project, connection_id, grant_id, uid, end_user, metadata, revision, config_version, row_version, state, reason, message,
  pending, revoke, seen_generation, seen_state_time, create_time, update_time, state_time, authorize_time, expire_time`

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
)

// ListGrants implements connection.GrantStore.
func (s *Store) ListGrants(ctx context.Context, project string, q connection.GrantQuery) ([]connection.Grant, error) {
	after, state := q.After.Connection.ID, string(q.State)
	switch {
	case q.EndUser != "":
		return s.queryGrants(ctx, selectEndUserGrants, project, after, q.After.ID, q.Limit, q.EndUser, q.Connection, state)
	case q.Connection != "" && q.State != "":
		return s.queryGrants(ctx, selectGrantsState, project, q.Connection, q.After.ID, q.Limit, state)
	case q.Connection != "":
		return s.queryGrants(ctx, selectGrants, project, q.Connection, q.After.ID, q.Limit)
	case q.State != "":
		return s.queryGrants(ctx, selectProjectGrantsState, project, after, q.After.ID, q.Limit, state)
	default:
		return s.queryGrants(ctx, selectProjectGrants, project, after, q.After.ID, q.Limit)
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
	var metadata string
	var revoke, seen, created, updated, changed, authorized, expire int64
	dest := []any{
		&g.Name.Connection.Project, &g.Name.Connection.ID, &g.Name.ID, &g.UID, &g.EndUser, &metadata, &g.Revision, &g.ConfigVersion,
		&g.RowVersion, &g.State, &g.Reason, &g.Message, &g.Pending, &revoke, &g.Seen.Generation, &seen, &created, &updated, &changed,
		&authorized, &expire,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return connection.Grant{}, err
	}
	g.Revoke = revoke == 1
	g.Seen.StateTime = sqldb.Time(seen)
	g.CreateTime, g.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	g.StateTime, g.AuthorizeTime, g.ExpireTime = sqldb.Time(changed), sqldb.Time(authorized), sqldb.Time(expire)
	if metadata == "{}" {
		return g, nil
	}
	if err := json.Unmarshal([]byte(metadata), &g.Metadata); err != nil {
		return connection.Grant{}, fmt.Errorf("%s: decode metadata: %w", g.Name, err)
	}
	return g, nil
}
