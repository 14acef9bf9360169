package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

var _ connect.Store = (*Store)(nil)

// requestJSON is the column request. Names of fields are stored: do not change them.
type requestJSON struct {
	EndUser    string            `json:"end_user,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	ReturnURL  string            `json:"return_url,omitempty"`
	Scopes     []string          `json:"scopes,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Locale     string            `json:"locale,omitempty"`
	SkipPage   bool              `json:"skip_page,omitempty"`
}

// sessionSecretsJSON is the plain text of the column sealed_secrets.
type sessionSecretsJSON struct {
	Verifier string         `json:"verifier,omitempty"`
	Nonce    string         `json:"nonce,omitempty"`
	Code     string         `json:"code,omitempty"`
	Former   credentialJSON `json:"former"`
}

const insertSession = `
INSERT INTO authorization_sessions (project, session_id, row_version, connection_id, connection_uid, grant_id, request, link_hash, state_hash,
  browser_hash, redirect_uri, sealed_secrets, state, reason, message, told, created, grant_uid, grant_revision, create_time, expire_time,
  end_time, due_time)
VALUES ($1, $2, $3 + 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`

// CreateSession implements connect.Store.
func (s *Store) CreateSession(ctx context.Context, session connect.Session) error {
	return s.writeSession(ctx, insertSession, session)
}

const updateSession = `
UPDATE authorization_sessions SET row_version = row_version + 1, connection_id = $4, connection_uid = $5, grant_id = $6, request = $7,
  link_hash = $8, state_hash = $9, browser_hash = $10, redirect_uri = $11, sealed_secrets = $12, state = $13, reason = $14, message = $15,
  told = $16, created = $17, grant_uid = $18, grant_revision = $19, create_time = $20, expire_time = $21, end_time = $22, due_time = $23
WHERE project = $1 AND session_id = $2 AND row_version = $3`

// UpdateSession implements connect.Store.
func (s *Store) UpdateSession(ctx context.Context, session connect.Session) error {
	return s.writeSession(ctx, updateSession, session)
}

func (s *Store) writeSession(ctx context.Context, statement string, c connect.Session) error {
	request, err := json.Marshal(requestJSON(c.Request))
	if err != nil {
		return fmt.Errorf("connection store: encode %s: %w", c.Name, err)
	}
	told, err := encodeMap(c.Told)
	if err != nil {
		return fmt.Errorf("connection store: encode %s: %w", c.Name, err)
	}
	sealed, err := s.sealSession(c)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		written, err := affected(tx.ExecContext(ctx, statement, c.Name.Connection.Project, c.Name.ID, c.RowVersion, c.Name.Connection.ID,
			c.ConnectionUID, c.Grant.ID, string(request), c.Link, c.StateHash, c.Browser, c.RedirectURI, sealed, string(c.State),
			string(c.Reason), c.Message, told, flag(c.Created), c.GrantUID, c.GrantRevision, sqldb.Micros(c.CreateTime),
			sqldb.Micros(c.ExpireTime), sqldb.Micros(c.EndTime), sqldb.Micros(c.DueTime)))
		if err == nil && !written {
			err = fmt.Errorf("%w: %s", connect.ErrStale, c.Name)
		}
		return err
	})
}

func (s *Store) sealSession(c connect.Session) ([]byte, error) {
	text, err := json.Marshal(sessionSecretsJSON{
		Verifier: c.Secrets.Verifier.Reveal(), Nonce: c.Secrets.Nonce.Reveal(), Code: c.Secrets.Code.Reveal(),
		Former: encodeCredential(c.Secrets.Former),
	})
	if err != nil {
		return nil, fmt.Errorf("connection store: encode secrets of %s", c.Name) // without the encoder's text
	}
	sealed, err := s.sealer.Seal(text, c.Name.String())
	if err != nil {
		return nil, fmt.Errorf("connection store: %w", err)
	}
	return sealed, nil
}

func (s *Store) openSession(c *connect.Session, sealed []byte) error {
	text, err := s.sealer.Open(sealed, c.Name.String())
	if errors.Is(err, seal.ErrUnsealable) {
		return fmt.Errorf("%w: %w", connection.ErrSecretsUnreadable, err)
	}
	if err != nil {
		return fmt.Errorf("connection store: %w", err)
	}
	var j sessionSecretsJSON
	if json.Unmarshal(text, &j) != nil { // the decoder's error may quote the text
		return fmt.Errorf("connection store: secrets of %s are not in the form they are stored in", c.Name)
	}
	c.Secrets = connect.Secrets{
		Verifier: seal.NewSecret(j.Verifier), Nonce: seal.NewSecret(j.Nonce), Code: seal.NewSecret(j.Code), Former: j.Former.decode(),
	}
	return nil
}

const sessionColumns = `project, session_id, row_version, connection_id, connection_uid, grant_id, request, link_hash, state_hash, browser_hash,
  redirect_uri, state, reason, message, told, created, grant_uid, grant_revision, create_time, expire_time, end_time, due_time`

const (
	selectSession        = `SELECT ` + sessionColumns + ` FROM authorization_sessions WHERE project = $1 AND session_id = $2`
	selectSessionByLink  = `SELECT ` + sessionColumns + `, sealed_secrets FROM authorization_sessions WHERE project = $1 AND link_hash = $2`
	selectSessionByState = `SELECT ` + sessionColumns + `, sealed_secrets FROM authorization_sessions
WHERE project = $1 AND state_hash <> '' AND state_hash = $2`
)

// GetSession implements connect.Store.
func (s *Store) GetSession(ctx context.Context, name connect.Name) (session connect.Session, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var err error
		session, err = scanSession(tx.QueryRowContext(ctx, selectSession, name.Connection.Project, name.ID))
		if errors.Is(err, sql.ErrNoRows) || err == nil && session.Name != name {
			return fmt.Errorf("%w: %s", connect.ErrNotFound, name)
		}
		return err
	})
	return session, err
}

// FindSession implements connect.Store.
func (s *Store) FindSession(ctx context.Context, project string, by connect.Key, hash string) (session connect.Session, err error) {
	query := selectSessionByLink
	if by == connect.ByState {
		query = selectSessionByState
	}
	var sealed []byte
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var err error
		session, err = scanSession(tx.QueryRowContext(ctx, query, project, hash), &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: of that %s", connect.ErrNotFound, by)
		}
		return err
	})
	if err != nil {
		return connect.Session{}, err
	}
	return session, s.openSession(&session, sealed)
}

const selectDueSessions = `SELECT ` + sessionColumns + `, sealed_secrets FROM authorization_sessions
WHERE due_time <= $1 ORDER BY due_time LIMIT $2`

// DueSessions implements connect.Store.
func (s *Store) DueSessions(ctx context.Context, now time.Time, limit int) ([]connect.Session, error) {
	return queryRows(ctx, s, func(row scanner) (connect.Session, error) {
		var sealed []byte
		session, err := scanSession(row, &sealed)
		if err != nil {
			return connect.Session{}, err
		}
		err = s.openSession(&session, sealed)
		if errors.Is(err, connection.ErrSecretsUnreadable) { // it ends, or is removed, all the same
			err = nil
		}
		return session, err
	}, selectDueSessions, sqldb.Micros(now), limit)
}

const deleteSession = `DELETE FROM authorization_sessions WHERE project = $1 AND session_id = $2`

// RemoveSession implements connect.Store.
func (s *Store) RemoveSession(ctx context.Context, name connect.Name) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, deleteSession, name.Connection.Project, name.ID)
		return err
	})
}

// scanSession reads a row of sessionColumns, followed by what more was selected.
func scanSession(row scanner, more ...any) (connect.Session, error) {
	var c connect.Session
	var request, told string
	var created, create, expire, end, due int64
	dest := []any{
		&c.Name.Connection.Project, &c.Name.ID, &c.RowVersion, &c.Name.Connection.ID, &c.ConnectionUID, &c.Grant.ID, &request, &c.Link,
		&c.StateHash, &c.Browser, &c.RedirectURI, &c.State, &c.Reason, &c.Message, &told, &created, &c.GrantUID, &c.GrantRevision, &create,
		&expire, &end, &due,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return connect.Session{}, err
	}
	c.Grant.Connection, c.Created = c.Name.Connection, created == 1
	c.CreateTime, c.ExpireTime, c.EndTime, c.DueTime = sqldb.Time(create), sqldb.Time(expire), sqldb.Time(end), sqldb.Time(due)
	var r requestJSON
	if err := json.Unmarshal([]byte(request), &r); err != nil {
		return connect.Session{}, fmt.Errorf("%s: decode: %w", c.Name, err)
	}
	c.Request = connect.Request(r)
	var err error
	if c.Told, err = decodeMap(told); err != nil {
		return connect.Session{}, fmt.Errorf("%s: decode: %w", c.Name, err)
	}
	return c, nil
}
