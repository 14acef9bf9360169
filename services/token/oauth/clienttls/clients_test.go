package clienttls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token/oauth/clienttls"
)

// pair returns a new certificate and its key.
func pair(t *testing.T) (string, seal.Secret) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		seal.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// transport counts how often its idle connections were closed.
type transport struct{ closed int }

func (*transport) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrNotSupported }
func (t *transport) CloseIdleConnections()                         { t.closed++ }

func TestTheClientUsedLongestAgoGivesWay(t *testing.T) {
	var made []*transport
	clients := clienttls.NewClients(func(certificate tls.Certificate) *http.Client {
		require.NotEmpty(t, certificate.Certificate)
		made = append(made, &transport{})
		return &http.Client{Transport: made[len(made)-1]}
	}, 2)
	type held struct {
		chain string
		key   seal.Secret
	}
	var pairs []held
	for range 3 {
		chain, key := pair(t)
		pairs = append(pairs, held{chain, key})
	}
	get := func(i int) *http.Client {
		client, err := clients.For(pairs[i].chain, pairs[i].key)
		require.NoError(t, err)
		return client
	}
	first, second := get(0), get(1)
	require.Same(t, first, get(0))
	require.NotSame(t, first, second)
	get(2)
	require.Len(t, made, 3)
	require.Equal(t, []int{0, 1, 0}, []int{made[0].closed, made[1].closed, made[2].closed})
	require.Same(t, first, get(0))
	require.NotSame(t, second, get(1), "made anew")
	require.Len(t, made, 4)
	require.Equal(t, 1, made[2].closed)
}

func TestUnusableCertificates(t *testing.T) {
	clients := clienttls.NewClients(func(tls.Certificate) *http.Client { return nil }, 0)
	chain, key := pair(t)
	_, another := pair(t)
	for name, tc := range map[string]struct {
		chain string
		key   seal.Secret
		says  string
	}{
		"none":              {"", seal.Secret{}, "PEM"},
		"no key":            {chain, seal.Secret{}, "key"},
		"no certificate":    {"", key, "certificate"},
		"exchanged":         {key.Reveal(), seal.NewSecret(chain), "certificate"},
		"of something else": {chain, another, "does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := clients.For(tc.chain, tc.key)
			require.ErrorIs(t, err, clienttls.ErrCertificate)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "BEGIN")
		})
	}
}
