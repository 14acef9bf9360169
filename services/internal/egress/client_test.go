package egress_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/egress"
)

// get sends a GET request with a bearer token and returns the drained response.
func get(t *testing.T, client *http.Client, target string) (*http.Response, error) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+canary)
	response, err := client.Do(request)
	if err == nil {
		_, copyErr := io.Copy(io.Discard, response.Body)
		require.NoError(t, copyErr)
		require.NoError(t, response.Body.Close())
	}
	return response, err
}

func trusting(server *httptest.Server) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}
}

func TestClientOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are part of the test
	server.StartTLS()
	t.Cleanup(server.Close)
	networks, err := egress.ParseNetworks([]string{"loopback"})
	require.NoError(t, err)

	guard := egress.NewGuard(egress.Policy{AllowNetworks: networks}, egress.Options{TLS: trusting(server)})
	response, err := get(t, guard.Client(), server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, 2, response.ProtoMajor)
	require.GreaterOrEqual(t, response.TLS.Version, uint16(tls.VersionTLS12))

	// The name is verified although the address is what is dialled.
	port := strings.TrimPrefix(server.URL, "https://127.0.0.1:")
	_, resolver := newNameServer(t, map[string][][]netip.Addr{
		"example.com": {addresses("127.0.0.1")}, "other.test": {addresses("127.0.0.1")},
	})
	guard = egress.NewGuard(egress.Policy{AllowNetworks: networks}, egress.Options{TLS: trusting(server), Resolver: resolver})
	_, err = get(t, guard.Client(), "https://example.com:"+port) // httptest's certificate is for this name
	require.NoError(t, err)
	_, err = get(t, guard.Client(), "https://other.test:"+port)
	var mismatch x509.HostnameError
	require.ErrorAs(t, err, &mismatch)

	// The default policy refuses the same server, and the default roots too.
	_, err = get(t, egress.NewGuard(egress.Policy{}, egress.Options{TLS: trusting(server)}).Client(), server.URL)
	require.True(t, egress.IsDenied(err), err)
	_, err = get(t, egress.NewGuard(egress.Policy{AllowNetworks: networks}, egress.Options{}).Client(), server.URL)
	require.Error(t, err)
	require.False(t, egress.IsDenied(err))
}

func TestClientChecksEveryRequest(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(server.Close)
	networks, err := egress.ParseNetworks([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	guard := egress.NewGuard(egress.Policy{AllowNetworks: networks}, egress.Options{})

	body := &closeRecorder{Reader: strings.NewReader("x")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	require.NoError(t, err)
	_, err = guard.Client().Do(request)
	var denied *egress.DeniedError
	require.ErrorAs(t, err, &denied)
	require.Equal(t, egress.RuleScheme, denied.Rule)
	require.True(t, body.closed)

	http1 := egress.NewGuard(egress.Policy{AllowNetworks: networks, AllowHTTP: true}, egress.Options{}).Client()
	_, err = get(t, http1, strings.Replace(server.URL, "http://", "http://user:pass@", 1))
	require.ErrorAs(t, err, &denied)
	require.Equal(t, egress.RuleUserinfo, denied.Rule)
	require.Zero(t, calls.Load())

	_, err = get(t, http1, server.URL)
	require.NoError(t, err)
	require.EqualValues(t, 1, calls.Load())
}

type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }

func TestClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(target.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target.URL, status)
		}))
		t.Cleanup(server.Close)
		response, err := get(t, guardFor(t, nil, "loopback").Client(), server.URL)
		require.NoError(t, err)
		require.Equal(t, status, response.StatusCode)
		require.Equal(t, target.URL, response.Header.Get("Location"))
	}
	require.Zero(t, elsewhere.Load())
}

func TestClientsShareConnections(t *testing.T) {
	t.Parallel()
	remotes := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { remotes <- r.RemoteAddr }))
	t.Cleanup(server.Close)
	guard := guardFor(t, nil, "loopback")
	for range 2 {
		_, err := get(t, guard.Client(), server.URL)
		require.NoError(t, err)
	}
	first, second := <-remotes, <-remotes
	require.Equal(t, first, second)
}

func TestTransportSettings(t *testing.T) {
	t.Parallel()
	guard := guardFor(t, nil)
	transport := guard.Transport()
	require.Nil(t, transport.Proxy, "a proxy from the environment would dial for us, unchecked")
	require.Nil(t, transport.DialTLSContext)
	require.Zero(t, transport.ResponseHeaderTimeout)
	require.Equal(t, 64, transport.MaxIdleConnsPerHost)
	require.NotSame(t, transport, guard.Transport())
	require.Zero(t, guard.Client().Timeout)
	require.Nil(t, guard.Client().Jar)
}

func TestWithoutURL(t *testing.T) {
	t.Parallel()
	_, resolver := newNameServer(t, map[string][][]netip.Addr{"private.test": {addresses("10.0.0.1")}})
	guard := guardFor(t, resolver)

	_, err := get(t, guard.Client(), "https://private.test/hooks/"+canary+"?api_key="+canary)
	require.ErrorContains(t, err, canary, "net/http repeats the URL")
	err = egress.WithoutURL(err)
	require.NotContains(t, err.Error(), canary)
	require.ErrorContains(t, err, "Get https://private.test: egress: dial private.test:443: egress denied (address): 10.0.0.1 is not public")
	require.True(t, egress.IsDenied(err))
	var leak *url.Error
	require.NotErrorAs(t, err, &leak)

	_, err = get(t, guard.Client(), "https://unknown.test/"+canary)
	var missing *net.DNSError
	require.ErrorAs(t, egress.WithoutURL(err), &missing)

	plain := errors.New("plain")
	require.Equal(t, plain, egress.WithoutURL(plain))
	require.NoError(t, egress.WithoutURL(nil))
}
