package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// verified returns header and claims of an ES256 JWT (RFC 7515, RFC 7518 section 3.4) after checking its signature.
func verified(t *testing.T, text string, key *ecdsa.PublicKey) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(text, ".")
	require.Len(t, parts, 3)
	decode := func(part string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		require.NoError(t, err)
		return raw
	}
	signature, sum := decode(parts[2]), sha256.Sum256([]byte(parts[0]+"."+parts[1]))
	require.Len(t, signature, 64)
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	require.True(t, ecdsa.Verify(key, sum[:], r, s))
	require.NoError(t, json.Unmarshal(decode(parts[0]), &header))
	require.NoError(t, json.Unmarshal(decode(parts[1]), &claims))
	return header, claims
}

// TestSignedClientSecret is what Apple wants: a secret that is a JWT of the team's.
func TestSignedClientSecret(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c, address := capture(t)
	s := newSuite(t)
	settings := s.settings(token.KindRefreshToken)
	settings.TokenEndpoint, settings.ClientID, settings.ClientSecret = address+"/auth/token", "com.example.app", seal.Secret{}
	settings.RefreshToken, settings.ClientAuthentication = seal.NewSecret("rt"), token.SignedClientSecret
	settings.SigningKey = token.SigningKey{
		PrivateKey: seal.NewSecret(keyPEM(t, key)), KeyID: "key-1", Issuer: "team-1", Audience: "https://appleid.example",
	}
	s.obtain(settings, token.Grant{})
	s.obtain(settings, token.Grant{})
	form := c.all()[0].PostForm
	require.Equal(t, "com.example.app", form.Get("client_id"))
	require.Empty(t, c.all()[0].Header.Get("Authorization"))
	require.Empty(t, form.Get("client_assertion"))
	header, claims := verified(t, form.Get("client_secret"), &key.PublicKey)
	require.Equal(t, "ES256", header["alg"])
	require.Equal(t, "key-1", header["kid"])
	require.Equal(t, "team-1", claims["iss"])
	require.Equal(t, "com.example.app", claims["sub"])
	require.Equal(t, "https://appleid.example", claims["aud"])
	begin, end := time.Unix(int64(claims["iat"].(float64)), 0), time.Unix(int64(claims["exp"].(float64)), 0)
	require.WithinDuration(t, time.Now(), begin, time.Minute)
	require.Equal(t, time.Minute, end.Sub(begin))
	require.NotEqual(t, form.Get("client_secret"), c.all()[1].PostForm.Get("client_secret"))

	settings.ClientAuthentication, settings.SigningKey.Issuer = token.PrivateKeyJWT, "app.example" // Revolut
	s.obtain(settings, token.Grant{})
	_, claims = verified(t, c.all()[2].PostForm.Get("client_assertion"), &key.PublicKey)
	require.Equal(t, "app.example", claims["iss"])
	require.Equal(t, "com.example.app", claims["sub"])
}

// TestAccessTokenExchange is refreshing without refresh tokens: the access token is exchanged for the next one, by another method and at another
// URL than the code was redeemed.
func TestAccessTokenExchange(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		seen = append(seen, r.Method+" "+r.URL.Path+" "+r.Form.Get("grant_type")+" "+r.Form.Get("code")+r.Form.Get("access_token"))
		answers := map[int]string{
			1: `{"access_token":"short","expires_in":3600}`, 2: `{"access_token":"long-1","expires_in":5184000}`,
			3: `{"access_token":"long-2","expires_in":5184000}`,
		}
		_, _ = w.Write([]byte(answers[len(seen)]))
	}))
	t.Cleanup(server.Close)
	s := newSuite(t)
	settings := s.settings(token.KindAuthorizationCode)
	settings.TokenEndpoint, settings.Code.Code = server.URL+"/access_token", seal.NewSecret("c-1")
	settings.ClientAuthentication = token.ClientSecretPost
	settings.Dialect = token.Dialect{
		RefreshEndpoint: server.URL + "/refresh_access_token", RefreshMethod: http.MethodGet, RefreshGrantType: "ig_refresh_token",
		FieldNames: map[string]string{"refresh_token": "access_token"}, RefreshTokenPath: "access_token",
	}
	first := s.obtain(settings, token.Grant{})
	require.Equal(t, "short", first.RefreshToken.Reveal())
	second := s.obtain(settings, token.Grant{RefreshToken: first.RefreshToken})
	third := s.obtain(settings, token.Grant{RefreshToken: second.RefreshToken})
	require.Equal(t, "long-2", third.AccessToken.Reveal())
	require.Equal(t, []string{
		"POST /access_token authorization_code c-1", "GET /refresh_access_token ig_refresh_token short", "GET /refresh_access_token ig_refresh_token long-1",
	}, seen)
}
