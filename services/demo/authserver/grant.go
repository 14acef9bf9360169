package authserver

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Grant types of the token endpoint.
const (
	grantClientCredentials = "client_credentials"
	grantRefreshToken      = "refresh_token"
	grantAuthorizationCode = "authorization_code"
	grantPassword          = "password"
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// accessToken is an issued access token that has not been pruned.
type accessToken struct {
	client   string
	claims   claims
	expires  time.Time
	revoked  bool
	issuedAt time.Time
}

// family is all that descends from one user's authorization.
type family struct {
	client   string
	subject  string
	scopes   []string
	audience []string
	revoked  bool
	access   []*accessToken
	key      string // thumbprint of the key that its tokens are bound to; empty: none
}

// refreshToken is one link of a family's chain.
type refreshToken struct {
	family   *family
	issuedAt time.Time
	usedAt   time.Time // zero: not replaced yet
}

// grantState is the tokens the server knows, keyed by the token itself.
type grantState struct {
	access  map[string]*accessToken
	refresh map[string]*refreshToken
	codes   map[string]*authorizationCode
	pushed  map[string]pushed
	revoked map[string]bool      // by jti
	jtis    map[string]time.Time // of assertions, until their end
	pruneAt int
}

func newGrantState() grantState {
	return grantState{
		access:  map[string]*accessToken{},
		refresh: map[string]*refreshToken{},
		codes:   map[string]*authorizationCode{},
		pushed:  map[string]pushed{},
		revoked: map[string]bool{},
		jtis:    map[string]time.Time{},
		pruneAt: maxRequests,
	}
}

// remember adds an access token and, now and then, forgets the expired ones.
func (g *grantState) remember(token string, a *accessToken) {
	if len(g.access) >= g.pruneAt {
		for key, old := range g.access {
			if !a.issuedAt.Before(old.expires) {
				delete(g.access, key)
			}
		}
		g.pruneAt = max(maxRequests, 2*len(g.access))
	}
	g.access[token] = a
}

func (g *grantState) revokeAccess(a *accessToken) {
	a.revoked = true
	g.revoked[a.claims.ID] = true
}

func (g *grantState) revokeFamily(f *family) {
	f.revoked = true
	for _, a := range f.access {
		g.revokeAccess(a)
	}
	f.access = nil
}

// IssueRefreshToken starts a family as if a user had just consented, and returns its first refresh
// token. No scopes means all of the client's.
func (s *Server) IssueRefreshToken(clientID, subject string, scopes ...string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, known := s.clients[clientID]
	if !known {
		return "", fmt.Errorf("%w: %q", ErrUnknownClient, clientID)
	}
	granted, refusal := grantScopes(client.Scopes, strings.Join(scopes, " "))
	if refusal != nil {
		return "", fmt.Errorf("authserver: %s: %s", refusal.code, refusal.description)
	}
	audience, _ := s.grantAudience(client, nil)
	return s.newRefreshToken(&family{client: clientID, subject: subject, scopes: granted, audience: audience}), nil
}

func (s *Server) newRefreshToken(f *family) string {
	token := rand.Text()
	s.grants.refresh[token] = &refreshToken{family: f, issuedAt: s.now()}
	s.tokens = appendBounded(s.tokens, token, 2*maxIssued)
	return token
}

// Revoked reports whether the access token with this jti was revoked before its end.
func (s *Server) Revoked(jti string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants.revoked[jti]
}

// clientCredentials is RFC 6749 §4.4. s.mu must be held.
func (s *Server) clientCredentials(client *Client, form url.Values) (grantResult, *oauthError) {
	scopes, refusal := grantScopes(client.Scopes, form.Get("scope"))
	if refusal != nil {
		return grantResult{}, refusal
	}
	audience, refusal := s.grantAudience(client, form)
	if refusal != nil {
		return grantResult{}, refusal
	}
	f := family{client: client.ID, subject: client.ID, scopes: scopes, audience: audience}
	return s.mint(&f, scopes, grantClientCredentials)
}

// redeem is RFC 6749 §6 with the rotation of the refresh policy. s.mu must be held.
func (s *Server) redeem(client *Client, form url.Values) (grantResult, *oauthError) {
	presented := form.Get("refresh_token")
	if presented == "" {
		return grantResult{}, invalidRequest("refresh_token is missing")
	}
	token, known := s.grants.refresh[presented]
	if !known || token.family.client != client.ID {
		return grantResult{}, invalidGrant("the refresh token is unknown")
	}
	f := token.family
	if f.revoked {
		return grantResult{}, invalidGrant("the refresh token was revoked")
	}
	scopes, refusal := grantScopes(f.scopes, form.Get("scope"))
	if refusal != nil {
		return grantResult{}, refusal
	}
	if refusal := f.bind(client, s.presented); refusal != nil {
		return grantResult{}, refusal
	}
	if refusal := s.spend(token); refusal != nil {
		return grantResult{}, refusal
	}
	if s.refresh.KillAccessTokens {
		for _, a := range f.access {
			s.grants.revokeAccess(a)
		}
		f.access = nil
	}
	result, refusal := s.mint(f, scopes, grantRefreshToken)
	if refusal == nil && s.refresh.Rotation != Reusable {
		result.refreshToken = s.newRefreshToken(f)
	}
	return result, refusal
}

// spend marks a refresh token used, or refuses a second use. s.mu must be held.
func (s *Server) spend(token *refreshToken) *oauthError {
	now := s.now()
	if !token.usedAt.IsZero() {
		s.stats.DoubleRedemptions++
		inGrace := s.refresh.Rotation == SingleUseWithGrace && now.Before(token.usedAt.Add(s.refresh.Grace))
		if !inGrace {
			s.grants.revokeFamily(token.family)
			s.stats.FamiliesRevoked++
			return invalidGrant("the refresh token was already used")
		}
		return nil
	}
	if s.refresh.Rotation != Reusable {
		token.usedAt = now
	}
	return nil
}

// mint issues an access token. s.mu must be held.
func (s *Server) mint(f *family, scopes []string, grantType string) (grantResult, *oauthError) {
	// Microseconds are what the token can carry exactly; see numericDate.
	issued := s.now().Truncate(time.Microsecond)
	expires := issued.Add(s.lifetime.Truncate(time.Microsecond))
	c := claims{
		Issuer: s.issuer, Subject: f.subject, Audience: f.audience, ClientID: f.client, Scope: strings.Join(scopes, " "),
		IssuedAt: numericDate(issued), Expiry: numericDate(expires), ID: rand.Text(),
	}
	if f.key = s.presented; f.key != "" {
		c.Confirmation = &confirmation{Thumbprint: f.key}
	}
	token, err := s.keys.sign(c)
	if err != nil {
		return grantResult{}, &oauthError{code: errorServerError, description: "the token could not be signed", status: http.StatusInternalServerError}
	}
	record := &accessToken{client: f.client, claims: c, expires: expires, issuedAt: issued}
	f.access = slices.DeleteFunc(f.access, func(a *accessToken) bool { return !issued.Before(a.expires) })
	f.access = append(f.access, record)
	s.grants.remember(token, record)
	s.tokens = appendBounded(s.tokens, token, 2*maxIssued)
	s.issued = appendBounded(s.issued, Issued{
		Client: f.client, GrantType: grantType, JTI: c.ID, Fingerprint: Fingerprint(token), Scope: c.Scope,
		Audience: slices.Clone(f.audience), IssueTime: issued, ExpireTime: expires,
	}, maxIssued)
	s.stats.Issued[f.client]++
	return grantResult{accessToken: token, scope: c.Scope, lifetime: expires.Sub(issued), expires: expires, bound: f.key != ""}, nil
}

// grantScopes returns the requested scopes if all are allowed; none requested means all allowed.
func grantScopes(allowed []string, requested string) ([]string, *oauthError) {
	scopes := strings.Fields(requested)
	if len(scopes) == 0 {
		return slices.Clone(allowed), nil
	}
	for _, scope := range scopes {
		if !slices.Contains(allowed, scope) {
			return nil, &oauthError{code: errorInvalidScope, description: "scope " + printable(scope) + " is not allowed"}
		}
	}
	return scopes, nil
}

// grantAudience returns the audiences asked for with audience (RFC 8693) or resource (RFC 8707).
// s.mu must be held.
func (s *Server) grantAudience(client *Client, form url.Values) ([]string, *oauthError) {
	requested := slices.Concat(form["audience"], form["resource"])
	requested = slices.DeleteFunc(requested, func(v string) bool { return v == "" })
	if len(requested) == 0 {
		if len(client.Audiences) > 0 {
			return client.Audiences[:1:1], nil
		}
		return []string{s.issuer}, nil
	}
	for _, audience := range requested {
		if len(client.Audiences) > 0 && !slices.Contains(client.Audiences, audience) {
			return nil, &oauthError{code: errorInvalidTarget, description: "audience " + printable(audience) + " is not allowed"}
		}
	}
	slices.Sort(requested)
	return slices.Compact(requested), nil
}
