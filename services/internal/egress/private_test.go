package egress_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/egress"
)

func TestAClientOfItsOwnIsGuardedAllTheSame(t *testing.T) {
	t.Parallel()
	var remotes, protocols []string
	var resumed []bool
	certificates := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes = append(remotes, r.RemoteAddr)
		protocols, resumed = append(protocols, r.Proto), append(resumed, r.TLS.DidResume)
		certificates = len(r.TLS.PeerCertificates)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	networks, err := egress.ParseNetworks([]string{"loopback"})
	require.NoError(t, err)
	guard := egress.NewGuard(egress.Policy{AllowNetworks: networks}, egress.Options{TLS: trusting(server)})
	client := guard.ClientWith(func(transport *http.Transport) {
		egress.OneRequest(transport)
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &server.TLS.Certificates[0], nil
		}
	})
	for range 2 {
		response, err := get(t, client, server.URL)
		require.NoError(t, err)
		require.Equal(t, http.StatusTemporaryRedirect, response.StatusCode, "no redirect is followed")
	}
	require.Len(t, remotes, 2)
	require.NotEqual(t, remotes[0], remotes[1], "each request has a connection of its own")
	require.Equal(t, []string{"HTTP/1.1", "HTTP/1.1"}, protocols)
	require.Equal(t, []bool{false, true}, resumed, "the second handshake is the cheap one")
	require.Equal(t, 1, certificates)

	_, err = get(t, guard.Client(), server.URL)
	require.NoError(t, err)
	require.Zero(t, certificates, "the guard's other clients have none")

	_, err = get(t, client, strings.Replace(server.URL, "https", "http", 1))
	require.True(t, egress.IsDenied(err))
	strict := egress.NewGuard(egress.Policy{}, egress.Options{}).ClientWith(func(*http.Transport) {})
	_, err = get(t, strict, server.URL)
	require.True(t, egress.IsDenied(err))
}
