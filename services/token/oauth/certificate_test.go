package oauth_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

// TestARefusedCertificateBreaksTheClient: in TLS 1.2 the refusal is a part of the handshake; with 1.3 it comes after it, and is waited for.
func TestARefusedCertificateBreaksTheClient(t *testing.T) {
	a := newAuthority(t)
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	var none *authority
	_, stranger, _ := none.issue(t, "stranger")
	_, known, _ := a.issue(t, "crm")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			requests := 0
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests++
				_, _ = w.Write([]byte(`{"access_token":"at"}`))
			}))
			server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: version, MaxVersion: version}
			server.StartTLS()
			t.Cleanup(server.Close)
			made := 0
			s := &suite{t: t, url: server.URL, client: newClient(t, oauth.Config{WithCertificate: withCertificate(t, server, &made)})}
			settings := s.settings(token.KindRefreshToken)
			settings.RefreshToken = seal.NewSecret("rt")
			settings.ClientAuthentication, settings.ClientCertificate = token.TLSClientAuth, stranger
			failure := s.refused(settings, token.Grant{})
			require.Equal(t, token.ClassClientBroken, failure.Class, failure.Message)
			require.False(t, failure.Sent)
			require.Zero(t, requests)
			settings.ClientCertificate = known
			s.obtain(settings, token.Grant{})
			require.Equal(t, 1, requests)
		})
	}
}

// TestALateRefusalOfACertificate comes after the request was written. The server has not read that all the same.
func TestALateRefusalOfACertificate(t *testing.T) {
	var none *authority
	_, stranger, _ := none.issue(t, "stranger")
	identity := httptest.NewUnstartedServer(http.NotFoundHandler())
	identity.StartTLS() // for its certificate
	t.Cleanup(identity.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	written, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			ended <- err
			return
		}
		secured := tls.Server(conn, &tls.Config{
			Certificates: identity.TLS.Certificates, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
			VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
				<-written
				return x509.UnknownAuthorityError{}
			},
		})
		_ = secured.HandshakeContext(t.Context())
		_, err = io.Copy(io.Discard, conn) // closing before would take the alert back
		ended <- err
		_ = conn.Close()
	}()
	made := 0
	s := &suite{t: t, url: "https://" + listener.Addr().String(), client: newClient(t, oauth.Config{WithCertificate: withPatience(t, identity, &made, time.Millisecond)})}
	settings := s.settings(token.KindRefreshToken)
	settings.RefreshToken = seal.NewSecret("rt")
	settings.ClientAuthentication, settings.ClientCertificate = token.TLSClientAuth, stranger
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(written) }})
	_, err = s.client.Exchange(ctx, settings, token.Grant{})
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, token.ClassClientBroken, failure.Class, failure.Message)
	require.True(t, failure.Sent)
	require.NoError(t, listener.Close())
	require.NoError(t, <-ended)
}

// TestACertificateBesidesTheSecret is shown where a server wants both.
func TestACertificateBesidesTheSecret(t *testing.T) {
	a := newAuthority(t)
	_, certificate, _ := a.issue(t, "crm")
	s, server := mutualTLS(t, a, tls.VersionTLS13, authserver.Client{ID: clientID, Secrets: []string{clientSecret}, Scopes: []string{"read"}})
	var shown []string
	next := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			shown = append(shown, c.Subject.CommonName)
		}
		next.ServeHTTP(w, r)
	})
	made := 0
	s.client = newClient(t, oauth.Config{WithCertificate: withCertificate(t, server, &made)})
	settings := s.settings(token.KindClientCredentials)
	settings.ClientCertificate = certificate
	s.obtain(settings, token.Grant{})
	require.Equal(t, authserver.AuthBasic, s.last().AuthMethod)
	require.Equal(t, []string{"crm"}, shown)
}
