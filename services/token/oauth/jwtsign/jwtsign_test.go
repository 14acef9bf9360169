package jwtsign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token/oauth/jwtsign"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return block("PRIVATE KEY", der)
}

func ec(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func jwk(t *testing.T, key jose.JSONWebKey) string {
	t.Helper()
	text, err := key.MarshalJSON()
	require.NoError(t, err)
	return string(text)
}

func TestSign(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p256, p384, p521 := ec(t, elliptic.P256()), ec(t, elliptic.P384()), ec(t, elliptic.P521())
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(p256)
	require.NoError(t, err)
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))
	for name, tc := range map[string]struct {
		text, keyID, algorithm string
		public                 crypto.PublicKey
		wantAlgorithm, wantID  string
	}{
		"RSA, PKCS #8":          {pkcs8(t, rsaKey), "", "", rsaKey.Public(), "RS256", ""},
		"RSA, PKCS #1":          {pkcs1, "k", "", rsaKey.Public(), "RS256", "k"},
		"RS384":                 {pkcs1, "", "RS384", rsaKey.Public(), "RS384", ""},
		"RS512":                 {pkcs1, "", "RS512", rsaKey.Public(), "RS512", ""},
		"PS256":                 {pkcs1, "", "PS256", rsaKey.Public(), "PS256", ""},
		"PS384":                 {pkcs1, "", "PS384", rsaKey.Public(), "PS384", ""},
		"PS512":                 {pkcs1, "", "PS512", rsaKey.Public(), "PS512", ""},
		"EC, PKCS #8":           {pkcs8(t, p256), "", "", p256.Public(), "ES256", ""},
		"EC, SEC 1":             {block("EC PRIVATE KEY", sec1), "", "", p256.Public(), "ES256", ""},
		"EC, parameters before": {block("EC PARAMETERS", []byte{6, 0}) + block("EC PRIVATE KEY", sec1), "", "ES256", p256.Public(), "ES256", ""},
		"P-384":                 {pkcs8(t, p384), "", "", p384.Public(), "ES384", ""},
		"P-521":                 {pkcs8(t, p521), "", "", p521.Public(), "ES512", ""},
		"Ed25519":               {" \n" + pkcs8(t, edKey), "", "", edKey.Public(), "EdDSA", ""},
		"RSA, JWK":              {jwk(t, jose.JSONWebKey{Key: rsaKey, KeyID: "own"}), "", "", rsaKey.Public(), "RS256", "own"},
		"JWK with algorithm":    {jwk(t, jose.JSONWebKey{Key: rsaKey, KeyID: "own", Algorithm: "PS256"}), "mine", "", rsaKey.Public(), "PS256", "mine"},
		"another algorithm":     {jwk(t, jose.JSONWebKey{Key: rsaKey, Algorithm: "PS256"}), "", "RS512", rsaKey.Public(), "RS512", ""},
		"EC, JWK":               {jwk(t, jose.JSONWebKey{Key: p384}), "", "", p384.Public(), "ES384", ""},
		"Ed25519, JWK":          {jwk(t, jose.JSONWebKey{Key: edKey}), "", "EdDSA", edKey.Public(), "EdDSA", ""},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := jwtsign.New(seal.NewSecret(tc.text), tc.keyID, tc.algorithm)
			require.NoError(t, err)
			text, err := signer.Sign(map[string]any{"iss": "me", "big": json.Number("12345678901234567890")})
			require.NoError(t, err)
			signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(tc.wantAlgorithm)})
			require.NoError(t, err)
			payload, err := signed.Verify(tc.public)
			require.NoError(t, err)
			require.JSONEq(t, `{"iss":"me","big":12345678901234567890}`, string(payload))
			header := signed.Signatures[0].Protected
			require.Equal(t, tc.wantID, header.KeyID)
			require.Equal(t, "JWT", header.ExtraHeaders[jose.HeaderType])
			require.Nil(t, header.JSONWebKey, "the key is not shown")
		})
	}
}

func TestUnusableKeys(t *testing.T) {
	p256 := ec(t, elliptic.P256())
	p224 := ec(t, elliptic.P224())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		text, algorithm string
		want            error
		says            string
	}{
		"none":                    {"", "", jwtsign.ErrKey, "none"},
		"no PEM":                  {"secret", "", jwtsign.ErrKey, "PEM"},
		"broken PEM":              {block("PRIVATE KEY", []byte("secret")), "", jwtsign.ErrKey, "PRIVATE KEY"},
		"a public key":            {block("PUBLIC KEY", []byte("x")), "", jwtsign.ErrKey, "PEM with a private key"},
		"encrypted":               {block("ENCRYPTED PRIVATE KEY", []byte("x")), "", jwtsign.ErrKey, "encrypted"},
		"encrypted, PKCS #1":      {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "", jwtsign.ErrKey, "encrypted"},
		"broken JWK":              {`{"kty":"EC"`, "", jwtsign.ErrKey, "JWK"},
		"a public JWK":            {jwk(t, jose.JSONWebKey{Key: p256.Public()}), "", jwtsign.ErrKey, "no private key"},
		"a symmetric JWK":         {jwk(t, jose.JSONWebKey{Key: []byte("secret")}), "", jwtsign.ErrKey, "JWK"},
		"an unusual curve":        {pkcs8(t, p224), "", jwtsign.ErrKey, "P-256"},
		"too small":               {pkcs8(t, small), "", jwtsign.ErrKey, "2048"},
		"an algorithm of another": {pkcs8(t, p256), "RS256", jwtsign.ErrAlgorithm, "allows ES256"},
		"a symmetric algorithm":   {pkcs8(t, p256), "HS256", jwtsign.ErrAlgorithm, "ES256"},
		"no algorithm":            {pkcs8(t, p256), "none", jwtsign.ErrAlgorithm, "ES256"},
		"that of the JWK":         {jwk(t, jose.JSONWebKey{Key: p256, Algorithm: "ES512"}), "", jwtsign.ErrAlgorithm, "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jwtsign.New(seal.NewSecret(tc.text), "", tc.algorithm)
			require.ErrorIs(t, err, tc.want)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestClaimsMustBeJSON(t *testing.T) {
	signer, err := jwtsign.New(seal.NewSecret(pkcs8(t, ec(t, elliptic.P256()))), "", "")
	require.NoError(t, err)
	_, err = signer.Sign(map[string]any{"x": func() {}})
	require.Error(t, err)
}
