package oauth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Values of grant_type: RFC 6749, RFC 7523 section 2.1, RFC 8693 section 2.1.
const (
	grantClientCredentials = "client_credentials"
	grantRefreshToken      = "refresh_token"
	grantAuthorizationCode = "authorization_code"
	grantPassword          = "password"
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// typeAccessToken is the subject token's type unless the settings name another, RFC 8693 section 3.
const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// refreshToken returns the refresh token that a request redeems; empty if it redeems none.
func refreshToken(s *token.OAuth2, g token.Grant) seal.Secret {
	switch s.Grant {
	case token.KindRefreshToken:
		if g.RefreshToken.IsZero() {
			return s.RefreshToken
		}
		return g.RefreshToken
	case token.KindAuthorizationCode:
		return g.RefreshToken
	default:
		return seal.Secret{}
	}
}

// redeems reports whether a request spends something that can often be spent only once: a code or a refresh token.
func redeems(s *token.OAuth2) bool {
	return s.Grant == token.KindRefreshToken || s.Grant == token.KindAuthorizationCode
}

// spends reports whether a request whose outcome is not known has spent what it redeemed. The rules are those of the journal, which
// lets the others be redeemed again, so that they may go over kept connections.
func spends(s *token.OAuth2) bool {
	return redeems(s) && (s.Grant == token.KindAuthorizationCode || s.Provider.Recovery == "" || s.Provider.Recovery == token.SingleUse)
}

// grantFields returns the fields of a token request that its grant asks for.
func grantFields(s *token.OAuth2, g token.Grant, now time.Time) (parameters, error) {
	var p parameters
	switch s.Grant {
	case "", token.KindClientCredentials:
		p.add("grant_type", grantClientCredentials)
		p.addScope(s)
	case token.KindRefreshToken:
		refresh := refreshToken(s, g)
		if refresh.IsZero() {
			return nil, errors.New("there is no refresh token to redeem")
		}
		p.add("grant_type", orDefault(s.Dialect.RefreshGrantType, grantRefreshToken))
		p.add("refresh_token", refresh.Reveal())
		p.addScope(s)
	case token.KindAuthorizationCode:
		return codeFields(s, g)
	case token.KindJWTBearer:
		assertion, err := grantAssertion(s, now)
		if err != nil {
			return nil, err
		}
		p.add("grant_type", grantJWTBearer)
		p.add("assertion", assertion)
		p.addScope(s)
	case token.KindTokenExchange:
		return exchangeFields(s), nil
	case token.KindPassword:
		p.add("grant_type", grantPassword)
		p.add("username", s.ResourceOwner.Username)
		p.add("password", s.ResourceOwner.Password.Reveal())
		p.addScope(s)
	default:
		return nil, fmt.Errorf("no token request is made for the grant %q", s.Grant)
	}
	p.add("audience", s.Audience)
	return p, nil
}

// codeFields redeems the code, and the refresh token that came with the first answer from then on. Scopes are those of the
// authorization request: neither request repeats them (RFC 6749 sections 4.1.3 and 6).
func codeFields(s *token.OAuth2, g token.Grant) (parameters, error) {
	var p parameters
	if !g.RefreshToken.IsZero() {
		p.add("grant_type", orDefault(s.Dialect.RefreshGrantType, grantRefreshToken))
		p.add("refresh_token", g.RefreshToken.Reveal())
		p.add("audience", s.Audience)
		return p, nil
	}
	if s.Code.Code.IsZero() {
		return nil, errors.New("there is no authorization code to redeem")
	}
	p.add("grant_type", grantAuthorizationCode)
	p.add("code", s.Code.Code.Reveal())
	p.add("redirect_uri", s.Code.RedirectURI)
	p.add("code_verifier", s.Code.CodeVerifier.Reveal())
	p.add("audience", s.Audience)
	return p, nil
}

// exchangeFields are those of RFC 8693 section 2.1.
func exchangeFields(s *token.OAuth2) parameters {
	var p parameters
	e := &s.Exchange
	p.add("grant_type", grantTokenExchange)
	p.add("subject_token", e.SubjectToken.Reveal())
	p.add("subject_token_type", orDefault(e.SubjectTokenType, typeAccessToken))
	if !e.ActorToken.IsZero() {
		p.add("actor_token", e.ActorToken.Reveal())
		p.add("actor_token_type", e.ActorTokenType)
	}
	p.add("requested_token_type", e.RequestedTokenType)
	for _, resource := range e.Resources {
		p.add("resource", resource)
	}
	p.addScope(s)
	p.add("audience", s.Audience)
	return p
}

// parameters are the fields of a request, in their order.
type parameters []parameter

type parameter struct{ name, value string }

// add appends a field unless its value is empty.
func (p *parameters) add(name, value string) {
	if value != "" {
		*p = append(*p, parameter{name, value})
	}
}

func (p *parameters) addScope(s *token.OAuth2) {
	p.add("scope", strings.Join(s.Scopes, orDefault(s.Dialect.ScopeSeparator, " ")))
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
