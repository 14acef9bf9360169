package tokensource_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

func TestRefusedCredentialIsReportedOnceAndRetriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		server.onReject = func(string) {
			time.AfterFunc(time.Second, func() { server.push(bearer(2, "second", time.Hour)) })
		}
		source := newSource(t, server)
		handler := &api{accepts: "Bearer second"}
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}

		var requests sync.WaitGroup
		for range 20 {
			requests.Go(func() {
				response, err := client.Post("http://localhost/", "text/plain", strings.NewReader("hello"))
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, response.StatusCode)
				require.Equal(t, "hello", bodyOf(t, response))
			})
		}
		requests.Wait()
		require.Equal(t, []string{fingerprint("first")}, server.reported())
		require.Len(t, handler.requests, 40)
	})
}

func TestStaleCredentialIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		base := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer first" { // rotated while the request was on its way
				server.push(bearer(2, "second", time.Hour))
				time.Sleep(time.Second)
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		response, err := (&http.Client{Transport: source.RoundTripper(base)}).Get("http://localhost/")
		require.NoError(t, err)
		bodyOf(t, response)
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Empty(t, server.reported())
	})
}

func TestBodyThatCannotBeReplayedIsReportedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		handler := &api{accepts: "Bearer second"}
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}
		start := time.Now()
		body := &closing{Reader: strings.NewReader("hello")}
		response, err := client.Post("http://localhost/", "text/plain", body)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		require.Equal(t, "refused\n", bodyOf(t, response))
		require.True(t, body.closed)
		require.Zero(t, time.Since(start), "nothing is waited for")
		synctest.Wait()
		require.Equal(t, []string{fingerprint("first")}, server.reported())
		require.Equal(t, []string{"hello"}, handler.bodies)
	})
}

func TestBodyWithMembersIsReplayedFromMemory(t *testing.T) {
	withBody := func(generation int64, secret string) *tokenv1.Token {
		token := bearer(generation, secret, time.Hour)
		token.Credential.Body = []*tokenv1.HttpCredentialField{{Key: "key", Value: secret}}
		return token
	}
	for want, next := range map[string]func() *tokenv1.Token{
		`{"a":1,"key":"second"}`: func() *tokenv1.Token { return withBody(2, "second") },
		`{"a":1}`:                func() *tokenv1.Token { return bearer(2, "second", time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newTokenServer(withBody(1, "first"))
			server.onReject = func(string) { server.push(next()) }
			source := newSource(t, server)
			handler := &api{accepts: "Bearer second"}
			client := http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}
			response, err := client.Post("http://localhost/", "application/json", io.NopCloser(strings.NewReader(`{"a":1}`)))
			require.NoError(t, err)
			bodyOf(t, response)
			require.Equal(t, []string{`{"a":1,"key":"first"}`, want}, handler.bodies)
		})
	}
}

func TestWaitForTheNextGenerationIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server, tokensource.WithRejectionWait(7*time.Second))
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, &api{accepts: "Bearer second"}))}
		start := time.Now()
		response, err := client.Get("http://localhost/")
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		require.Equal(t, "refused\n", bodyOf(t, response), "the refusal is still readable")
		require.Equal(t, 7*time.Second, time.Since(start))
		require.Len(t, server.reported(), 1)
	})
}

func TestNoWaitWhereNothingWillCome(t *testing.T) {
	for name, test := range map[string]struct {
		token    func() *tokenv1.Token
		onReject func(*tokenServer)
		options  []tokensource.Option
	}{
		"static credential": {
			token: func() *tokenv1.Token {
				return static(1, &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{
					{Key: "Authorization", Value: "Basic dTpw"},
				}})
			},
		},
		"deauthorized meanwhile": {
			token: func() *tokenv1.Token { return bearer(1, "first", time.Hour) },
			onReject: func(s *tokenServer) {
				s.push(in(bearer(1, "first", time.Hour), tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD))
			},
		},
		"deleted meanwhile": {
			token:    func() *tokenv1.Token { return bearer(1, "first", time.Hour) },
			onReject: func(s *tokenServer) { s.down(status.Error(codes.NotFound, "deleted")) },
		},
		"no wait wanted": {
			token:   func() *tokenv1.Token { return bearer(1, "first", time.Hour) },
			options: []tokensource.Option{tokensource.WithRejectionWait(0)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newTokenServer(test.token())
				if test.onReject != nil {
					server.onReject = func(string) { test.onReject(server) }
				}
				source := newSource(t, server, test.options...)
				client := http.Client{Transport: source.RoundTripper(serveHTTP(t, &api{accepts: "another"}))}
				start := time.Now()
				response, err := client.Get("http://localhost/")
				require.NoError(t, err)
				bodyOf(t, response)
				require.Equal(t, http.StatusUnauthorized, response.StatusCode)
				require.Zero(t, time.Since(start))
				synctest.Wait()
				require.Len(t, server.reported(), 1)
			})
		})
	}
}

func TestAnAPIThatRefusesEveryTokenCausesNoRefreshPerRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		server.onReject = func(string) { server.push(bearer(2, "second", time.Hour)) }
		source := newSource(t, server)
		handler := &api{accepts: "never"}
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}
		get := func() {
			response, err := client.Get("http://localhost/")
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, response.StatusCode)
			bodyOf(t, response)
		}
		for range 10 {
			get()
		}
		require.Len(t, server.reported(), 1)
		require.Len(t, handler.requests, 11)

		server.onReject = func(string) { server.push(bearer(3, "third", time.Hour)) }
		time.Sleep(time.Minute)
		get()
		require.Len(t, server.reported(), 2)
	})
}

func TestFailedReportIsMadeAgainByTheNextRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		server.rejectErr = status.Error(codes.Unavailable, "leaving")
		source := newSource(t, server)
		client := http.Client{Transport: source.RoundTripper(serveHTTP(t, &api{accepts: "another"}))}
		for range 2 {
			start := time.Now()
			response, err := client.Get("http://localhost/")
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, response.StatusCode)
			bodyOf(t, response)
			require.Zero(t, time.Since(start), "nothing is waited for")
		}
		require.Len(t, server.reported(), 2)
	})
}

func TestReportRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		require.NoError(t, source.ReportRejected(t.Context(), fingerprint("first")))
		require.Equal(t, []string{fingerprint("first")}, server.reported())
		server.rejectErr = status.Error(codes.Unavailable, "leaving")
		require.Equal(t, codes.Unavailable, status.Code(source.ReportRejected(t.Context(), fingerprint("first"))))
	})
}
