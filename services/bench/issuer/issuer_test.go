package issuer_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/bench/issuer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const grants = 10

func serve(t *testing.T) *issuer.Client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan map[string]string, 1), make(chan error, 1)
	go func() {
		ended <- issuer.Serve(ctx, issuer.Config{Grants: grants, ClientID: "c", ClientSecret: "s"}, func(addrs map[string]string) error {
			ready <- addrs
			return nil
		})
	}()
	client := issuer.NewClient(<-ready)
	t.Cleanup(func() {
		client.Close()
		cancel()
		require.NoError(t, <-ended)
	})
	return client
}

func redeem(t *testing.T, client *issuer.Client, secret, grantType, refreshToken string) int {
	t.Helper()
	form := url.Values{"grant_type": {grantType}, "refresh_token": {refreshToken}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.TokenEndpoint, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("c", secret)
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: client.Roots(), MinVersion: tls.VersionTLS12}}
	answer, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

func TestEveryRefreshTokenIsRedeemedOnce(t *testing.T) {
	client := serve(t)
	begin := time.Now()
	for _, number := range []int{0, 2, 4} {
		require.Equal(t, http.StatusOK, redeem(t, client, "s", "refresh_token", issuer.Grant(number, 0)))
	}
	require.Equal(t, http.StatusOK, redeem(t, client, "s", "refresh_token", issuer.Grant(2, 1)))

	report, err := client.Await(t.Context(), issuer.Range{From: 0, Step: 2, N: 3}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 4, report.Redeemed)
	require.Zero(t, report.Missing)
	require.Zero(t, report.Refused)
	require.WithinRange(t, time.Unix(0, report.First), begin, time.Unix(0, report.Last))
	require.WithinRange(t, time.Unix(0, report.Last), begin, time.Now())

	for _, refused := range []struct {
		secret, grantType, refreshToken string
		status                          int
	}{
		{"s", "refresh_token", issuer.Grant(2, 1), http.StatusBadRequest},
		{"s", "refresh_token", issuer.Grant(4, 2), http.StatusBadRequest},
		{"s", "refresh_token", issuer.Grant(grants, 0), http.StatusBadRequest},
		{"s", "refresh_token", "rt.1", http.StatusBadRequest},
		{"s", "refresh_token", "", http.StatusBadRequest},
		{"s", "client_credentials", issuer.Grant(1, 0), http.StatusBadRequest},
		{"x", "refresh_token", issuer.Grant(1, 0), http.StatusUnauthorized},
	} {
		require.Equal(t, refused.status, redeem(t, client, refused.secret, refused.grantType, refused.refreshToken), "%+v", refused)
	}
	report, err = client.Await(t.Context(), issuer.Range{From: 0, Step: 1, N: 3}, 20*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 1, report.Missing)
	require.Equal(t, 3, report.Redeemed)
	require.Equal(t, 4, report.Total)
	require.Equal(t, 7, report.Refused)

	for _, of := range []issuer.Range{{From: 0, Step: 2, N: 6}, {From: -1, Step: 1, N: 1}, {From: 0, Step: 0, N: 1}} {
		_, err = client.Await(t.Context(), of, time.Second)
		require.ErrorContains(t, err, "400")
	}
}
