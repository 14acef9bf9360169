package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/freshet-io/freshet/services/token"
)

// newRequest returns the token request of RFC 6749 section 4.4.2. Errors have no secrets.
func newRequest(ctx context.Context, s token.OAuth2) (*http.Request, error) {
	endpoint, err := url.Parse(s.TokenEndpoint)
	if err != nil || endpoint.Host == "" {
		return nil, errors.New("the token endpoint is not a URL") // the parser's error would repeat it
	}
	if len(s.Parameters.Query) > 0 {
		query := endpoint.Query()
		for _, p := range s.Parameters.Query {
			query.Add(p.Key, p.Value.Reveal())
		}
		endpoint.RawQuery = query.Encode()
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(s.Scopes) > 0 {
		form.Set("scope", strings.Join(s.Scopes, " "))
	}
	if s.Audience != "" {
		form.Set("audience", s.Audience)
	}
	for _, p := range s.Parameters.Body {
		form.Add(p.Key, p.Value.Reveal())
	}
	if s.ClientAuthentication == token.ClientSecretPost {
		form.Set("client_id", s.ClientID)
		form.Set("client_secret", s.ClientSecret.Reveal())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the token endpoint is not a URL")
	}
	request.Header.Set("Accept", "application/json")
	for _, p := range s.Parameters.Headers {
		request.Header.Set(p.Key, p.Value.Reveal())
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch s.ClientAuthentication {
	case token.ClientSecretBasic:
		request.Header.Set("Authorization", basic(s.ClientID, s.ClientSecret.Reveal()))
	case token.ClientSecretPost:
	default:
		return nil, fmt.Errorf("client authentication %q is not supported", s.ClientAuthentication)
	}
	return request, nil
}

// basic is HTTP Basic with form-encoded id and secret, as RFC 6749 section 2.3.1 wants it.
func basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// secretsOf returns the texts that must not appear in a message, in every spelling that a server could echo.
func secretsOf(s token.OAuth2) []string {
	secret := s.ClientSecret.Reveal()
	texts := []string{secret, url.QueryEscape(secret), basic(s.ClientID, secret)[len("Basic "):]}
	for _, fields := range [][]token.Field{s.Parameters.Headers, s.Parameters.Query, s.Parameters.Body} {
		for _, f := range fields {
			texts = append(texts, f.Value.Reveal(), url.QueryEscape(f.Value.Reveal()))
		}
	}
	return texts
}
