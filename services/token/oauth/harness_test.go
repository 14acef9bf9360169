package oauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
	"github.com/freshet-io/freshet/services/token/oauth/clienttls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID     = "shop & co:1" // needs form encoding in HTTP Basic
	clientSecret = "s3cr+t/%:of-the-client"
	other        = "the-other-s3cret"
	password     = "open sesame, please"
)

// suite is an authorization server and a token client.
type suite struct {
	t      *testing.T
	auth   *authserver.Server
	url    string
	client *oauth.Client
}

// newSuite starts an authorization server whose clients are one with a secret and those given.
func newSuite(t *testing.T, clients ...authserver.Client) *suite {
	t.Helper()
	auth, err := authserver.New(authserver.Config{
		TokenLifetime: time.Hour,
		Users:         map[string]string{"alice": password},
		Clients: append([]authserver.Client{
			{ID: clientID, Secrets: []string{clientSecret}, Scopes: []string{"read", "write"}},
		}, clients...),
	})
	require.NoError(t, err)
	server := httptest.NewServer(auth.Handler())
	t.Cleanup(server.Close)
	auth.SetIssuer(server.URL)
	return &suite{t: t, auth: auth, url: server.URL, client: newClient(t, oauth.Config{})}
}

// newClient returns a token client that gets what c leaves out.
func newClient(t *testing.T, c oauth.Config) *oauth.Client {
	t.Helper()
	if c.HTTP == nil {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		c.HTTP = &http.Client{Transport: transport}
	}
	client, err := oauth.New(c)
	require.NoError(t, err)
	return client
}

// settings are those of a grant for the client with a secret.
func (s *suite) settings(grant token.Kind) token.OAuth2 {
	return token.OAuth2{
		Grant: grant, TokenEndpoint: s.url + authserver.PathToken, ClientID: clientID, ClientSecret: seal.NewSecret(clientSecret),
		ClientAuthentication: token.ClientSecretBasic, Scopes: []string{"read"},
		Provider: token.Provider{RevocationEndpoint: s.url + authserver.PathRevoke},
	}
}

// obtain makes a request that must give a token.
func (s *suite) obtain(settings token.OAuth2, grant token.Grant) token.Issued {
	s.t.Helper()
	issued, failure := try(s.t, s.client, settings, grant)
	require.Nil(s.t, failure)
	return issued
}

// refused makes a request that must fail.
func (s *suite) refused(settings token.OAuth2, grant token.Grant) *token.Failure {
	s.t.Helper()
	_, failure := try(s.t, s.client, settings, grant)
	require.NotNil(s.t, failure)
	return failure
}

// try makes a request and reads its answer.
func try(t *testing.T, client *oauth.Client, settings token.OAuth2, grant token.Grant) (token.Issued, *token.Failure) {
	t.Helper()
	answer, err := client.Exchange(t.Context(), settings, grant)
	var issued token.Issued
	if err == nil {
		issued, err = client.Read(answer, settings, grant)
	}
	if err == nil {
		return issued, nil
	}
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	return token.Issued{}, failure
}

// last is the request that the authorization server got last.
func (s *suite) last() authserver.Request {
	s.t.Helper()
	requests := s.auth.Requests()
	require.NotEmpty(s.t, requests)
	return requests[len(requests)-1]
}

// captured is what an endpoint that is none of ours got.
type captured struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (c *captured) all() []*http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// capture starts an endpoint that keeps every request, with its form parsed, and answers a token.
func capture(t *testing.T) (*captured, string) {
	t.Helper()
	c := &captured{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		c.mu.Lock()
		c.requests = append(c.requests, r)
		c.mu.Unlock()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"at","token_type":"Bearer","expires_in":3600}`))
	}))
	t.Cleanup(server.Close)
	return c, server.URL
}

// keyPEM writes a private key as PKCS #8.
func keyPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func ed25519Key(t *testing.T) (ed25519.PublicKey, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return public, keyPEM(t, private)
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue returns a certificate for a name: signed by the authority, or by its own key if that is nil.
func (a *authority) issue(t *testing.T, name string) (*x509.Certificate, token.ClientCertificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: a == nil,
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return leaf, token.ClientCertificate{Chain: chain, PrivateKey: seal.NewSecret(keyPEM(t, key))}, key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	var none *authority
	certificate, _, key := none.issue(t, "authority")
	return &authority{certificate: certificate, key: key}
}

// withCertificate returns Config.WithCertificate for a server, and counts the clients it made.
func withCertificate(t *testing.T, server *httptest.Server, made *int) func(tls.Certificate) *http.Client {
	t.Helper()
	return withPatience(t, server, made, time.Minute) // which no test needs: the server tells
}

// withPatience is withCertificate that waits so long for the server's verdict.
func withPatience(t *testing.T, server *httptest.Server, made *int, patience time.Duration) func(tls.Certificate) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return func(certificate tls.Certificate) *http.Client {
		*made++
		transport := &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs:    roots,
			MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &certificate, nil
			},
		}}
		dialer := &net.Dialer{}
		transport.DialTLSContext = clienttls.Dial(dialer.DialContext, transport.TLSClientConfig, patience)
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
}

// requireNoSecrets fails if a text has any of the secrets.
func requireNoSecrets(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		require.NotContains(t, text, secret)
	}
}
