package oauth

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Values of the hint of Revoke, RFC 7009 section 2.1.
const (
	HintAccessToken  = "access_token"
	HintRefreshToken = "refresh_token"
)

// Revoke asks the authorization server to revoke a token, RFC 7009, at the settings' revocation endpoint. hint says what kind of
// token it is; it may be empty. A token that the server does not know is revoked. It is safe to repeat.
//
// Errors are [*token.Failure].
func (c *Client) Revoke(ctx context.Context, settings token.OAuth2, revoked seal.Secret, hint string) error {
	secrets := secretsOf(&settings, revoked)
	answer, err := c.withSecret(&settings, func(secret seal.Secret) (token.Answer, error) {
		return c.request(ctx, &settings, secrets, func(ctx context.Context, now time.Time) (*http.Request, error) {
			return revocationRequest(ctx, &settings, revoked, hint, secret, now)
		})
	})
	if err != nil {
		return err
	}
	d := parse(answer, token.Dialect{})
	code, unknown := d.errorCode(), false
	switch strings.ToLower(code) {
	case "invalid_token", "invalid_grant", "token_revoked":
		unknown = true
	}
	if unknown || answer.HTTPStatus >= 200 && answer.HTTPStatus <= 299 && code == "" && d.shape != shapeHTML {
		return nil
	}
	failure := &token.Failure{
		Time: answer.EndTime, HTTPStatus: answer.HTTPStatus, Sent: true, RetryAfter: retryAfter(answer.RetryAfter, answer.EndTime),
		Class: class(answer, &d, false), Message: message(answer, &d, secrets),
	}
	failure.Reason = token.Reason(failure.Class)
	return failure
}

// revocationRequest is that of RFC 7009 section 2.1. The dialect is one of the token endpoint and does not reach here.
func revocationRequest(
	ctx context.Context, s *token.OAuth2, revoked seal.Secret, hint string, secret seal.Secret, now time.Time,
) (*http.Request, error) {
	endpoint, err := parseEndpoint(s.Provider.RevocationEndpoint, "the revocation endpoint")
	if err != nil {
		return nil, err
	}
	var fields parameters
	fields.add("token", revoked.Reveal())
	fields.add("token_type_hint", hint)
	client, err := clientFields(s, secret, now)
	if err != nil {
		return nil, err
	}
	body, contentType, err := encode(append(fields, client...), "")
	if err != nil {
		return nil, err
	}
	request, err := newRequest(ctx, http.MethodPost, endpoint, body, false)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", contentType)
	authorize(request.Header, s, secret)
	return request, nil
}
