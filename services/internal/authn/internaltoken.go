package authn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc/credentials"
)

const (
	// internalAudience keeps these tokens apart from any other JWT.
	internalAudience = "freshet-internal"
	internalIssuer   = "freshet"
	// internalLife is how long a token is valid, internalRenew how much of that
	// is left when the next one is minted, internalLeeway how far the clocks of
	// two machines of the suite may be apart.
	internalLife   = 5 * time.Minute
	internalRenew  = time.Minute
	internalLeeway = 30 * time.Second
)

// errNotInternal means that a text is no internal token, or not one of ours.
var errNotInternal = errors.New("authn: not an internal token")

// errInternalTime means that a token is of ours but not valid now.
var errInternalTime = errors.New("authn: internal token expired or not yet valid")

// InternalTokens mints and checks the tokens by which the suite's services prove
// themselves to each other: JWTs (RFC 7519), HS256, valid for 5 minutes, with
// the service as subject and "freshet-internal" as audience. Every process of
// one installation has the same key, derived from the master key.
type InternalTokens struct {
	key []byte
	now func() time.Time
}

// NewInternalTokens returns tokens of the given key, which must have 32 bytes or
// more: with a shorter one, nothing can be minted and nothing is valid.
func NewInternalTokens(key []byte, now func() time.Time) *InternalTokens {
	return &InternalTokens{key: key, now: now}
}

// Credentials returns credentials that prove each call to come from service, one
// of the Service constants. A token is minted when needed and used for most of
// its life. They demand transport security, except where rpcclient knows that a
// connection does not leave the machine.
func (t *InternalTokens) Credentials(service string) credentials.PerRPCCredentials {
	return &internalCredentials{tokens: t, service: service}
}

func (t *InternalTokens) mint(service string) (token string, expires time.Time, err error) {
	if !knownService(service) {
		return "", time.Time{}, fmt.Errorf("authn: no service %q in the suite", service)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: t.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("authn: mint internal token: %w", err)
	}
	now := t.now()
	expires = now.Add(internalLife)
	token, err = jwt.Signed(signer).Claims(jwt.Claims{
		Issuer:   internalIssuer,
		Subject:  service,
		Audience: jwt.Audience{internalAudience},
		IssuedAt: jwt.NewNumericDate(now),
		Expiry:   jwt.NewNumericDate(expires),
	}).Serialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("authn: mint internal token: %w", err)
	}
	return token, expires, nil
}

// verify returns the service that a token proves.
func (t *InternalTokens) verify(token string) (service string, err error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return "", errNotInternal
	}
	var claims jwt.Claims
	if err := parsed.Claims(t.key, &claims); err != nil {
		return "", errNotInternal
	}
	if claims.Expiry == nil || !knownService(claims.Subject) {
		return "", errNotInternal
	}
	expected := jwt.Expected{Issuer: internalIssuer, AnyAudience: jwt.Audience{internalAudience}, Time: t.now()}
	switch err := claims.ValidateWithLeeway(expected, internalLeeway); {
	case errors.Is(err, jwt.ErrExpired), errors.Is(err, jwt.ErrIssuedInTheFuture), errors.Is(err, jwt.ErrNotValidYet):
		return "", errInternalTime
	case err != nil:
		return "", errNotInternal
	}
	return claims.Subject, nil
}

// internalCredentials implements credentials.PerRPCCredentials.
type internalCredentials struct {
	tokens  *InternalTokens
	service string

	mu      sync.Mutex
	token   string
	expires time.Time
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (c *internalCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expires.Sub(c.tokens.now()) < internalRenew {
		token, expires, err := c.tokens.mint(c.service)
		if err != nil {
			return nil, err
		}
		c.token, c.expires = token, expires
	}
	return map[string]string{headerAuthorization: "Bearer " + c.token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (c *internalCredentials) RequireTransportSecurity() bool { return true }
