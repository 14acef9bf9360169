package oauth

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Push sends the parameters of an authorization request to the settings' pushed authorization request endpoint (RFC 9126 section 2.1), and
// returns the request URI that stands for them and for how long. Nothing is spent by repeating it.
//
// Errors are [*token.Failure].
func (c *Client) Push(ctx context.Context, settings token.OAuth2, request map[string]string) (requestURI seal.Secret, lifetime time.Duration, err error) {
	secrets := secretsOf(&settings, seal.Secret{})
	answer, err := c.withSecret(&settings, func(secret seal.Secret) (token.Answer, error) {
		return c.request(ctx, &settings, secrets, func(ctx context.Context, now time.Time) (*http.Request, error) {
			return pushRequest(ctx, &settings, request, secret, now)
		})
	})
	if err != nil {
		return seal.Secret{}, 0, err
	}
	d := parse(answer, token.Dialect{})
	spelled := text(d.fields.lookup("request_uri"))
	if _, err := url.Parse(spelled); err == nil && spelled != "" && answer.HTTPStatus >= 200 && answer.HTTPStatus <= 299 {
		lifetime, _ = duration(d.fields.lookup("expires_in"), time.Second)
		return seal.NewSecret(spelled), lifetime, nil
	}
	if answer.HTTPStatus >= 200 && answer.HTTPStatus <= 299 && d.errorCode() == "" {
		return seal.Secret{}, 0, &token.Failure{
			Time: answer.EndTime, HTTPStatus: answer.HTTPStatus, Sent: true, Class: token.ClassConfiguration, Reason: token.ReasonConfiguration,
			Message: "the authorization server answered " + strconv.Itoa(answer.HTTPStatus) + " without a request_uri; is this where requests are pushed?",
		}
	}
	failure := &token.Failure{
		Time: answer.EndTime, HTTPStatus: answer.HTTPStatus, Sent: true, RetryAfter: retryAfter(answer.RetryAfter, answer.EndTime),
		Class: class(answer, &d, false), Message: message(answer, &d, secrets),
	}
	failure.Reason = token.Reason(failure.Class)
	return seal.Secret{}, 0, failure
}

// pushRequest has the parameters and, as a token request has it, what authenticates the client.
func pushRequest(ctx context.Context, s *token.OAuth2, request map[string]string, secret seal.Secret, now time.Time) (*http.Request, error) {
	endpoint, err := parseEndpoint(s.PushEndpoint, "the pushed authorization request endpoint")
	if err != nil {
		return nil, err
	}
	client, err := clientFields(s, secret, now)
	if err != nil {
		return nil, err
	}
	var fields parameters
	for _, name := range slices.Sorted(maps.Keys(request)) {
		if !slices.ContainsFunc(client, func(p parameter) bool { return p.name == name }) {
			fields.add(name, request[name])
		}
	}
	body, contentType, err := encode(append(fields, client...), "")
	if err != nil {
		return nil, err
	}
	pushed, err := newRequest(ctx, http.MethodPost, endpoint, body, false)
	if err != nil {
		return nil, err
	}
	pushed.Header.Set("Accept", "application/json")
	pushed.Header.Set("Content-Type", contentType)
	authorize(pushed.Header, s, secret)
	return pushed, nil
}
