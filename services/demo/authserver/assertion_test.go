package authserver_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

const tokenURL = "https://as.example" + authserver.PathToken

// keyed returns a server with a client that has a key, and a function that signs claims with it. A nil claim is left out.
func keyed(t *testing.T) (*authserver.Server, func(change map[string]any) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	cfg := config()
	cfg.Users = map[string]string{"alice": "open sesame"}
	cfg.Clients = append(cfg.Clients, authserver.Client{ID: "keyed", PublicKey: public, Scopes: []string{"orders.read"}})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, nil)
	require.NoError(t, err)
	return newServer(t, cfg), func(change map[string]any) string {
		now := time.Now()
		claims := map[string]any{
			"iss": "keyed", "sub": "keyed", "aud": tokenURL, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text(),
		}
		maps.Copy(claims, change)
		payload, err := json.Marshal(claims)
		require.NoError(t, err)
		signed, err := signer.Sign(payload)
		require.NoError(t, err)
		text, err := signed.CompactSerialize()
		require.NoError(t, err)
		return text
	}
}

func withAssertion(assertion string) string {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"keyed"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}.Encode()
}

func TestClientAssertions(t *testing.T) {
	for name, tc := range map[string]struct {
		claims map[string]any
		status int
	}{
		"as it should be":   {nil, 200},
		"for the issuer":    {map[string]any{"aud": []string{"https://other.example", "https://as.example"}}, 200},
		"for somebody else": {map[string]any{"aud": "https://other.example"}, 401},
		"expired":           {map[string]any{"exp": time.Now().Add(-time.Second).Unix()}, 401},
		"too long":          {map[string]any{"exp": time.Now().Add(2 * time.Hour).Unix()}, 401},
		"from the future":   {map[string]any{"iat": time.Now().Add(5 * time.Minute).Unix()}, 401},
		"another subject":   {map[string]any{"sub": "alice"}, 401},
		"no id":             {map[string]any{"jti": nil}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			s, sign := keyed(t)
			res := post(s, authserver.PathToken, withAssertion(sign(tc.claims)))
			require.Equal(t, tc.status, res.status, res.body)
			require.Equal(t, authserver.AuthPrivateKeyJWT, s.Requests()[0].AuthMethod)
		})
	}
}

func TestAnAssertionCountsOnce(t *testing.T) {
	s, sign := keyed(t)
	assertion := sign(nil)
	require.Equal(t, http.StatusOK, post(s, authserver.PathToken, withAssertion(assertion)).status)
	require.Equal(t, http.StatusUnauthorized, post(s, authserver.PathToken, withAssertion(assertion)).status)
	require.NotContains(t, s.Requests()[0].Body.Get("client_assertion"), assertion)
}

func TestJWTBearerIssuesForTheSubject(t *testing.T) {
	s, sign := keyed(t)
	grant := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {"keyed"}, "assertion": {sign(map[string]any{"sub": "alice"})},
		"client_assertion": {sign(nil)}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	res := post(s, authserver.PathToken, grant.Encode())
	require.Equal(t, http.StatusOK, res.status, res.body)
	_, _, claims := decode(t, s, res.members(t)["access_token"].(string))
	require.Equal(t, "alice", claims["sub"])

	grant.Set("client_assertion", sign(nil))
	requireInvalidGrant(t, post(s, authserver.PathToken, grant.Encode()))
}

func TestPasswords(t *testing.T) {
	s, _ := keyed(t)
	res := token(s, "grant_type=password&username=alice&password=open+sesame&scope=orders.read")
	require.Equal(t, http.StatusOK, res.status, res.body)
	_, next := redeemed(t, s, res.members(t)["refresh_token"].(string))
	require.Empty(t, next)
	requireInvalidGrant(t, token(s, "grant_type=password&username=alice&password=open"))
	require.NotContains(t, s.Requests()[0].Body.Get("password"), "sesame")
	require.Contains(t, s.Secrets(), "open sesame")
}

func TestCodes(t *testing.T) {
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	const good = "&redirect_uri=https%3A%2F%2Fapp.example%2Fback&code_verifier=" + verifier
	for name, more := range map[string]string{
		"wrong redirect URI": "&redirect_uri=https%3A%2F%2Fevil.example&code_verifier=" + verifier,
		"no redirect URI":    "&code_verifier=" + verifier,
		"wrong verifier":     "&redirect_uri=https%3A%2F%2Fapp.example%2Fback&code_verifier=x" + verifier,
		"no verifier":        "&redirect_uri=https%3A%2F%2Fapp.example%2Fback",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, config())
			code, err := s.IssueCode(clientID, "alice", "https://app.example/back", challenge)
			require.NoError(t, err)
			requireInvalidGrant(t, token(s, "grant_type=authorization_code&code="+code+more))
		})
	}
	s := newServer(t, config())
	code, err := s.IssueCode(clientID, "alice", "https://app.example/back", challenge, "orders.read")
	require.NoError(t, err)
	res := token(s, "grant_type=authorization_code&code="+code+good)
	require.Equal(t, http.StatusOK, res.status, res.body)
	access, refresh := res.members(t)["access_token"].(string), res.members(t)["refresh_token"].(string)
	require.Equal(t, "orders.read", res.members(t)["scope"])
	require.True(t, active(t, s, access))

	requireInvalidGrant(t, token(s, "grant_type=authorization_code&code="+code+good))
	require.False(t, active(t, s, access), "RFC 6749 §4.1.2")
	requireInvalidGrant(t, redeem(s, refresh))
	require.Equal(t, 1, s.Stats().DoubleRedemptions)
	_, err = s.IssueCode("nobody", "alice", "", "")
	require.ErrorIs(t, err, authserver.ErrUnknownClient)
}

func TestTokenExchange(t *testing.T) {
	s := newServer(t, config())
	subject := token(s, "grant_type=client_credentials&scope=orders.read").members(t)["access_token"].(string)
	exchange := func(subject, more string) answer {
		return post(s, authserver.PathToken, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token="+subject+
			"&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"+more, basic("second", "second-secret"))
	}
	res := exchange(subject, "&audience=https%3A%2F%2Fdeep.example")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, "urn:ietf:params:oauth:token-type:access_token", res.members(t)["issued_token_type"])
	_, _, claims := decode(t, s, res.members(t)["access_token"].(string))
	require.Equal(t, clientID, claims["sub"])
	require.Equal(t, []any{"https://deep.example"}, claims["aud"])

	for _, refused := range []answer{exchange("unknown", ""), exchange(subject, "&actor_token=x"), exchange(subject, "&scope=orders.write")} {
		require.Equal(t, http.StatusBadRequest, refused.status, refused.body)
	}
}

func TestDialects(t *testing.T) {
	s := newServer(t, config())
	s.SetDialect(authserver.Dialect{
		Method: http.MethodPut, JSON: true, ScopeSeparator: ",", Names: map[string]string{"client_id": "app_id", "client_secret": "app_secret"},
	})
	s.SetQuirks(authserver.Quirks{
		ExpiresIn: authserver.ExpiresInMissing, ExpiresAt: authserver.ExpiresAtRFC3339, Names: map[string]string{"access_token": "accessToken"},
	})
	put := func(body string) answer {
		return post(s, authserver.PathToken, body, func(r *http.Request) {
			r.Method = http.MethodPut
			r.Header.Set("Content-Type", "application/json")
		})
	}
	res := put(`{"grant_type":"client_credentials","app_id":"second","app_secret":"second-secret","scope":"orders.read","audience":["a"]}`)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.NotContains(t, res.members(t), "access_token")
	require.NotEmpty(t, res.members(t)["accessToken"])
	require.NotEmpty(t, res.members(t)["expires_at"])
	for _, refused := range []string{`{"grant_type":"client_credentials","client_id":"second"}`, `[]`, `{"grant_type":1}`} {
		require.Equal(t, http.StatusBadRequest, put(refused).status)
	}

	s.SetDialect(authserver.Dialect{Method: http.MethodGet})
	s.SetQuirks(authserver.Quirks{})
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet,
		authserver.PathToken+"?grant_type=client_credentials&client_id=second&client_secret=second-secret", nil))
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	requests := s.Requests()
	require.NotContains(t, requests[len(requests)-1].Query.Encode(), "second-secret")
}
