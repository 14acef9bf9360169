package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

var _ connection.GrantStore = (*Store)(nil)

// credentialJSON is the plain text of the column sealed_credential.
type credentialJSON struct {
	RefreshToken string   `json:"refresh_token,omitempty"`
	AccessToken  string   `json:"access_token,omitempty"`
	ExpireTime   int64    `json:"expire_time,omitempty"`
	TokenType    string   `json:"token_type,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
	Code         codeJSON `json:"code,omitzero"`
}

// codeJSON is an authorization code in a column that is sealed.
type codeJSON struct {
	Code        string `json:"code,omitempty"`
	RedirectURI string `json:"redirect_uri,omitempty"`
	Verifier    string `json:"verifier,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
}

func encodeCredential(c connection.GrantCredential) credentialJSON {
	return credentialJSON{
		RefreshToken: c.RefreshToken.Reveal(), AccessToken: c.AccessToken.Reveal(), ExpireTime: sqldb.Micros(c.ExpireTime),
		TokenType: c.TokenType, Scopes: c.Scopes,
		Code: codeJSON{
			Code: c.Code.Code.Reveal(), RedirectURI: c.Code.RedirectURI, Verifier: c.Code.CodeVerifier.Reveal(), Nonce: c.Nonce.Reveal(),
		},
	}
}

func (j credentialJSON) decode() connection.GrantCredential {
	return connection.GrantCredential{
		RefreshToken: seal.NewSecret(j.RefreshToken), AccessToken: seal.NewSecret(j.AccessToken), ExpireTime: sqldb.Time(j.ExpireTime),
		TokenType: j.TokenType, Scopes: j.Scopes,
		Code: connection.AuthorizationCode{
			Code: seal.NewSecret(j.Code.Code), RedirectURI: j.Code.RedirectURI, CodeVerifier: seal.NewSecret(j.Code.Verifier),
		},
		Nonce: seal.NewSecret(j.Code.Nonce),
	}
}

// grantData is the associated data of a grant's credential.
func grantData(g connection.Grant) string { return g.Name.String() + "#" + g.UID }

func (s *Store) sealCredential(g connection.Grant) ([]byte, error) {
	text, err := json.Marshal(encodeCredential(g.Credential))
	if err != nil {
		return nil, fmt.Errorf("connection store: encode credential of %s", g.Name) // without the encoder's text
	}
	sealed, err := s.sealer.Seal(text, grantData(g))
	if err != nil {
		return nil, fmt.Errorf("connection store: %w", err)
	}
	return sealed, nil
}

func (s *Store) openCredential(g *connection.Grant, sealed []byte) error {
	text, err := s.sealer.Open(sealed, grantData(*g))
	if errors.Is(err, seal.ErrUnsealable) {
		return fmt.Errorf("%w: %w", connection.ErrSecretsUnreadable, err)
	}
	if err != nil {
		return fmt.Errorf("connection store: %w", err)
	}
	var c credentialJSON
	if json.Unmarshal(text, &c) != nil { // the decoder's error may quote the text
		return fmt.Errorf("connection store: credential of %s is not in the form it is stored in", g.Name)
	}
	g.Credential = c.decode()
	return nil
}

// touchConnection keeps a connection from being deleted until the transaction ends, and affects none that is.
const touchConnection = `
UPDATE connections SET state = state WHERE project = $1 AND connection_id = $2 AND uid = $3 AND state <> 'DELETING'`

const insertGrant = `
INSERT INTO grants (project, connection_id, grant_id, uid, end_user, metadata, sealed_credential, revision, config_version, row_version,
  state, reason, message, pending, revoke, seen_generation, seen_state_time, create_time, update_time, state_time, authorize_time, expire_time,
  warning_time, account)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
ON CONFLICT (project, connection_id, grant_id) DO NOTHING`

// CreateGrant implements connection.GrantStore.
func (s *Store) CreateGrant(ctx context.Context, g connection.Grant, connectionUID string, e *connection.StateEvent) error {
	metadata, account, err := encodeTexts(g)
	if err != nil {
		return err
	}
	sealed, err := s.sealCredential(g)
	if err != nil {
		return err
	}
	of := g.Name.Connection
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		there, err := affected(tx.ExecContext(ctx, touchConnection, of.Project, of.ID, connectionUID))
		if err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("%w: %s", connection.ErrStale, of)
		}
		created, err := affected(tx.ExecContext(ctx, insertGrant, of.Project, of.ID, g.Name.ID, g.UID, g.EndUser, metadata, sealed,
			g.Revision, g.ConfigVersion, g.RowVersion+1, string(g.State), string(g.Reason), g.Message, string(g.Pending), flag(g.Revoke),
			g.Seen.Generation, sqldb.Micros(g.Seen.StateTime), sqldb.Micros(g.CreateTime), sqldb.Micros(g.UpdateTime),
			sqldb.Micros(g.StateTime), sqldb.Micros(g.AuthorizeTime), sqldb.Micros(g.ExpireTime), sqldb.Micros(g.WarningTime), account))
		if err != nil {
			return err
		}
		if !created {
			return fmt.Errorf("%w: %s", connection.ErrExists, g.Name)
		}
		return insertEvent(ctx, tx, e)
	})
}

const updateGrant = `
UPDATE grants SET end_user = $6, metadata = $7, revision = $8, config_version = $9, row_version = row_version + 1, state = $10, reason = $11,
  message = $12, pending = $13, revoke = $14, seen_generation = $15, seen_state_time = $16, update_time = $17, state_time = $18,
  authorize_time = $19, expire_time = $20, warning_time = $21, account = $22
WHERE project = $1 AND connection_id = $2 AND grant_id = $3 AND uid = $4 AND row_version = $5`

// UpdateGrant implements connection.GrantStore.
func (s *Store) UpdateGrant(ctx context.Context, g connection.Grant, e *connection.StateEvent) error {
	return s.writeGrant(ctx, g, e, nil)
}

const updateCredential = `
UPDATE grants SET sealed_credential = $4 WHERE project = $1 AND connection_id = $2 AND grant_id = $3`

// UpdateCredential implements connection.GrantStore.
func (s *Store) UpdateCredential(ctx context.Context, g connection.Grant, e *connection.StateEvent) error {
	sealed, err := s.sealCredential(g)
	if err != nil {
		return err
	}
	return s.writeGrant(ctx, g, e, sealed)
}

// writeGrant leaves the credential alone if sealed is nil.
func (s *Store) writeGrant(ctx context.Context, g connection.Grant, e *connection.StateEvent, sealed []byte) error {
	metadata, account, err := encodeTexts(g)
	if err != nil {
		return err
	}
	of := g.Name.Connection
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		updated, err := affected(tx.ExecContext(ctx, updateGrant, of.Project, of.ID, g.Name.ID, g.UID, g.RowVersion,
			g.EndUser, metadata, g.Revision, g.ConfigVersion, string(g.State), string(g.Reason), g.Message, string(g.Pending), flag(g.Revoke),
			g.Seen.Generation, sqldb.Micros(g.Seen.StateTime), sqldb.Micros(g.UpdateTime), sqldb.Micros(g.StateTime),
			sqldb.Micros(g.AuthorizeTime), sqldb.Micros(g.ExpireTime), sqldb.Micros(g.WarningTime), account))
		if err != nil {
			return err
		}
		if !updated {
			return fmt.Errorf("%w: %s", connection.ErrStale, g.Name)
		}
		if sealed != nil {
			if _, err := tx.ExecContext(ctx, updateCredential, of.Project, of.ID, g.Name.ID, sealed); err != nil {
				return err
			}
		}
		return insertEvent(ctx, tx, e)
	})
}

const deleteGrant = `DELETE FROM grants WHERE project = $1 AND connection_id = $2 AND grant_id = $3 AND uid = $4 AND state = $5`

// RemoveGrant implements connection.GrantStore.
func (s *Store) RemoveGrant(ctx context.Context, g connection.Grant) error {
	of := g.Name.Connection
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, deleteGrant, of.Project, of.ID, g.Name.ID, g.UID, string(connection.StateDeleting))
		return err
	})
}

const selectAnyGrant = `SELECT 1 FROM grants WHERE project = $1 AND connection_id = $2 LIMIT 1`

// checkUnused returns ErrInUse for a connection that has grants.
func checkUnused(ctx context.Context, tx sqldb.Tx, name connection.Name) error {
	var one int
	err := tx.QueryRowContext(ctx, selectAnyGrant, name.Project, name.ID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %s", connection.ErrInUse, name)
	}
	return err
}

const selectSeen = `SELECT seen_state_time FROM grants ORDER BY seen_state_time DESC LIMIT 1`

// GrantsSeen implements connection.GrantStore.
func (s *Store) GrantsSeen(ctx context.Context) (time.Time, error) {
	var seen int64
	err := s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		err := tx.QueryRowContext(ctx, selectSeen).Scan(&seen)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return sqldb.Time(seen), err
}

// encodeTexts returns the columns metadata and account.
func encodeTexts(g connection.Grant) (metadata, account string, err error) {
	if metadata, err = encodeMap(g.Metadata); err == nil {
		account, err = encodeMap(g.Account)
	}
	if err != nil {
		return "", "", fmt.Errorf("connection store: encode %s: %w", g.Name, err)
	}
	return metadata, account, nil
}

// encodeMap is a JSON object of texts.
func encodeMap(texts map[string]string) (string, error) {
	if len(texts) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(texts)
	return string(text), err
}

// decodeMap is the inverse of encodeMap: nil where there is nothing.
func decodeMap(text string) (texts map[string]string, err error) {
	if text != "{}" {
		err = json.Unmarshal([]byte(text), &texts)
	}
	return texts, err
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
