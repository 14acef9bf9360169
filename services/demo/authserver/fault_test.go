package authserver_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

// send asks over a real connection.
func send(t *testing.T, srv *httptest.Server, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+authserver.PathToken, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	basic(clientID, secret)(req)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(res.Body)
	require.NoError(t, res.Body.Close())
	return res, string(text), err
}

func serve(t *testing.T, tls bool) (*authserver.Server, *httptest.Server) {
	t.Helper()
	s := newServer(t, config())
	srv := httptest.NewUnstartedServer(s.Handler())
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return s, srv
}

const clientCredentials = "grant_type=client_credentials"

func TestFaultsBeforeProcessingIssueNothing(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 500_000_000, time.UTC)
	for name, tc := range map[string]struct {
		fault  authserver.Fault
		status int
		check  func(t *testing.T, res *http.Response, body string)
	}{
		"429, seconds": {
			authserver.Fault{Kind: authserver.FaultStatus, Status: 429, RetryAfter: 1500 * time.Millisecond},
			429,
			func(t *testing.T, res *http.Response, _ string) { require.Equal(t, "2", res.Header.Get("Retry-After")) },
		},
		"503, date": {
			authserver.Fault{Kind: authserver.FaultStatus, Status: 503, RetryAfter: 2 * time.Second, RetryAfterDate: true},
			503,
			func(t *testing.T, res *http.Response, _ string) {
				require.Equal(t, "Mon, 04 May 2026 03:02:04 GMT", res.Header.Get("Retry-After"))
			},
		},
		"500": {
			authserver.Fault{Kind: authserver.FaultStatus},
			500,
			func(t *testing.T, res *http.Response, _ string) { require.Empty(t, res.Header.Get("Retry-After")) },
		},
		"OAuth error": {
			authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant", Description: "gone"},
			400,
			func(t *testing.T, _ *http.Response, body string) {
				require.JSONEq(t, `{"error":"invalid_grant","error_description":"gone"}`, body)
			},
		},
		"OAuth error, 401": {
			authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"},
			401,
			func(t *testing.T, res *http.Response, _ string) {
				require.NotEmpty(t, res.Header.Get("WWW-Authenticate"))
			},
		},
		"OAuth error, 403": {authserver.Fault{Kind: authserver.FaultOAuthError, Code: "unauthorized_client", Status: 403}, 403, nil},
		"redirect": {
			authserver.Fault{Kind: authserver.FaultRedirect, Location: "https://elsewhere.example/token"},
			307,
			func(t *testing.T, res *http.Response, _ string) {
				require.Equal(t, "https://elsewhere.example/token", res.Header.Get("Location"))
			},
		},
		"HTML": {
			authserver.Fault{Kind: authserver.FaultHTML},
			200,
			func(t *testing.T, res *http.Response, body string) {
				require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
				require.Contains(t, body, "<!doctype html>")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.Now = func() time.Time { return now }
			s := newServer(t, cfg)
			srv := httptest.NewServer(s.Handler())
			defer srv.Close()
			tc.fault.Count = 1
			s.Inject(tc.fault)
			res, body, err := send(t, srv, clientCredentials)
			require.NoError(t, err)
			require.Equal(t, tc.status, res.StatusCode, body)
			if tc.check != nil {
				tc.check(t, res, body)
			}
			require.Zero(t, s.Stats().Total())
			require.Empty(t, s.Stats().Refused)
			require.Equal(t, map[authserver.FaultKind]int{tc.fault.Kind: 1}, s.Stats().Faults)

			res, _, err = send(t, srv, clientCredentials)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, res.StatusCode, "the fault must be used up")
		})
	}
}

func TestFaultsThatDropTheConnection(t *testing.T) {
	for _, tc := range []struct {
		kind   authserver.FaultKind
		issued int
	}{
		{authserver.FaultResetBeforeProcessing, 0},
		{authserver.FaultResetAfterCommit, 1},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			s, srv := serve(t, false)
			s.Inject(authserver.Fault{Kind: tc.kind, Count: 1})
			_, _, err := send(t, srv, clientCredentials)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, 1, s.Stats().Requests)
			require.Equal(t, tc.issued, s.Stats().Total())
			_, _, err = send(t, srv, clientCredentials)
			require.NoError(t, err)
			require.Equal(t, tc.issued+1, s.Stats().Total())
		})
		t.Run(string(tc.kind)+" over TLS", func(t *testing.T) {
			s, srv := serve(t, true)
			s.Inject(authserver.Fault{Kind: tc.kind, Count: 1})
			_, _, err := send(t, srv, clientCredentials)
			require.Error(t, err)
			require.Equal(t, tc.issued, s.Stats().Total())
		})
	}
}

func TestResetNeedsHTTP1(t *testing.T) {
	s := newServer(t, config())
	s.Inject(authserver.Fault{Kind: authserver.FaultResetAfterCommit, Count: 1})
	require.Equal(t, http.StatusNotImplemented, token(s, clientCredentials).status)
}

func TestFaultsAfterTheCommit(t *testing.T) {
	for _, tc := range []struct {
		kind  authserver.FaultKind
		check func(t *testing.T, res *http.Response, body string, err error)
	}{
		{authserver.FaultTruncatedBody, func(t *testing.T, _ *http.Response, body string, err error) {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Contains(t, body, "access_token")
		}},
		{authserver.FaultMalformedJSON, func(t *testing.T, res *http.Response, body string, err error) {
			require.NoError(t, err)
			require.False(t, json.Valid([]byte(body)))
			require.Equal(t, "application/json", res.Header.Get("Content-Type"))
		}},
		{authserver.FaultWrongContentType, func(t *testing.T, res *http.Response, body string, err error) {
			require.NoError(t, err)
			require.True(t, json.Valid([]byte(body)))
			require.Equal(t, "text/plain; charset=utf-8", res.Header.Get("Content-Type"))
		}},
		{authserver.FaultHugeBody, func(t *testing.T, _ *http.Response, body string, err error) {
			require.NoError(t, err)
			require.Greater(t, len(body), 4<<20)
			require.True(t, json.Valid([]byte(body)))
		}},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			s, srv := serve(t, false)
			s.Inject(authserver.Fault{Kind: tc.kind, Count: 1})
			res, body, err := send(t, srv, clientCredentials)
			require.Equal(t, http.StatusOK, res.StatusCode)
			tc.check(t, res, body, err)
			require.Equal(t, 1, s.Stats().Total())
		})
	}
}

func TestFaultsFollowTheirScript(t *testing.T) {
	s := newServer(t, config())
	s.Inject(authserver.Fault{Kind: authserver.FaultStatus, Status: 503, Count: 2})
	s.Inject(authserver.Fault{Kind: authserver.FaultStatus, Status: 429, Client: "second"})
	s.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Count: 1})
	statuses := func(n int) (all []int) {
		for range n {
			all = append(all, token(s, clientCredentials).status)
		}
		return all
	}
	require.Equal(t, []int{503, 503, 400, 200, 200}, statuses(5))
	second := func() int {
		return post(s, authserver.PathToken, clientCredentials+"&client_id=second&client_secret=second-secret").status
	}
	require.Equal(t, []int{429, 429}, []int{second(), second()}, "without Count a fault stays")
	s.ClearFaults()
	require.Equal(t, http.StatusOK, second())
}

func TestDelays(t *testing.T) {
	for _, tc := range []struct {
		kind      authserver.FaultKind
		abandoned int // tokens issued although the client left during the delay
	}{
		{authserver.FaultDelay, 0},
		{authserver.FaultDelayAfterCommit, 1},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, config())
				s.Inject(authserver.Fault{Kind: tc.kind, Delay: 30 * time.Second, Count: 2})
				start := time.Now()
				require.Equal(t, http.StatusOK, token(s, clientCredentials).status)
				require.Equal(t, 30*time.Second, time.Since(start))
				require.Equal(t, 1, s.Stats().Total())

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				post(s, authserver.PathToken, clientCredentials, basic(clientID, secret), func(r *http.Request) { *r = *r.WithContext(ctx) })
				require.Equal(t, 31*time.Second, time.Since(start))
				require.Equal(t, 1+tc.abandoned, s.Stats().Total())
			})
		})
	}
}

func TestQuirksOfExpiresIn(t *testing.T) {
	for quirk, want := range map[authserver.ExpiresIn]string{
		authserver.ExpiresInNumber:       `5`,
		authserver.ExpiresInString:       `"5"`,
		authserver.ExpiresInFloat:        `5.0`,
		authserver.ExpiresInMissing:      ``,
		authserver.ExpiresInNull:         `null`,
		authserver.ExpiresInZero:         `0`,
		authserver.ExpiresInNegative:     `-1`,
		authserver.ExpiresInMilliseconds: `5000`,
		authserver.ExpiresInText:         `"never"`,
	} {
		t.Run("quirk "+string(quirk), func(t *testing.T) {
			s := newServer(t, config())
			s.SetQuirks(authserver.Quirks{ExpiresIn: quirk})
			require.Equal(t, want, expiresIn(t, token(s, clientCredentials)))
			require.Equal(t, 5*time.Second, s.Issued()[0].ExpireTime.Sub(s.Issued()[0].IssueTime))
		})
	}
	s := newServer(t, config())
	s.SetTokenLifetime(1500 * time.Millisecond)
	require.Equal(t, `1.5`, expiresIn(t, token(s, clientCredentials)))
	s.SetQuirks(authserver.Quirks{ExpiresIn: authserver.ExpiresInFloat})
	require.Equal(t, `1.5`, expiresIn(t, token(s, clientCredentials)))
	s.SetTokenLifetime(-1)
	require.Equal(t, `0.001`, expiresIn(t, token(s, clientCredentials)))
}

// expiresIn returns the JSON text of the member; empty if there is none.
func expiresIn(t *testing.T, res answer) string {
	t.Helper()
	require.Equal(t, http.StatusOK, res.status, res.body)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(res.body), &members))
	return string(members["expires_in"])
}

func TestQuirksOfTheBody(t *testing.T) {
	ask := func(q authserver.Quirks, body string) (*authserver.Server, answer) {
		s := newServer(t, config())
		s.SetQuirks(q)
		return s, token(s, body)
	}
	s, res := ask(authserver.Quirks{Body: authserver.BodyForm, TokenType: "bearer"}, clientCredentials)
	require.Equal(t, "application/x-www-form-urlencoded", res.header.Get("Content-Type"))
	form, err := url.ParseQuery(res.body)
	require.NoError(t, err)
	require.Equal(t, s.Issued()[0].Fingerprint, authserver.Fingerprint(form.Get("access_token")))
	require.Equal(t, "bearer", form.Get("token_type"))
	require.Equal(t, "5", form.Get("expires_in"))
	require.Equal(t, "orders.read orders.write", form.Get("scope"))

	_, res = ask(authserver.Quirks{Body: authserver.BodyForm}, "grant_type=x")
	require.Equal(t, http.StatusBadRequest, res.status)
	require.Contains(t, res.body, "error=unsupported_grant_type")

	_, res = ask(authserver.Quirks{Body: authserver.BodyNested, Status: http.StatusCreated}, clientCredentials)
	require.Equal(t, http.StatusCreated, res.status)
	require.Contains(t, res.members(t)["data"], "access_token")

	for body, contentType := range map[authserver.Body]string{authserver.BodyEmpty: "application/json", authserver.BodyHTML: "text/html; charset=utf-8"} {
		s, res = ask(authserver.Quirks{Body: body}, clientCredentials)
		require.Equal(t, http.StatusOK, res.status)
		require.Equal(t, contentType, res.header.Get("Content-Type"))
		require.NotContains(t, res.body, "access_token")
		require.Equal(t, 1, s.Stats().Total())
	}

	_, res = ask(authserver.Quirks{ErrorsAs200: true}, "grant_type=x")
	require.Equal(t, http.StatusOK, res.status)
	require.Equal(t, "unsupported_grant_type", res.members(t)["error"])
	require.Equal(t, false, res.members(t)["ok"])
}
