package resourceapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Defaults of Config.
const (
	// DefaultIDHeader is the header that carries the id deliveries are counted by.
	DefaultIDHeader = "Idempotency-Key"
	// DefaultIDField is the member of a JSON body used when the header is absent.
	DefaultIDField = "id"
	// DefaultHistory is how many calls Received returns at most.
	DefaultHistory = 10_000
)

// ErrInvalidConfig is wrapped by every error of New.
var ErrInvalidConfig = errors.New("resourceapi: invalid configuration")

// KeySource supplies the keys that access tokens are signed with. It is asked on every call, so it
// should answer from memory; *authserver.Server and *JWKS do.
type KeySource interface {
	// Keys returns the public keys with this id; that there is none is not an error.
	Keys(ctx context.Context, keyID string) ([]jose.JSONWebKey, error)
}

// Config describes an API. A part that is left out refuses every call: no Keys, no token is
// accepted; no BasicUsers, no password is.
type Config struct {
	// Keys verifies bearer tokens; ES256 only.
	Keys KeySource
	// Issuer is the required iss; empty accepts any issuer whose key is in Keys.
	Issuer string
	// Audience must be in a token's aud; empty does not check it.
	Audience string
	// RequiredScope must be in a token's scope; empty does not check it.
	RequiredScope string
	// Revoked, if set, is asked whether the token with this jti was revoked.
	Revoked func(jti string) bool
	// BasicUsers is user name → password for /basic.
	BasicUsers map[string]string
	// APIKeys is header name → value for /apikey.
	APIKeys map[string]string
	// IDHeader is the request header with a delivery's id; empty means DefaultIDHeader.
	IDHeader string
	// IDField is the top-level member of a JSON body with the id, used without the header; empty
	// means DefaultIDField.
	IDField string
	// History bounds Received; 0 means DefaultHistory.
	History int
	// Now is the clock tokens are checked against; nil means time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.IDHeader == "" {
		c.IDHeader = DefaultIDHeader
	}
	if c.IDField == "" {
		c.IDField = DefaultIDField
	}
	if c.History == 0 {
		c.History = DefaultHistory
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	if c.History < 0 {
		return fmt.Errorf("%w: History is %d, must not be negative", ErrInvalidConfig, c.History)
	}
	for user, password := range c.BasicUsers {
		if user == "" || password == "" {
			return fmt.Errorf("%w: BasicUsers: user name and password must not be empty", ErrInvalidConfig)
		}
	}
	for header, value := range c.APIKeys {
		if header == "" || value == "" {
			return fmt.Errorf("%w: APIKeys: header name and value must not be empty", ErrInvalidConfig)
		}
		if http.CanonicalHeaderKey(header) == "Authorization" {
			return fmt.Errorf("%w: APIKeys: Authorization is taken by /orders and /basic", ErrInvalidConfig)
		}
	}
	return nil
}
