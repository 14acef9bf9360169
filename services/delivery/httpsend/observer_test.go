package httpsend_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/httpsend"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// secure serves over TLS and returns a client that trusts it, the URL by host name, and how many connections were made.
func secure(t *testing.T, http2 bool, handle http.HandlerFunc) (*httpsend.Client, string, *atomic.Int32) {
	t.Helper()
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(handle)
	server.EnableHTTP2 = http2
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client := egress.NewGuard(egress.Policy{
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}, egress.Options{TLS: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}}).Client()
	t.Cleanup(client.CloseIdleConnections)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	return httpsend.New(client.Transport, nil), "https://localhost:" + port, &connections
}

// TestConnectionsAreKept: requests in a row share a connection; over HTTP/2 those at the same time do, too.
func TestConnectionsAreKept(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		proto := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]
		t.Run(proto, func(t *testing.T) {
			client, url, connections := secure(t, http2, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(w, r.Body)
			})
			first := client.Send(t.Context(), request(url))
			require.Equal(t, 200, first.Status, first.Message)
			e := first.Exchange
			require.Equal(t, proto, e.Protocol)
			require.False(t, e.Reused)
			require.Positive(t, e.DNS)
			require.Positive(t, e.Connect)
			require.Positive(t, e.TLS)
			require.Greater(t, e.FirstByte, e.TLS)
			require.NotEmpty(t, e.Remote)
			require.Nil(t, e.RequestHeaders, "only of failures")
			for range 10 {
				e := client.Send(t.Context(), request(url)).Exchange
				require.True(t, e.Reused)
				require.Zero(t, e.DNS+e.Connect+e.TLS)
				require.Positive(t, e.FirstByte)
			}
			require.EqualValues(t, 1, connections.Load())
			if !http2 {
				return
			}
			var sending sync.WaitGroup
			for range 50 {
				sending.Go(func() { client.Send(t.Context(), request(url)) })
			}
			sending.Wait()
			require.EqualValues(t, 1, connections.Load())
		})
	}
}

// TestHeadersWithoutSecrets: headers of failures are kept, those that carry a secret are not, whether by their name or by their value.
func TestHeadersWithoutSecrets(t *testing.T) {
	const secret = "s3cret-value"
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session=1")
		w.Header().Set("Location", "https://api.example/?key="+r.Header.Get("X-Key"))
		w.Header().Add("X-Seen", "a")
		w.Header().Add("X-Seen", "b")
		w.WriteHeader(http.StatusTeapot)
	})
	r := request(url)
	r.Header = http.Header{
		"Authorization": {"Bearer other"}, "X-Key": {secret}, "X-Copy": {"it is " + secret}, "X-Tenant": {"7"}, "Cookie": {"a=b"},
		"Webhook-Signature": {"v1,AAAA"}, "X-Long": {strings.Repeat("x", 1000)},
	}
	r.SecretHeaders = []string{"X-Key"}
	r.Secrets = []seal.Secret{seal.NewSecret(secret)}
	e := newClient(t).Send(t.Context(), r).Exchange
	require.Equal(t, map[string]string{"X-Tenant": "7", "X-Long": strings.Repeat("x", 256)}, e.RequestHeaders)
	require.Equal(t, "a, b", e.ResponseHeaders["X-Seen"])
	require.NotContains(t, e.ResponseHeaders, "Set-Cookie")
	require.NotContains(t, e.ResponseHeaders, "Location")
	require.NotContains(t, fmt.Sprint(e), secret)
}

// TestHeadersAreBounded: however many there are.
func TestHeadersAreBounded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 200 {
			w.Header().Set(fmt.Sprintf("X-Header-%d", i), strings.Repeat("y", 200))
		}
	})
	r := request(url)
	r.Detail = delivery.DetailAll
	e := newClient(t).Send(t.Context(), r).Exchange
	total := 0
	for name, value := range e.ResponseHeaders {
		total += len(name) + len(value)
	}
	require.Greater(t, total, 3<<10)
	require.LessOrEqual(t, total, 4<<10)
	require.Empty(t, e.RequestHeaders)
	require.NotNil(t, e.RequestHeaders)
}

// TestExchangeThatFails: what is known until then is kept.
func TestExchangeThatFails(t *testing.T) {
	got := newClient(t).Send(t.Context(), request("http://127.0.0.1:1"))
	require.Equal(t, delivery.ConnectFailed, got.Failure)
	require.Empty(t, got.Exchange.Remote)
	require.Empty(t, got.Exchange.Protocol)
	require.Zero(t, got.Exchange.FirstByte)
}
