package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestClientSecrets(t *testing.T) {
	s := newSuite(t,
		authserver.Client{ID: "raw & co", Secrets: []string{"a+b%c"}, RawBasic: true, Scopes: []string{"read"}},
		authserver.Client{ID: "public", Public: true, Scopes: []string{"read"}},
	)
	for _, tc := range []struct {
		way        token.ClientAuthentication
		id, secret string
		seen       string
	}{
		{token.ClientSecretBasic, clientID, clientSecret, authserver.AuthBasic},
		{token.ClientSecretPost, clientID, clientSecret, authserver.AuthPost},
		{token.ClientSecretBasicRaw, "raw & co", "a+b%c", authserver.AuthBasic},
		{token.NoClientAuth, "public", "", authserver.AuthNone},
	} {
		t.Run(string(tc.way), func(t *testing.T) {
			settings := s.settings(token.KindClientCredentials)
			settings.ClientAuthentication, settings.ClientID, settings.ClientSecret = tc.way, tc.id, seal.NewSecret(tc.secret)
			s.obtain(settings, token.Grant{})
			require.Equal(t, tc.seen, s.last().AuthMethod)
			require.Equal(t, tc.id, s.last().Client)
			require.Empty(t, s.last().Query)
		})
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	edPublic, edPrivate := ed25519Key(t)
	s := newSuite(t,
		authserver.Client{ID: "rsa", PublicKey: &rsaKey.PublicKey, Scopes: []string{"read"}},
		authserver.Client{ID: "ec", PublicKey: &ecKey.PublicKey, Scopes: []string{"read"}},
		authserver.Client{ID: "ed", PublicKey: edPublic, Scopes: []string{"read"}},
	)
	for _, tc := range []struct{ id, key, algorithm, audience string }{
		{"rsa", keyPEM(t, rsaKey), "", ""},
		{"rsa", keyPEM(t, rsaKey), "PS256", ""},
		{"ec", keyPEM(t, ecKey), "", s.url},
		{"ed", edPrivate, "EdDSA", ""},
	} {
		t.Run(tc.id+tc.algorithm, func(t *testing.T) {
			settings := s.settings(token.KindClientCredentials)
			settings.ClientAuthentication, settings.ClientID, settings.ClientSecret = token.PrivateKeyJWT, tc.id, seal.Secret{}
			settings.SigningKey = token.SigningKey{PrivateKey: seal.NewSecret(tc.key), Algorithm: tc.algorithm, Audience: tc.audience}
			s.obtain(settings, token.Grant{})
			s.obtain(settings, token.Grant{}) // the server refuses an id that it has seen
			require.Equal(t, authserver.AuthPrivateKeyJWT, s.last().AuthMethod)
		})
	}
	settings := s.settings(token.KindClientCredentials)
	settings.ClientAuthentication, settings.ClientID = token.PrivateKeyJWT, "rsa"
	settings.SigningKey = token.SigningKey{PrivateKey: seal.NewSecret(edPrivate)}
	require.Equal(t, token.ClassClientBroken, s.refused(settings, token.Grant{}).Class, "not its key")
}

// mutualTLS starts an authorization server that takes any client certificate and checks those of the authority.
func mutualTLS(t *testing.T, a *authority, version uint16, clients ...authserver.Client) (*suite, *httptest.Server) {
	t.Helper()
	auth, err := authserver.New(authserver.Config{TokenLifetime: time.Hour, Clients: clients})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: version, MaxVersion: version}
	// The standard library verifies all certificates or none; this is what servers with both kinds of clients do.
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			chains, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if err == nil {
				r.TLS.VerifiedChains = chains
			}
		}
		auth.Handler().ServeHTTP(w, r)
	})
	server.StartTLS()
	t.Cleanup(server.Close)
	auth.SetIssuer(server.URL)
	return &suite{t: t, auth: auth, url: server.URL}, server
}

func TestClientCertificates(t *testing.T) {
	a := newAuthority(t)
	_, ofAuthority, _ := a.issue(t, "crm")
	var none *authority
	leaf, selfSigned, _ := none.issue(t, "self")
	_, stranger, _ := none.issue(t, "stranger")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s, server := mutualTLS(t, a, version,
				authserver.Client{ID: "crm", CertificateSubject: "CN=crm", Scopes: []string{"read"}},
				authserver.Client{ID: "self", Certificate: leaf, Scopes: []string{"read"}},
			)
			made := 0
			s.client = newClient(t, oauth.Config{WithCertificate: withCertificate(t, server, &made)})
			request := func(id string, way token.ClientAuthentication, certificate token.ClientCertificate) token.OAuth2 {
				settings := s.settings(token.KindClientCredentials)
				settings.ClientID, settings.ClientAuthentication, settings.ClientCertificate = id, way, certificate
				return settings
			}
			s.obtain(request("crm", token.TLSClientAuth, ofAuthority), token.Grant{})
			require.Equal(t, authserver.AuthTLS, s.last().AuthMethod)
			s.obtain(request("self", token.SelfSignedTLS, selfSigned), token.Grant{})
			s.obtain(request("self", token.SelfSignedTLS, selfSigned), token.Grant{})
			require.Equal(t, authserver.AuthSelfSignedTLS, s.last().AuthMethod)
			require.Equal(t, 2, made, "one client for each certificate")
			require.Equal(t, token.ClassClientBroken, s.refused(request("self", token.SelfSignedTLS, stranger), token.Grant{}).Class)

			mixed := token.ClientCertificate{Chain: ofAuthority.Chain, PrivateKey: selfSigned.PrivateKey}
			failure := s.refused(request("crm", token.TLSClientAuth, mixed), token.Grant{})
			require.Equal(t, token.ClassClientBroken, failure.Class)
			require.False(t, failure.Sent)
			require.Contains(t, failure.Message, "client certificate")
		})
	}
}

func TestASecretCanBeChangedWithoutAGap(t *testing.T) {
	for _, way := range []token.ClientAuthentication{token.ClientSecretBasic, token.ClientSecretPost} {
		t.Run(string(way), func(t *testing.T) {
			s := newSuite(t)
			require.NoError(t, s.auth.SetRefreshPolicy(authserver.RefreshPolicy{Rotation: authserver.SingleUse}))
			imported, err := s.auth.IssueRefreshToken(clientID, "alice")
			require.NoError(t, err)
			settings := s.settings(token.KindRefreshToken)
			settings.ClientAuthentication, settings.RefreshToken, settings.AlternateClientSecret = way, seal.NewSecret(imported), seal.NewSecret(other)
			requests := func() int { return s.auth.Stats().Requests }

			issued := s.obtain(settings, token.Grant{})
			require.Equal(t, 1, requests())
			require.NoError(t, s.auth.SetClientSecrets(clientID, other))
			issued = s.obtain(settings, token.Grant{RefreshToken: issued.RefreshToken})
			require.Equal(t, 3, requests(), "refused, then the other one")
			issued = s.obtain(settings, token.Grant{RefreshToken: issued.RefreshToken})
			require.Equal(t, 4, requests(), "from then on the other one first")
			require.NoError(t, s.auth.SetClientSecrets(clientID, clientSecret))
			s.obtain(settings, token.Grant{RefreshToken: issued.RefreshToken})
			require.Equal(t, 6, requests())
			s.obtain(s.settings(token.KindClientCredentials), token.Grant{})

			require.NoError(t, s.auth.SetClientSecrets(clientID, "a third"))
			require.Equal(t, token.ClassClientBroken, s.refused(settings, token.Grant{}).Class)
			require.Equal(t, 9, requests(), "each once")
			require.Zero(t, s.auth.Stats().DoubleRedemptions)
		})
	}
}

func TestTheOtherSecretIsOnlyForARefusedClient(t *testing.T) {
	for name, fault := range map[string]authserver.Fault{
		"the grant is refused":  {Kind: authserver.FaultOAuthError, Code: "invalid_grant", Status: 401},
		"the server is broken":  {Kind: authserver.FaultStatus, Status: 500},
		"it is too much":        {Kind: authserver.FaultOAuthError, Code: "invalid_client", Status: 429},
		"the answer is lost":    {Kind: authserver.FaultResetAfterCommit},
		"the request is odd":    {Kind: authserver.FaultOAuthError, Code: "invalid_request"},
		"the page is not found": {Kind: authserver.FaultStatus, Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t)
			settings := s.settings(token.KindClientCredentials)
			settings.AlternateClientSecret = seal.NewSecret(other)
			s.auth.Inject(fault)
			s.refused(settings, token.Grant{})
			require.Equal(t, 1, s.auth.Stats().Requests)
		})
	}
}

func TestEachEndpointHasAPreferenceOfItsOwn(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.auth.SetClientSecrets(clientID, other))
	settings := s.settings(token.KindClientCredentials)
	settings.AlternateClientSecret = seal.NewSecret(other)
	endpoint := settings.TokenEndpoint
	for i := range 50 {
		settings.TokenEndpoint = fmt.Sprintf("%s?tenant=%d", endpoint, i)
		s.obtain(settings, token.Grant{})
	}
	require.Equal(t, 100, s.auth.Stats().Requests)
	s.obtain(settings, token.Grant{})
	require.Equal(t, 101, s.auth.Stats().Requests)
}
