package authserver_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

func TestRequestsRecordsWhatArrivedWithoutSecrets(t *testing.T) {
	s := newServer(t, config())
	res := post(s, authserver.PathToken+"?tenant=t1", "grant_type=client_credentials&audience=https%3A%2F%2Fapi.example&resource=https%3A%2F%2Fother.example&x=1",
		basic(clientID, secret), func(r *http.Request) { r.Header.Set("X-Extra", "yes") })
	require.Equal(t, http.StatusOK, res.status, res.body)
	post(s, authserver.PathToken, "grant_type=client_credentials&client_id=second&client_secret=second-secret")

	requests := s.Requests()
	require.Len(t, requests, 2)
	require.Equal(t, clientID, requests[0].Client)
	require.Equal(t, authserver.AuthBasic, requests[0].AuthMethod)
	require.Equal(t, "Basic", requests[0].Header.Get("Authorization"))
	require.Equal(t, "yes", requests[0].Header.Get("X-Extra"))
	require.Equal(t, url.Values{"tenant": {"t1"}}, requests[0].Query)
	require.Equal(t, url.Values{
		"grant_type": {"client_credentials"}, "audience": {"https://api.example"},
		"resource": {"https://other.example"}, "x": {"1"},
	}, requests[0].Body)
	require.Equal(t, authserver.AuthPost, requests[1].AuthMethod)
	require.Equal(t, authserver.Fingerprint("second-secret"), requests[1].Body.Get("client_secret"))
}

func TestNoSecretIsLogged(t *testing.T) {
	var logged bytes.Buffer
	cfg := config()
	cfg.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Refresh.Rotation = authserver.SingleUse
	s := newServer(t, cfg)
	first, err := s.IssueRefreshToken(clientID, "alice")
	require.NoError(t, err)
	token(s, "grant_type=client_credentials")
	token(s, "grant_type=refresh_token&refresh_token="+first)
	token(s, "grant_type=refresh_token&refresh_token="+first)
	token(s, "grant_type="+url.QueryEscape(secret))
	post(s, authserver.PathToken, "grant_type=client_credentials&scope=next-secret&client_id=next-secret")
	s.Inject(authserver.Fault{Kind: authserver.FaultStatus})
	post(s, authserver.PathToken, "grant_type=client_credentials&client_id=next-secret&client_secret=next-secret")

	require.Contains(t, logged.String(), "token issued")
	require.Contains(t, logged.String(), "token request refused")
	require.Contains(t, logged.String(), "fault injected")
	require.GreaterOrEqual(t, len(s.Secrets()), 6)
	for _, value := range s.Secrets() {
		require.NotContains(t, logged.String(), value)
	}
}

func TestConcurrentRequests(t *testing.T) {
	s := newServer(t, config())
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				post(s, authserver.PathToken, "grant_type=client_credentials", basic(clientID, secret))
				s.Inject(authserver.Fault{Kind: authserver.FaultStatus, Count: 1, Client: "second"})
				post(s, authserver.PathToken, "grant_type=client_credentials", basic("second", "second-secret"))
				s.SetQuirks(authserver.Quirks{ExpiresIn: authserver.ExpiresInString})
				s.Stats()
				s.Issued()
				s.Requests()
				s.Secrets()
			}
		})
	}
	wg.Wait()
	stats := s.Stats()
	require.Equal(t, 2*workers*each, stats.Requests)
	require.Equal(t, workers*each, stats.Issued[clientID])
	require.Equal(t, workers*each, stats.Faults[authserver.FaultStatus])
	require.LessOrEqual(t, stats.MaxInFlight, workers)
	ids := map[string]bool{}
	for _, issued := range s.Issued() {
		ids[issued.JTI] = true
	}
	require.Len(t, ids, stats.Total())
}

func TestChangedIsClosedByAnAnswer(t *testing.T) {
	s := newServer(t, config())
	changed := s.Changed()
	select {
	case <-changed:
		require.Fail(t, "closed without a change")
	default:
	}
	token(s, "grant_type=client_credentials")
	<-changed
}
