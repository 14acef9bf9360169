package tokensource_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// api is an HTTP API in memory that takes one credential and answers any other
// with 401. It echoes bodies.
type api struct {
	mu       sync.Mutex
	accepts  string // value of Authorization
	requests []*http.Request
	bodies   []string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.requests = append(a.requests, r)
	a.bodies = append(a.bodies, string(body))
	accepted := a.accepts == "" || r.Header.Get("Authorization") == a.accepts
	a.mu.Unlock()
	if !accepted {
		http.Error(w, "refused", http.StatusUnauthorized)
		return
	}
	if len(body) > 0 {
		_, _ = w.Write(body)
	}
}

// seen returns the header values of all requests so far.
func (a *api) seen(header string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var values []string
	for _, r := range a.requests {
		values = append(values, r.Header.Get(header))
	}
	return values
}

// serveHTTP runs a handler in memory and returns a transport whose every
// request goes there, whatever its host.
func serveHTTP(t testing.TB, handler http.Handler) *http.Transport {
	t.Helper()
	listener := newPipes()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	base := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return listener.dial(ctx)
	}}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		_ = server.Close()
		running.Wait()
	})
	return base
}

// bodyOf reads and closes a response's body.
func bodyOf(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(body)
}

// closing tells whether a body was closed; it cannot be replayed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestRoundTripperPutsEveryKindOfCredential(t *testing.T) {
	for name, test := range map[string]struct {
		token   func() *tokenv1.Token
		headers map[string]string
		query   string
	}{
		"OAuth": {
			token:   func() *tokenv1.Token { return bearer(1, "first", time.Hour) },
			headers: map[string]string{"Authorization": "Bearer first"},
			query:   "b=2&a=%20",
		},
		"OAuth without named fields": {
			token: func() *tokenv1.Token {
				token := bearer(1, "first", time.Hour)
				token.Credential = nil
				return token
			},
			headers: map[string]string{"Authorization": "Bearer first"},
			query:   "b=2&a=%20",
		},
		"Basic": {
			token: func() *tokenv1.Token {
				return static(1, &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{
					{Key: "authorization", Value: "Basic dTpw"},
				}})
			},
			headers: map[string]string{"Authorization": "Basic dTpw"},
			query:   "b=2&a=%20",
		},
		"API key in headers and query": {
			token: func() *tokenv1.Token {
				return static(1, &tokenv1.HttpCredential{
					Headers: []*tokenv1.HttpCredentialField{{Key: "x-api-key", Value: "k"}, {Key: "X-Tenant", Value: "7"}},
					Query:   []*tokenv1.HttpCredentialField{{Key: "key", Value: "k&="}},
				})
			},
			headers: map[string]string{"X-Api-Key": "k", "X-Tenant": "7", "Authorization": "the caller's"},
			query:   "b=2&a=%20&key=k%26%3D",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := newSource(t, newTokenServer(test.token()))
				handler := &api{}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/orders?b=2&a=%20", nil)
				require.NoError(t, err)
				request.Header.Set("Authorization", "the caller's")
				response, err := source.RoundTripper(serveHTTP(t, handler)).RoundTrip(request)
				require.NoError(t, err)
				bodyOf(t, response)

				got := handler.requests[0]
				for key, value := range test.headers {
					require.Equal(t, []string{value}, got.Header.Values(key))
				}
				require.Equal(t, test.query, got.URL.RawQuery)
				// The caller's request stays as it was, and the response shows no more than that.
				require.Equal(t, http.Header{"Authorization": {"the caller's"}}, request.Header)
				require.Equal(t, "b=2&a=%20", request.URL.RawQuery)
				require.Same(t, request, response.Request)
			})
		})
	}
}

func TestRoundTripperAddsBodyMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := bearer(1, "first", time.Hour)
		token.Credential.Body = []*tokenv1.HttpCredentialField{{Key: "tenant", Value: "<7>"}, {Key: "id", Value: "ours"}}
		source := newSource(t, newTokenServer(token))
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, &api{}))}

		response, err := client.Post("http://localhost/", "application/json; charset=utf-8",
			io.NopCloser(strings.NewReader(`{"n": 1.50, "big": 12345678901234567890, "id": "theirs", "h": "a&b"}`)))
		require.NoError(t, err)
		require.Equal(t, `{"big":12345678901234567890,"h":"a&b","id":"ours","n":1.50,"tenant":"<7>"}`, bodyOf(t, response))

		response, err = client.Get("http://localhost/")
		require.NoError(t, err)
		require.Empty(t, bodyOf(t, response))

		for _, body := range []string{`[1]`, `null`, `{`, ``} {
			_, err = client.Post("http://localhost/", "application/json", io.NopCloser(strings.NewReader(body)))
			require.ErrorContains(t, err, "body is no JSON object", body)
		}
		_, err = client.Post("http://localhost/", "text/plain", strings.NewReader(`{}`))
		require.ErrorContains(t, err, `content type "text/plain"`)
	})
}

func TestCredentialStaysOffUnprotectedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		handler := &api{}
		base := serveHTTP(t, handler)
		client := http.Client{Transport: newSource(t, server).RoundTripper(base)}
		for _, host := range []string{"api.example", "127.0.0.1.example", "localhost.example", "10.0.0.1", "[2001:db8::1]:80"} {
			body := &closing{Reader: strings.NewReader("hello")}
			_, err := client.Post("http://"+host+"/", "text/plain", body)
			require.ErrorIs(t, err, tokensource.ErrInsecure, host)
			require.True(t, body.closed)
		}
		require.Empty(t, handler.requests)

		open := http.Client{Transport: newSource(t, server, tokensource.WithInsecureHTTP()).RoundTripper(base)}
		for _, test := range []struct {
			client *http.Client
			host   string
		}{{&client, "localhost:8080"}, {&client, "127.0.0.2"}, {&client, "[::1]"}, {&open, "api.example"}} {
			response, err := test.client.Get("http://" + test.host + "/")
			require.NoError(t, err)
			bodyOf(t, response)
			sent := handler.seen("Authorization")
			require.Equal(t, "Bearer first", sent[len(sent)-1])
		}
	})
}

func TestRedirectTakesTheCredentialToTheSameOriginOnly(t *testing.T) {
	for location, want := range map[string][]string{
		"http://localhost/elsewhere":                          {"Bearer first", "Bearer first"},
		"http://localhost:80/elsewhere":                       {"Bearer first", "Bearer first"},
		"http://localhost:8081/elsewhere":                     {"Bearer first", ""},
		"http://127.0.0.1/elsewhere":                          {"Bearer first", ""},
		"http://api.example/elsewhere":                        {"Bearer first", ""},
		"http://127.0.0.1/back?to=http://localhost/elsewhere": {"Bearer first", "", ""},
	} {
		t.Run(location, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := &api{}
				base := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					handler.ServeHTTP(w, r)
					switch r.URL.Path {
					case "/":
						http.Redirect(w, r, location, http.StatusFound)
					case "/back":
						http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
					}
				}))
				source := newSource(t, newTokenServer(bearer(1, "first", time.Hour)))
				response, err := (&http.Client{Transport: source.RoundTripper(base)}).Get("http://localhost/")
				require.NoError(t, err)
				bodyOf(t, response)
				require.Equal(t, want, handler.seen("Authorization"))
			})
		})
	}
}

func TestRequestWithoutACredentialIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Minute)))
		handler := &api{}
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}
		time.Sleep(time.Minute)
		body := &closing{Reader: bytes.NewReader(nil)}
		_, err := client.Post("http://localhost/", "text/plain", body)
		require.ErrorIs(t, err, tokensource.ErrExpired)
		require.True(t, body.closed)
		require.Empty(t, handler.requests)
	})
}

// failing is a transport that cannot connect.
type failing struct{ err error }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, f.err
}

func TestTransportErrorsPassThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Hour)))
		broken := errors.New("no route")
		_, err := (&http.Client{Transport: source.RoundTripper(failing{broken})}).Get("http://localhost/")
		require.ErrorIs(t, err, broken)
	})
}

// closingIdle is a transport that tells whether its idle connections were closed.
type closingIdle struct {
	failing
	closed bool
}

func (c *closingIdle) CloseIdleConnections() { c.closed = true }

func TestCloseIdleConnectionsReachesTheBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Hour)))
		base := &closingIdle{}
		(&http.Client{Transport: source.RoundTripper(base)}).CloseIdleConnections()
		require.True(t, base.closed)
		(&http.Client{Transport: source.RoundTripper(failing{})}).CloseIdleConnections()
	})
}

func TestHTTPClientUsesTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Hour)))
		_, err := source.HTTPClient().Get("http://api.example/")
		require.ErrorIs(t, err, tokensource.ErrInsecure)
	})
}
