package oauth

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth/jwtsign"
)

// errClient means that a request cannot be made because of what the client should authenticate or sign with.
var errClient = errors.New("the client cannot authenticate")

const (
	// typeJWTBearer is the value of client_assertion_type, RFC 7523 section 2.2.
	typeJWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// clientAssertionLifetime is enough for the request that an assertion is made for. Servers refuse long ones.
	clientAssertionLifetime = time.Minute
	// grantAssertionLifetime is the API's default for JWT_BEARER.
	grantAssertionLifetime = 5 * time.Minute
)

// clientAssertion authenticates the client, RFC 7523 sections 2.2 and 3. Each is for one request: it has an id of its own. As a client secret it
// follows https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret.
func clientAssertion(s *token.OAuth2, now time.Time) (string, error) {
	return sign(s, map[string]any{
		"iss": orDefault(s.SigningKey.Issuer, s.ClientID),
		"sub": s.ClientID,
		"aud": orDefault(s.SigningKey.Audience, s.TokenEndpoint),
		"iat": now.Unix(),
		"exp": now.Add(clientAssertionLifetime).Unix(),
		"jti": rand.Text(),
	})
}

// grantAssertion is the grant of RFC 7523 section 2.1. A claim of the settings takes the place of one made here, and null
// leaves it out; the times are always ours.
func grantAssertion(s *token.OAuth2, now time.Time) (string, error) {
	a := &s.Assertion
	issuer := orDefault(a.Issuer, s.ClientID)
	claims := map[string]any{
		"iss": issuer,
		"sub": orDefault(a.Subject, issuer),
		"aud": orDefault(a.Audience, s.TokenEndpoint),
		"jti": rand.Text(),
	}
	further, err := parseClaims(a.Claims)
	if err != nil {
		return "", err
	}
	maps.Copy(claims, further)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	lifetime := a.Lifetime
	if lifetime <= 0 {
		lifetime = grantAssertionLifetime
	}
	claims["iat"], claims["exp"] = now.Unix(), now.Add(lifetime).Unix()
	return sign(s, claims)
}

func parseClaims(text string) (map[string]any, error) {
	if text == "" {
		return map[string]any{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var claims map[string]any
	err := decoder.Decode(&claims)
	if err == nil {
		_, err = decoder.Token()
	}
	if !errors.Is(err, io.EOF) {
		return nil, errors.New("assertion.claims is not the JSON text of an object")
	}
	return claims, nil
}

func sign(s *token.OAuth2, claims map[string]any) (string, error) {
	signer, err := jwtsign.New(s.SigningKey.PrivateKey, s.SigningKey.KeyID, s.SigningKey.Algorithm)
	if err != nil {
		return "", fmt.Errorf("%w: signing_key: %w", errClient, err)
	}
	text, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("%w: signing_key: %w", errClient, err)
	}
	return text, nil
}
