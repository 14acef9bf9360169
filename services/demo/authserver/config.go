package authserver

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// DefaultTokenLifetime is how long access tokens live unless Config says otherwise: short enough
// that a demonstration shows many rotations.
const DefaultTokenLifetime = 5 * time.Second

// MinTokenLifetime is the shortest life an access token can have.
const MinTokenLifetime = time.Millisecond

// ErrInvalidConfig is wrapped by every error of New that a different Config would avoid.
var ErrInvalidConfig = errors.New("authserver: invalid configuration")

// ErrUnknownClient is returned for a client id that is not registered.
var ErrUnknownClient = errors.New("authserver: unknown client")

// Config describes a Server. The zero value of every field but Clients is usable.
type Config struct {
	// Issuer is the server's own URL without a trailing slash. Empty: the address of the
	// listener that receives the first request.
	Issuer string
	// TokenLifetime is the life of an access token; 0 means DefaultTokenLifetime. A lifetime that
	// is not a whole number of seconds makes expires_in a decimal fraction.
	TokenLifetime time.Duration
	// Clients are the registered clients; at least one.
	Clients []Client
	// Users are the passwords of resource owners by name, for the password grant; none: there is no such grant.
	Users map[string]string
	// Refresh is how refresh tokens behave.
	Refresh RefreshPolicy
	// Now is the clock of every stored and compared time; nil means time.Now.
	Now func() time.Time
	// Logger gets one record per decision, never a secret; nil discards.
	Logger *slog.Logger
}

// Client is a registered client. It needs at least one way to authenticate, or to be Public.
type Client struct {
	// ID is the client_id.
	ID string
	// Secrets are the accepted client secrets; two at once let a client change over without a gap.
	Secrets []string
	// RawBasic makes HTTP Basic carry id and secret as they are, not form encoded.
	RawBasic bool
	// PublicKey verifies its client assertions and its JWT grants (RFC 7523): *rsa.PublicKey, *ecdsa.PublicKey or
	// ed25519.PublicKey.
	PublicKey crypto.PublicKey
	// Certificate authenticates it in TLS as it is, RFC 8705 §2.2. The listener has to ask for certificates.
	Certificate *x509.Certificate
	// CertificateSubject is the distinguished name (RFC 4514) of a certificate that the listener verified, RFC 8705 §2.1.
	CertificateSubject string
	// RedirectURIs are where users may be sent back to (RFC 6749 §3.1.2.2); none: the client has no users.
	RedirectURIs []string
	// Public lets it in without authentication.
	Public bool
	// Scopes are the scopes the client may ask for. A request without scope gets all of them
	// (RFC 6749 §3.3).
	Scopes []string
	// Audiences are the values allowed for "audience" and "resource". A request without either
	// gets the first. Empty: any value is allowed, and the default is the issuer.
	Audiences []string
}

// Rotation says what happens to a refresh token when it is redeemed.
type Rotation int

const (
	// Reusable keeps the refresh token: the response carries none.
	Reusable Rotation = iota
	// SingleUse replaces it. Presenting a replaced one again revokes the whole family
	// (RFC 9700 §4.14.2).
	SingleUse
	// SingleUseWithGrace is SingleUse, but a replaced token may be redeemed again, for a new
	// pair, until RefreshPolicy.Grace after its first use.
	SingleUseWithGrace
)

// RefreshPolicy is the refresh token behaviour of a Server.
type RefreshPolicy struct {
	// Rotation is the rotation mode; the zero value is Reusable.
	Rotation Rotation
	// Grace is the retry window of SingleUseWithGrace, counted from the first use.
	Grace time.Duration
	// KillAccessTokens revokes the family's earlier access tokens on redemption, as some
	// providers do.
	KillAccessTokens bool
}

func (c Config) withDefaults() Config {
	if c.TokenLifetime == 0 {
		c.TokenLifetime = DefaultTokenLifetime
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if c.TokenLifetime < MinTokenLifetime {
		return fmt.Errorf("%w: TokenLifetime is %v, must be at least %v", ErrInvalidConfig, c.TokenLifetime, MinTokenLifetime)
	}
	if len(c.Clients) == 0 {
		return fmt.Errorf("%w: Clients is empty, at least one is needed", ErrInvalidConfig)
	}
	seen := make(map[string]bool, len(c.Clients))
	for i, client := range c.Clients {
		if client.ID == "" {
			return fmt.Errorf("%w: Clients[%d].ID is empty", ErrInvalidConfig, i)
		}
		if seen[client.ID] {
			return fmt.Errorf("%w: Clients[%d].ID %q is used twice", ErrInvalidConfig, i, client.ID)
		}
		seen[client.ID] = true
		if client.PublicKey == nil && client.Certificate == nil && client.CertificateSubject == "" && !client.Public {
			if err := validateSecrets(client.Secrets); err != nil {
				return fmt.Errorf("%w: Clients[%d].Secrets: %w", ErrInvalidConfig, i, err)
			}
		}
	}
	return c.Refresh.validate()
}

func (p RefreshPolicy) validate() error {
	if p.Rotation < Reusable || p.Rotation > SingleUseWithGrace {
		return fmt.Errorf("%w: Refresh.Rotation %d is not a rotation mode", ErrInvalidConfig, p.Rotation)
	}
	if (p.Rotation == SingleUseWithGrace) != (p.Grace > 0) {
		return fmt.Errorf("%w: Refresh.Grace must be positive with SingleUseWithGrace and zero otherwise", ErrInvalidConfig)
	}
	return nil
}

func validateSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("at least one is needed")
	}
	if slices.Contains(secrets, "") {
		return errors.New("an empty secret is not allowed")
	}
	return nil
}
