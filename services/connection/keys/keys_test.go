package keys_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/keys"
)

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

func encoded(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return encoded("PRIVATE KEY", der)
}

func sec1(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return encoded("EC PRIVATE KEY", der)
}

func jwk(t *testing.T, key jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(key)
	require.NoError(t, err)
	return string(text)
}

func TestCheckSigning(t *testing.T) {
	t.Parallel()
	rsa2048, p256, ed := rsaKey(t, 2048), ecKey(t, elliptic.P256()), edKey(t)
	ecParameters := encoded("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07})
	public, err := x509.MarshalPKIXPublicKey(p256.Public())
	require.NoError(t, err)
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		key       string
		algorithm keys.Algorithm
		says      string // "": good
	}{
		"RSA, PKCS #1":             {key: encoded("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048))},
		"RSA, PKCS #8":             {key: pkcs8(t, rsa2048), algorithm: keys.PS512},
		"RSA with another label":   {key: encoded("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048))},
		"RSA for ECDSA":            {key: pkcs8(t, rsa2048), algorithm: keys.ES256, says: "does not fit the algorithm ES256: with this key there are RS256, "},
		"a short RSA key":          {key: pkcs8(t, rsaKey(t, 1024)), says: "1024 bits; at least 2048"},
		"P-256, SEC 1":             {key: sec1(t, p256)},
		"P-256, as openssl writes": {key: ecParameters + sec1(t, p256), algorithm: keys.ES256},
		"P-256 for ES384":          {key: sec1(t, p256), algorithm: keys.ES384, says: "there are ES256"},
		"P-384":                    {key: pkcs8(t, ecKey(t, elliptic.P384())), algorithm: keys.ES384},
		"P-521":                    {key: pkcs8(t, ecKey(t, elliptic.P521())), algorithm: keys.ES512},
		"P-224":                    {key: sec1(t, ecKey(t, elliptic.P224())), says: "not supported"},
		"Ed25519":                  {key: pkcs8(t, ed), algorithm: keys.EdDSA},
		"Ed25519 for RSA":          {key: pkcs8(t, ed), algorithm: keys.RS256, says: "there are EDDSA"},
		"X25519":                   {key: pkcs8(t, x25519), says: "not supported"},
		"text around it":           {key: "my key:\n\n" + pkcs8(t, ed) + "\n"},
		"JWK":                      {key: "\n" + jwk(t, jose.JSONWebKey{Key: rsa2048, KeyID: "k"}), algorithm: keys.RS512},
		"JWK of Ed25519":           {key: jwk(t, jose.JSONWebKey{Key: ed, Algorithm: "EdDSA", Use: "sig"})},
		"JWK for the algorithm":    {key: jwk(t, jose.JSONWebKey{Key: rsa2048, Algorithm: "PS256"}), algorithm: keys.PS256},
		"JWK names it":             {key: jwk(t, jose.JSONWebKey{Key: rsa2048, Algorithm: "PS256"})},
		"JWK overruled":            {key: jwk(t, jose.JSONWebKey{Key: rsa2048, Algorithm: "PS256"}), algorithm: keys.RS256},
		"JWK names another":        {key: jwk(t, jose.JSONWebKey{Key: rsa2048, Algorithm: "ES256"}), says: "member alg: with this key there are RS256"},
		"JWK for encryption":       {key: jwk(t, jose.JSONWebKey{Key: rsa2048, Use: "enc"}), says: "not for signing"},
		"public JWK":               {key: jwk(t, jose.JSONWebKey{Key: rsa2048.Public()}), says: "public key"},
		"symmetric JWK":            {key: jwk(t, jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef")}), says: "not supported"},
		"broken JWK":               {key: `{"kty":"RSA","d":"canary"}`, says: "or a JWK"},
		"no JWK":                   {key: `{"canary`, says: "or a JWK"},
		"public PEM":               {key: encoded("PUBLIC KEY", public), says: "public key"},
		"encrypted":                {key: encoded("ENCRYPTED PRIVATE KEY", []byte("canary")), says: "passphrase"},
		"encrypted, the old way": {key: string(pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("canary"),
		})), says: "passphrase"},
		"broken PEM": {key: encoded("PRIVATE KEY", []byte("canary")), says: "or a JWK"},
		"no key":     {key: "canary", says: "or a JWK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := keys.CheckSigning(tc.key, tc.algorithm)
			if tc.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	chain, key := connectiontest.NewCertificate(t, time.Now().Add(time.Hour), "")
	issuer, otherKey := connectiontest.NewCertificate(t, time.Now().Add(time.Hour), "")
	require.NoError(t, keys.CheckChain(chain+issuer))
	pair, err := keys.Pair(chain+issuer, key)
	require.NoError(t, err)
	require.Len(t, pair.Certificate, 2)
	require.Equal(t, "client", pair.Leaf.Subject.CommonName)
	require.Implements(t, (*crypto.Signer)(nil), pair.PrivateKey)

	require.ErrorIs(t, keys.CheckPair(chain, otherKey), keys.ErrMismatch)
	require.ErrorIs(t, keys.CheckPair(issuer+chain, key), keys.ErrMismatch)
	require.ErrorIs(t, keys.CheckPair(chain, pkcs8(t, edKey(t))), keys.ErrMismatch)
	require.ErrorIs(t, keys.CheckPair(chain, "canary"), keys.ErrNoKey)
	require.ErrorIs(t, keys.CheckPair(chain, jwk(t, jose.JSONWebKey{Key: edKey(t)})), keys.ErrNoKey)
	require.ErrorIs(t, keys.CheckPair("", key), keys.ErrNoCertificate)

	require.ErrorIs(t, keys.CheckChain("nothing"), keys.ErrNoCertificate)
	require.ErrorContains(t, keys.CheckChain(chain+key), `no certificate but "PRIVATE KEY"`)
	require.ErrorContains(t, keys.CheckChain(chain+encoded("CERTIFICATE", []byte("x"))), "number 2")
}

func FuzzCheckSigning(f *testing.F) {
	f.Add("{}")
	f.Add(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`)
	f.Add("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, key string) {
		if err := keys.CheckSigning(key, keys.RS256); err != nil {
			require.Less(t, len(err.Error()), 200, "it repeats what it was given")
			require.NotContains(t, err.Error(), "\n")
		}
	})
}
