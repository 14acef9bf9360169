package dpop_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token/dpop"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// verify checks a proof with nothing but what is in it, as servers do, and returns its header and claims.
func verify(t *testing.T, proof string, algorithm dpop.Algorithm) (jose.Header, map[string]any) {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	require.NoError(t, err)
	header := parsed.Signatures[0].Protected
	require.NotNil(t, header.JSONWebKey)
	require.True(t, header.JSONWebKey.IsPublic())
	payload, err := parsed.Verify(header.JSONWebKey)
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	return header, claims
}

func TestProof(t *testing.T) {
	for _, algorithm := range []dpop.Algorithm{dpop.ES256, dpop.ES384, dpop.ES512, dpop.EdDSA, dpop.RS256, dpop.PS256} {
		t.Run(string(algorithm), func(t *testing.T) {
			key, err := dpop.NewKey(algorithm)
			require.NoError(t, err)
			require.Equal(t, algorithm, key.Algorithm)
			stored, err := dpop.ParseKey(seal.NewSecret(key.Private.Reveal()))
			require.NoError(t, err)
			require.Equal(t, key, stored)

			// The example of RFC 9449 section 7.1 has this token and hash.
			access := seal.NewSecret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")
			proof, err := key.Proof(dpop.Claims{
				Method: "GET", URL: "HTTPS://api.Example:443/a%2Fb?q=1#f", Nonce: "n-1", AccessToken: access, Time: noon,
			})
			require.NoError(t, err)
			header, claims := verify(t, proof, algorithm)
			require.Equal(t, "dpop+jwt", header.ExtraHeaders[jose.HeaderType])
			sum, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
			require.NoError(t, err)
			require.Equal(t, base64.RawURLEncoding.EncodeToString(sum), key.Thumbprint)
			require.NotEmpty(t, claims["jti"])
			delete(claims, "jti")
			require.Equal(t, map[string]any{
				"htm": "GET", "htu": "https://api.example/a%2Fb", "iat": float64(noon.Unix()), "nonce": "n-1",
				"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
			}, claims)
		})
	}
}

func TestHeaderHasThePublicKeyAlone(t *testing.T) {
	key, err := dpop.NewKey(dpop.ES256)
	require.NoError(t, err)
	proof, err := key.Proof(dpop.Claims{Method: "POST", URL: "https://as.example/token", Time: noon})
	require.NoError(t, err)
	parsed, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	public, err := parsed.Signatures[0].Protected.JSONWebKey.MarshalJSON()
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(public, &members))
	require.ElementsMatch(t, []string{"kty", "crv", "x", "y"}, keysOf(members))
	_, claims := verify(t, proof, dpop.ES256)
	require.ElementsMatch(t, []string{"jti", "htm", "htu", "iat"}, keysOf(claims))
	require.Contains(t, key.Private.Reveal(), `"crv":"P-256","alg":"ES256","x":"`, "what the suite's canary looks for")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", key, key, key), key.Private.Reveal())
}

func keysOf(m map[string]any) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

func TestProofsAreUsedOnce(t *testing.T) {
	key, err := dpop.NewKey(dpop.ES256)
	require.NoError(t, err)
	seen := map[any]bool{}
	const proofs = 1000
	for range proofs {
		proof, err := key.Proof(dpop.Claims{Method: "GET", URL: "https://api.example/", Time: noon})
		require.NoError(t, err)
		_, claims := verify(t, proof, dpop.ES256)
		seen[claims["jti"]] = true
	}
	require.Len(t, seen, proofs)
}

func TestTarget(t *testing.T) {
	for address, want := range map[string]string{
		"https://api.example":                    "https://api.example/",
		"https://user:pw@api.example/a?b#c":      "https://api.example/a",
		"http://API.example:80/A":                "http://api.example/A",
		"http://api.example:443/":                "http://api.example:443/",
		"https://api.example:8443/x":             "https://api.example:8443/x",
		"https://[2001:DB8::1]:443/x":            "https://[2001:db8::1]/x",
		"https://api.example/a%2Fb/%C3%A4?x=%2F": "https://api.example/a%2Fb/%C3%A4",
		"https://api.example:/":                  "https://api.example/",
	} {
		got, err := dpop.Target(address)
		require.NoError(t, err, address)
		require.Equal(t, want, got)
	}
	for _, address := range []string{"", "/a", "ftp://api.example/", "https://", "https://a b/", "mailto:x@example"} {
		_, err := dpop.Target(address)
		require.ErrorIs(t, err, dpop.ErrURL, address)
	}
}

func TestUnusable(t *testing.T) {
	_, err := dpop.NewKey("HS256")
	require.ErrorIs(t, err, dpop.ErrAlgorithm)
	key, err := dpop.NewKey(dpop.ES256)
	require.NoError(t, err)
	_, err = key.Proof(dpop.Claims{URL: "api.example"})
	require.ErrorIs(t, err, dpop.ErrURL)
	public, err := json.Marshal(jose.JSONWebKey{Key: []byte("symmetric-s3cret"), Algorithm: "HS256"})
	require.NoError(t, err)
	for _, text := range []string{"", "{}", `{"kty":"EC","s3cret":1`, string(public), `{"kty":"EC","crv":"P-256","x":"s3cret","y":"","d":""}`} {
		_, err := dpop.ParseKey(seal.NewSecret(text))
		require.ErrorIs(t, err, dpop.ErrKey)
		require.NotContains(t, err.Error(), "s3cret")
		_, err = dpop.Key{Private: seal.NewSecret(text)}.Proof(dpop.Claims{URL: "https://a/"})
		require.ErrorIs(t, err, dpop.ErrKey)
	}
}
