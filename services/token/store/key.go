package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
)

// nextKey is a token.NextKey before it is sealed: it never leaves this file.
type nextKey struct {
	Private string `json:"private"`
	Seed    string `json:"seed,omitempty"`
}

// keyBoundTo is the associated data of a token's next key: for another token, or another connection of the same name, it does not open.
func keyBoundTo(t *token.Token) string {
	return "token-key/" + t.Key.Name() + "/" + t.ConnectionUID
}

// writeKey stores the key that the next generation is asked to be bound to.
func (s *Store) writeKey(ctx context.Context, tx sqldb.Tx, rec *token.Record) error {
	if rec.NextKey == nil {
		return nil
	}
	text, err := json.Marshal(nextKey{Private: rec.NextKey.Key.Private.Reveal(), Seed: rec.NextKey.Seed})
	if err != nil {
		return fmt.Errorf("token store: encode key: %w", err)
	}
	sealed, err := s.sealer.Seal(text, keyBoundTo(&rec.Token))
	if err != nil {
		return err
	}
	key := rec.Token.Key
	_, err = tx.ExecContext(ctx, "UPDATE tokens SET sealed_key = $4"+byKey, key.Project, key.Connection, key.Grant, sealed)
	return err
}

// openKey is the inverse of writeKey. A key that does not open is none: another one is made.
func (s *Store) openKey(sealed []byte, t *token.Token) (token.NextKey, error) {
	if len(sealed) == 0 {
		return token.NextKey{}, nil
	}
	text, err := s.sealer.Open(sealed, keyBoundTo(t))
	if errors.Is(err, seal.ErrUnsealable) {
		return token.NextKey{}, nil
	}
	if err != nil {
		return token.NextKey{}, err
	}
	var stored nextKey
	if json.Unmarshal(text, &stored) != nil {
		return token.NextKey{}, fmt.Errorf("token store: next key of %s is not readable", t.Key.Name())
	}
	key, err := parseKey(stored.Private)
	if err != nil {
		return token.NextKey{}, fmt.Errorf("token store: next key of %s: %w", t.Key.Name(), err)
	}
	return token.NextKey{Key: key, Seed: stored.Seed}, nil
}

// parseKey reads a key as it is stored; empty text is no key.
func parseKey(private string) (dpop.Key, error) {
	if private == "" {
		return dpop.Key{}, nil
	}
	return dpop.ParseKey(seal.NewSecret(private))
}
