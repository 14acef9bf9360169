package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// tokenRequest returns a request to the token endpoint, as the dialect has it. Errors have no secrets; errClient says that the
// client's key is the trouble.
func tokenRequest(ctx context.Context, s *token.OAuth2, g token.Grant, secret seal.Secret, now time.Time) (*http.Request, error) {
	fields, err := grantFields(s, g, now)
	if err != nil {
		return nil, err
	}
	return assemble(ctx, s, methodFor(s, g), endpointFor(s, g), fields, secret, now)
}

// endpointFor is where a token request goes.
func endpointFor(s *token.OAuth2, g token.Grant) string {
	if s.Dialect.RefreshEndpoint != "" && !refreshToken(s, g).IsZero() {
		return s.Dialect.RefreshEndpoint
	}
	return s.TokenEndpoint
}

// methodFor is how a token request is made.
func methodFor(s *token.OAuth2, g token.Grant) string {
	if s.Dialect.RefreshMethod != "" && !refreshToken(s, g).IsZero() {
		return s.Dialect.RefreshMethod
	}
	return orDefault(s.Dialect.Method, http.MethodPost)
}

// assemble returns a request with the fields of a grant, and those that authenticate the client.
func assemble(
	ctx context.Context, s *token.OAuth2, method, address string, fields parameters, secret seal.Secret, now time.Time,
) (*http.Request, error) {
	endpoint, err := parseEndpoint(address, "the token endpoint")
	if err != nil {
		return nil, err
	}
	client, err := clientFields(s, secret, now)
	if err != nil {
		return nil, err
	}
	fields = rename(append(fields, client...), s.Dialect.FieldNames)
	for _, p := range s.Parameters.Body {
		fields = append(fields, parameter{p.Key, p.Value.Reveal()})
	}
	var query parameters
	for _, p := range s.Parameters.Query {
		query = append(query, parameter{p.Key, p.Value.Reveal()})
	}
	var body []byte
	var contentType string
	switch method {
	case http.MethodGet:
		query = append(query, fields...)
	case http.MethodPost, http.MethodPut:
		if body, contentType, err = encode(fields, s.Dialect.Encoding); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the method %q is not one of token requests", method)
	}
	extend(endpoint, query)
	request, err := newRequest(ctx, method, endpoint, body, redeems(s))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	for _, p := range s.Parameters.Headers {
		request.Header.Set(p.Key, p.Value.Reveal())
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	authorize(request.Header, s, secret)
	return request, nil
}

func parseEndpoint(address, what string) (*url.URL, error) {
	endpoint, err := url.Parse(address)
	if err != nil || endpoint.Host == "" {
		return nil, errors.New(what + " is not a URL") // the parser's error would repeat it
	}
	return endpoint, nil
}

// extend adds parameters to those that a URL has.
func extend(endpoint *url.URL, query parameters) {
	if len(query) == 0 {
		return
	}
	values := endpoint.Query()
	for _, p := range query {
		values.Add(p.name, p.value)
	}
	endpoint.RawQuery = values.Encode()
}

// rename gives fields the names that a server has for them, and leaves out those that it does not want.
func rename(fields parameters, names map[string]string) parameters {
	renamed := make(parameters, 0, len(fields))
	for _, p := range fields {
		name, other := names[p.name]
		if !other {
			name = p.name
		}
		if name != "" {
			renamed = append(renamed, parameter{name, p.value})
		}
	}
	return renamed
}

// encode writes fields as a form, or as a JSON object of strings; there a field that is given more than once is an array.
func encode(fields parameters, encoding string) (body []byte, contentType string, err error) {
	values := make(url.Values, len(fields))
	for _, p := range fields {
		values.Add(p.name, p.value)
	}
	switch encoding {
	case "", "FORM":
		return []byte(values.Encode()), "application/x-www-form-urlencoded", nil
	case "JSON":
		object := make(map[string]any, len(values))
		for name, list := range values {
			object[name] = list
			if len(list) == 1 {
				object[name] = list[0]
			}
		}
		if body, err = json.Marshal(object); err != nil {
			return nil, "", errors.New("the request's fields cannot be written as JSON")
		}
		return body, "application/json", nil
	default:
		return nil, "", fmt.Errorf("the encoding %q is not one of token requests", encoding)
	}
}

// newRequest returns a request with a body. net/http repeats requests by itself when a kept connection fails: those without a
// body, and those with a certain header. once keeps it from that, by a body that cannot be read twice.
func newRequest(ctx context.Context, method string, endpoint *url.URL, body []byte, once bool) (*http.Request, error) {
	var reader io.Reader = bytes.NewReader(body)
	if once {
		reader = struct{ io.Reader }{reader} // of no type that net/http knows how to rewind
	}
	request, err := http.NewRequestWithContext(ctx, method, endpoint.String(), reader)
	if err != nil {
		return nil, errors.New("the endpoint is not a URL")
	}
	request.ContentLength = int64(len(body))
	return request, nil
}
