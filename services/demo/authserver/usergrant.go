package authserver

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeLifetime is how long a code can be redeemed; RFC 6749 §4.1.2 recommends at most 10 minutes.
const codeLifetime = 10 * time.Minute

// authorizationCode is what a user's browser would bring back.
type authorizationCode struct {
	family      *family
	redirectURI string
	challenge   string
	nonce       string
	expires     time.Time
	used        bool
}

// IssueCode returns an authorization code as if a user had just consented (RFC 6749 §4.1.2). redirectURI is that of the
// authorization request, challenge the S256 code challenge of RFC 7636; both may be empty. No scopes means all of the client's.
func (s *Server) IssueCode(clientID, subject, redirectURI, challenge string, scopes ...string) (string, error) {
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
	code := rand.Text()
	s.grants.codes[code] = &authorizationCode{
		family:      &family{client: clientID, subject: subject, scopes: granted, audience: audience},
		redirectURI: redirectURI, challenge: challenge, expires: s.now().Add(codeLifetime),
	}
	s.tokens = appendBounded(s.tokens, code, 2*maxIssued)
	return code, nil
}

// redeemCode is RFC 6749 §4.1.3. A code that comes twice revokes what the first use gave. s.mu must be held.
func (s *Server) redeemCode(client *Client, form url.Values) (grantResult, *oauthError) {
	code, known := s.grants.codes[form.Get("code")]
	if !known || code.family.client != client.ID {
		return grantResult{}, invalidGrant("the code is unknown")
	}
	if code.used {
		s.stats.DoubleRedemptions++
		s.stats.FamiliesRevoked++
		s.grants.revokeFamily(code.family)
		return grantResult{}, invalidGrant("the code was already used")
	}
	code.used = true
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case !s.now().Before(code.expires):
		return grantResult{}, invalidGrant("the code has expired")
	case code.redirectURI != form.Get("redirect_uri"):
		return grantResult{}, invalidGrant("redirect_uri differs from that of the authorization request")
	case code.challenge != "" && code.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		return grantResult{}, invalidGrant("code_verifier does not fit the challenge")
	}
	result, refusal := s.grantFamily(code.family, grantAuthorizationCode)
	if refusal == nil {
		result.idToken = s.idToken(code)
	}
	return result, refusal
}

// password is RFC 6749 §4.3. s.mu must be held.
func (s *Server) password(client *Client, form url.Values) (grantResult, *oauthError) {
	want, known := s.users[form.Get("username")]
	if !known || subtle.ConstantTimeCompare([]byte(want), []byte(form.Get("password"))) != 1 {
		return grantResult{}, invalidGrant("user name or password is wrong")
	}
	scopes, refusal := grantScopes(client.Scopes, form.Get("scope"))
	if refusal != nil {
		return grantResult{}, refusal
	}
	audience, refusal := s.grantAudience(client, form)
	if refusal != nil {
		return grantResult{}, refusal
	}
	return s.grantFamily(&family{client: client.ID, subject: form.Get("username"), scopes: scopes, audience: audience}, grantPassword)
}

// grantFamily issues the first pair of a family. s.mu must be held.
func (s *Server) grantFamily(f *family, grantType string) (grantResult, *oauthError) {
	result, refusal := s.mint(f, f.scopes, grantType)
	if refusal == nil {
		result.refreshToken = s.newRefreshToken(f)
	}
	return result, refusal
}

// typeAccessToken is the one kind of token that is exchanged, RFC 8693 §3.
const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// exchangeToken is RFC 8693 for access tokens of this server: the new one is for the same subject, with no more scopes.
// s.mu must be held.
func (s *Server) exchangeToken(client *Client, form url.Values) (grantResult, *oauthError) {
	if form.Get("subject_token_type") != typeAccessToken || !slices.Contains([]string{"", typeAccessToken}, form.Get("requested_token_type")) {
		return grantResult{}, invalidRequest("only access tokens are exchanged")
	}
	if form.Has("actor_token") != form.Has("actor_token_type") {
		return grantResult{}, invalidRequest("actor_token and actor_token_type go together")
	}
	for _, name := range []string{"subject_token", "actor_token"} {
		a, known := s.grants.access[form.Get(name)]
		if form.Has(name) && (!known || a.revoked || !s.now().Before(a.expires)) {
			return grantResult{}, invalidRequest(name + " is not valid") // RFC 8693 §2.2.2
		}
	}
	subject, known := s.grants.access[form.Get("subject_token")]
	if !known {
		return grantResult{}, invalidRequest("subject_token is missing")
	}
	result, refusal := s.grantTo(client, subject.claims.Subject, form.Get("scope"), strings.Fields(subject.claims.Scope), form, grantTokenExchange)
	result.issuedType = typeAccessToken
	return result, refusal
}
