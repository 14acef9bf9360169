package probe_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// TestNothingIsSpent tests connections whose token request would use something up, or end the token in use.
func TestNothingIsSpent(t *testing.T) {
	t.Parallel()
	requests := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ }))
	server.StartTLS()
	t.Cleanup(server.Close)
	p := newProbe(t, newGuard(t, server, false, nil))
	for says, edit := range map[string]func(*connection.OAuth2){
		"redeem the refresh token": func(a *connection.OAuth2) {
			a.GrantType, a.RefreshToken = connection.RefreshToken, seal.NewSecret("canary")
			a.TokenEndpoint, a.Dialect.RefreshEndpoint = "https://unknown.test/token", server.URL+"/refresh"
		},
		"redeem the authorization code": func(a *connection.OAuth2) {
			a.GrantType, a.Code.Code = connection.CodeGrant, seal.NewSecret("canary")
		},
		"ends the access token in use": func(a *connection.OAuth2) { a.Provider.OldAccessToken = connection.OldTokenKilled },
		"provider_behavior.old_access_token": func(a *connection.OAuth2) {
			a.Provider.OldAccessToken, a.Provider.OldAccessTokenLeeway = connection.OldTokenLeeway, time.Minute
		},
	} {
		c := calling(server.URL+"/token", goodSecret)
		edit(&c.Settings.OAuth2)
		requireSteps(t, p, c, "OOOOO--")
		steps, err := p.Run(t.Context(), c)
		require.NoError(t, err)
		require.Contains(t, steps[5].Message, says)
		require.Contains(t, steps[5].Message, "authorize the connection")
	}
	server.Close()
	require.Zero(t, requests)
}

func TestPasswordGrant(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	c := calling(server.URL+"/token", goodSecret)
	c.Settings.OAuth2.GrantType = connection.PasswordGrant
	c.Settings.OAuth2.ResourceOwner = connection.ResourceOwner{Username: "user", Password: seal.NewSecret("canary")}
	p := newProbe(t, newGuard(t, server, false, nil))
	requireSteps(t, p, c, "OOOOOOO")
	steps, err := p.Run(t.Context(), c)
	require.NoError(t, err)
	require.Contains(t, steps[0].Message, "RFC 9700 section 2.4")
}

func TestEveryURLMayBeCalled(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	c := calling(server.URL+"/token", goodSecret)
	c.Settings.OAuth2.Provider.RevocationEndpoint = "https://10.0.0.1/revoke"
	requireFailure(t, requireSteps(t, newProbe(t, newGuard(t, server, false, nil)), c, "OF-----"),
		"EGRESS_DENIED", "oauth2.provider_behavior.revocation_endpoint")
}

// newCertificateServer asks for a client certificate, and takes only the given one.
func newCertificateServer(t *testing.T, certificate string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{}`)
	}))
	block, _ := pem.Decode([]byte(certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour)
	chain, key := connectiontest.NewCertificate(t, until, "canary")
	otherChain, otherKey := connectiontest.NewCertificate(t, until, "canary")
	expiredChain, expiredKey := connectiontest.NewCertificate(t, time.Now().Add(-time.Hour), "canary")
	server := newCertificateServer(t, chain)
	p := newProbe(t, newGuard(t, server, false, nil))
	with := func(chain, key string) connection.Connection {
		c := calling(server.URL+"/token", "")
		c.Settings.OAuth2.ClientAuthentication = connection.SelfSignedTLS
		c.Settings.OAuth2.ClientCertificate = connection.ClientCertificate{Chain: chain, PrivateKey: seal.NewSecret(key)}
		return c
	}
	steps, err := p.Run(t.Context(), with(chain, key))
	require.NoError(t, err)
	require.Contains(t, steps[0].Message, "client certificate is valid until "+until.UTC().Format(time.DateOnly))
	require.Equal(t, connection.OutcomeOK, steps[4].Outcome, steps[4].Message)
	require.Contains(t, steps[4].Message, "the client certificate was presented")

	requireFailure(t, requireSteps(t, p, with(otherChain, otherKey), "OOOOF--"), "NOT_SENT", "tls:")
	requireFailure(t, requireSteps(t, p, with(expiredChain, expiredKey), "F------"), "INVALID_FIELD", "expired")
	requireFailure(t, requireSteps(t, p, with(chain, otherKey), "F------"), "INVALID_FIELD", "oauth2.client_certificate.private_key")

	indifferent := newAuthorizationServer(t, true)
	c := with(chain, key)
	c.Settings.OAuth2.TokenEndpoint = indifferent.URL + "/token"
	steps, err = newProbe(t, newGuard(t, indifferent, false, nil)).Run(t.Context(), c)
	require.NoError(t, err)
	require.Contains(t, steps[4].Message, "did not ask for the client certificate")
}
