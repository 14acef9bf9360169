package authserver

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const typeClientAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxAssertionLifetime is how far ahead the end of an assertion may be.
const maxAssertionLifetime = time.Hour

// assertionClaims are those of RFC 7523 §3 that are looked at.
type assertionClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Expiry   int64           `json:"exp"`
	IssuedAt int64           `json:"iat"`
	ID       string          `json:"jti"`
	Scope    string          `json:"scope"`
}

// verifyAssertion checks an assertion by RFC 7523 §3, with a jti that was never used, and says why it refuses one. s.mu must
// be held.
func (s *Server) verifyAssertion(client *Client, text string) (c assertionClaims, refusal string) {
	if client.PublicKey == nil {
		return c, "the client has no key"
	}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	})
	if err != nil {
		return c, "the assertion is not a signed JWT"
	}
	payload, err := signed.Verify(client.PublicKey)
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return c, "the assertion is not signed by the client"
	}
	now := s.now()
	_, used := s.grants.jtis[c.ID]
	switch end := time.Unix(c.Expiry, 0); {
	case !s.meansThis(c.Audience):
		return c, "the assertion is for somebody else"
	case !now.Before(end):
		return c, "the assertion has expired"
	case end.Sub(now) > maxAssertionLifetime || time.Unix(c.IssuedAt, 0).Sub(now) > time.Minute:
		return c, "the assertion is from the future"
	case c.ID == "" || used:
		return c, "the assertion was used before"
	default:
		s.grants.useJTI(c.ID, end, now)
		return c, ""
	}
}

// meansThis reports whether aud, a string or a list of strings, names the server or its token endpoint. s.mu must be held.
func (s *Server) meansThis(audience json.RawMessage) bool {
	var list []string
	if json.Unmarshal(audience, &list) != nil {
		var one string
		if json.Unmarshal(audience, &one) != nil {
			return false
		}
		list = []string{one}
	}
	return slices.Contains(list, s.issuer) || slices.Contains(list, s.issuer+PathToken)
}

// useJTI remembers the id of an assertion and, now and then, forgets those that ended.
func (g *grantState) useJTI(id string, end, now time.Time) {
	if len(g.jtis) >= maxRequests {
		for old, until := range g.jtis {
			if !now.Before(until) {
				delete(g.jtis, old)
			}
		}
	}
	g.jtis[id] = end
}

// jwtBearer is RFC 7523 §2.1: the client's own key vouches for whatever subject it names. s.mu must be held.
func (s *Server) jwtBearer(client *Client, form url.Values) (grantResult, *oauthError) {
	c, refusal := s.verifyAssertion(client, form.Get("assertion"))
	switch {
	case refusal != "":
		return grantResult{}, invalidGrant(refusal)
	case c.Subject == "":
		return grantResult{}, invalidGrant("the assertion has no subject")
	}
	scope := strings.TrimSpace(form.Get("scope") + " " + c.Scope)
	return s.grantTo(client, c.Subject, scope, client.Scopes, form, grantJWTBearer)
}

// grantTo issues an access token without a refresh token. s.mu must be held.
func (s *Server) grantTo(client *Client, subject, scope string, allowed []string, form url.Values, grantType string) (grantResult, *oauthError) {
	scopes, refusal := grantScopes(allowed, scope)
	if refusal != nil {
		return grantResult{}, refusal
	}
	audience, refusal := s.grantAudience(client, form)
	if refusal != nil {
		return grantResult{}, refusal
	}
	return s.mint(&family{client: client.ID, subject: subject, scopes: scopes, audience: audience}, scopes, grantType)
}
