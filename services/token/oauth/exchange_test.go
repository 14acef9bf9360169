package oauth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestNewNeedsAClient(t *testing.T) {
	_, err := oauth.New(oauth.Config{})
	require.Error(t, err)
}

func TestRequest(t *testing.T) {
	w := newWorld(t)
	w.settings.Audience = "https://api.example"
	w.settings.Parameters = token.Fields{
		Headers: []token.Field{field("X-Partner", "p-1"), field("Content-Type", "text/plain"), field("Authorization", "nonsense")},
		Query:   []token.Field{field("tenant", "a b"), field("tenant", "c")},
		Body:    []token.Field{field("resource", "r-1"), field("resource", "r-2")},
	}
	w.settings.TokenEndpoint += "?version=2"
	got, err := w.obtain(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Bearer", got.TokenType)
	require.Equal(t, []string{"read", "write"}, got.Scopes)
	require.Contains(t, w.auth.Secrets(), got.AccessToken.Reveal())

	sent := w.auth.Requests()[0]
	require.Equal(t, http.MethodPost, sent.Method)
	require.Equal(t, clientID, sent.Client)
	require.Equal(t, authserver.AuthBasic, sent.AuthMethod)
	require.Equal(t, "p-1", sent.Header.Get("X-Partner"))
	require.Equal(t, "application/x-www-form-urlencoded", sent.Header.Get("Content-Type"))
	require.Equal(t, "application/json", sent.Header.Get("Accept"))
	require.Equal(t, url.Values{"version": {"2"}, "tenant": {"a b", "c"}}, sent.Query)
	require.Equal(t, url.Values{
		"grant_type": {"client_credentials"}, "scope": {"read write"}, "audience": {"https://api.example"}, "resource": {"r-1", "r-2"},
	}, sent.Body)

	w.settings.ClientAuthentication = token.ClientSecretPost
	w.settings.Scopes = nil
	w.settings.Parameters = token.Fields{}
	_, err = w.obtain(t.Context())
	require.NoError(t, err)
	sent = w.auth.Requests()[1]
	require.Equal(t, authserver.AuthPost, sent.AuthMethod)
	require.Empty(t, sent.Header.Get("Authorization"))
	require.Equal(t, []string{clientID}, sent.Body["client_id"])
	require.NotContains(t, sent.Body, "scope")
}

func TestSettingsThatCannotWork(t *testing.T) {
	w := newWorld(t)
	for _, change := range []func(*token.OAuth2){
		func(s *token.OAuth2) { s.TokenEndpoint = "https://as.example:" + clientSecret },
		func(s *token.OAuth2) { s.TokenEndpoint = "/token" },
		func(s *token.OAuth2) { s.ClientAuthentication = "PRIVATE_KEY_JWT" },
	} {
		settings := w.settings
		change(&settings)
		_, err := w.client.Exchange(t.Context(), settings)
		failure := failureOf(t, err)
		require.Equal(t, token.ClassConfiguration, failure.Class)
		require.False(t, failure.Sent)
	}
	require.Zero(t, w.auth.Stats().Requests)
}

// TestFaults makes every fault of the authorization server happen on a real connection.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		fault   authserver.Fault
		class   token.Class
		status  int
		message string
	}{
		{"500", authserver.Fault{Kind: authserver.FaultStatus}, token.ClassAmbiguous, 500, "500 Internal Server Error"},
		{"429", authserver.Fault{Kind: authserver.FaultStatus, Status: 429}, token.ClassThrottled, 429, "429 Too Many Requests"},
		{"503", authserver.Fault{Kind: authserver.FaultStatus, Status: 503}, token.ClassAmbiguous, 503, "503"},
		{"503 with Retry-After", authserver.Fault{Kind: authserver.FaultStatus, Status: 503, RetryAfter: time.Second}, token.ClassThrottled, 503, "503"},
		{"404", authserver.Fault{Kind: authserver.FaultStatus, Status: 404}, token.ClassConfiguration, 404, "404"},
		{"405", authserver.Fault{Kind: authserver.FaultStatus, Status: 405}, token.ClassConfiguration, 405, "405"},
		{"401", authserver.Fault{Kind: authserver.FaultStatus, Status: 401}, token.ClassClientBroken, 401, "401"},
		{"403", authserver.Fault{Kind: authserver.FaultStatus, Status: 403}, token.ClassConfiguration, 403, "403"},
		{"408", authserver.Fault{Kind: authserver.FaultStatus, Status: 408}, token.ClassAmbiguous, 408, "408"},
		{"invalid_grant", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant", Description: "it is\nover"}, token.ClassGrantDead, 400, "invalid_grant (it is over)"},
		{"invalid_client", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"}, token.ClassClientBroken, 401, "invalid_client"},
		{"invalid_scope", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_scope"}, token.ClassConfiguration, 400, "invalid_scope"},
		{"invalid_request", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_request"}, token.ClassConfiguration, 400, "invalid_request"},
		{"unknown code", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "moon_phase"}, token.ClassConfiguration, 400, "moon_phase"},
		{"slow_down", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "slow_down"}, token.ClassThrottled, 400, "slow_down"},
		{"code with 500", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant", Status: 500}, token.ClassAmbiguous, 500, "invalid_grant"},
		{
			"echoed secret",
			authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client", Description: "wrong: " + clientSecret},
			token.ClassClientBroken, 401, "wrong: [redacted]",
		},
		{"redirect", authserver.Fault{Kind: authserver.FaultRedirect, Location: "https://elsewhere.example/"}, token.ClassConfiguration, 307, "not redirected"},
		{"page", authserver.Fault{Kind: authserver.FaultHTML}, token.ClassConfiguration, 200, "is this the token endpoint?"},
		{"page with 502", authserver.Fault{Kind: authserver.FaultHTML, Status: 502}, token.ClassAmbiguous, 502, "502"},
		{"reset", authserver.Fault{Kind: authserver.FaultResetBeforeProcessing}, token.ClassAmbiguous, 0, "outcome is not known"},
		{"reset after commit", authserver.Fault{Kind: authserver.FaultResetAfterCommit}, token.ClassAmbiguous, 0, "outcome is not known"},
		{"truncated", authserver.Fault{Kind: authserver.FaultTruncatedBody}, token.ClassAmbiguous, 200, "connection was closed"},
		{"malformed", authserver.Fault{Kind: authserver.FaultMalformedJSON}, token.ClassAmbiguous, 200, "neither JSON nor a form"},
		{"huge", authserver.Fault{Kind: authserver.FaultHugeBody}, token.ClassAmbiguous, 200, "larger than 1 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.auth.Inject(test.fault)
			_, err := w.obtain(t.Context())
			failure := failureOf(t, err)
			require.Equal(t, test.class, failure.Class, failure.Message)
			require.Contains(t, failure.Message, test.message)
			require.Equal(t, test.status, failure.HTTPStatus)
			require.True(t, failure.Sent)
			require.Equal(t, test.fault.RetryAfter, failure.RetryAfter)
			require.Equal(t, 1, w.auth.Stats().Requests, "no request is made twice")
		})
	}
}

// TestNoHarm: oddities of answers that have a token.
func TestNoHarm(t *testing.T) {
	w := newWorld(t)
	w.auth.Inject(authserver.Fault{Kind: authserver.FaultWrongContentType, Count: 1})
	_, err := w.obtain(t.Context())
	require.NoError(t, err)
	for _, quirks := range []authserver.Quirks{
		{Status: 201},
		{Body: authserver.BodyForm},
		{TokenType: "bearer"},
		{TokenType: "BEARER"},
		{ExpiresIn: authserver.ExpiresInText},
		{ExpiresIn: authserver.ExpiresInString},
		{ExpiresIn: authserver.ExpiresInFloat},
		{ExpiresIn: authserver.ExpiresInMissing},
		{ExpiresIn: authserver.ExpiresInNull},
		{ExpiresIn: authserver.ExpiresInZero},
		{ExpiresIn: authserver.ExpiresInNegative},
		{ExpiresIn: authserver.ExpiresInMilliseconds},
	} {
		w.auth.SetQuirks(quirks)
		got, err := w.obtain(t.Context())
		require.NoError(t, err, "%+v", quirks)
		require.Equal(t, "Bearer", got.TokenType)
		require.Equal(t, []string{"read", "write"}, got.Scopes)
		require.WithinDuration(t, time.Now().Add(time.Hour), got.ExpireTime, 10*time.Second, "the token itself says so: %+v", quirks)
	}
	w.auth.SetQuirks(authserver.Quirks{ErrorsAs200: true})
	w.settings.Scopes = []string{"admin"}
	_, err = w.obtain(t.Context())
	failure := failureOf(t, err)
	require.Equal(t, token.ClassConfiguration, failure.Class)
	require.Equal(t, 200, failure.HTTPStatus)
}

// TestNotSent is what happens before any byte of the request leaves.
func TestNotSent(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })

	dial := func(err error) *http.Transport {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	for _, test := range []struct {
		name      string
		transport *http.Transport
		endpoint  string
		class     token.Class
		reason    token.Reason
		message   string
	}{
		{"refused", &http.Transport{}, "http://" + closed.Addr().String(), token.ClassNotSent, token.ReasonNotSent, "connection refused"},
		{"not TLS", &http.Transport{}, "https://" + plain.Listener.Addr().String(), token.ClassNotSent, token.ReasonNotSent, "did not leave"},
		{"untrusted", &http.Transport{TLSClientConfig: &tls.Config{ServerName: "x"}}, untrusted.URL, token.ClassNotSent, token.ReasonNotSent, "certificate was not accepted"},
		{"TLS handshake", &http.Transport{TLSHandshakeTimeout: 50 * time.Millisecond}, "https://" + silent.Addr().String(), token.ClassNotSent, token.ReasonNotSent, "TLS handshake"},
		{
			"no such host", dial(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "as.example", Err: "no such host", IsNotFound: true}}),
			"https://as.example", token.ClassNotSent, token.ReasonNotSent, "as.example was not resolved: no such host",
		},
		{"denied", dial(fmt.Errorf("%w: 10.0.0.1", errDenied)), "https://as.example", token.ClassConfiguration, token.ReasonEgressDenied, "may not be reached"},
		{"other", dial(errors.New("odd\x00error")), "https://as.example", token.ClassNotSent, token.ReasonNotSent, "odderror"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(test.transport.CloseIdleConnections)
			settings := token.OAuth2{
				TokenEndpoint: test.endpoint + "/token", ClientID: clientID, ClientSecret: seal.NewSecret(clientSecret),
				ClientAuthentication: token.ClientSecretBasic,
				Parameters:           token.Fields{Query: []token.Field{field("key", clientSecret)}},
			}
			_, err := newClient(t, test.transport).Exchange(t.Context(), settings)
			failure := failureOf(t, err)
			require.Equal(t, test.class, failure.Class, failure.Message)
			require.Equal(t, test.reason, failure.Reason)
			require.Contains(t, failure.Message, test.message)
			require.False(t, failure.Sent)
			require.NotContains(t, failure.Message, url.QueryEscape(clientSecret), "the URL is not repeated")
		})
	}
}

func TestTimeout(t *testing.T) {
	w := newWorld(t)
	w.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := w.obtain(ctx)
	failure := failureOf(t, err)
	require.Equal(t, token.ClassAmbiguous, failure.Class)
	require.Contains(t, failure.Message, "no answer in time")
	require.True(t, failure.Sent)
}

// TestEgressGuard uses the guard that the suite uses.
func TestEgressGuard(t *testing.T) {
	guard := egress.NewGuard(egress.Policy{}, egress.Options{})
	client, err := oauth.New(oauth.Config{HTTP: guard.Client(), Denied: egress.IsDenied})
	require.NoError(t, err)
	for _, endpoint := range []string{"https://127.0.0.1:1/token", "http://as.example/token", "https://[::1]/token"} {
		_, err := client.Exchange(t.Context(), token.OAuth2{
			TokenEndpoint: endpoint, ClientID: clientID, ClientSecret: seal.NewSecret(clientSecret), ClientAuthentication: token.ClientSecretBasic,
		})
		failure := failureOf(t, err)
		require.Equal(t, token.ClassConfiguration, failure.Class, failure.Message)
		require.Equal(t, token.ReasonEgressDenied, failure.Reason)
		require.False(t, failure.Sent)
	}
}
