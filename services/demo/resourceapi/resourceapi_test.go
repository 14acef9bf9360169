package resourceapi_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://as.example"
	audience = "https://api.example"
)

func newAuthServer(t *testing.T) *authserver.Server {
	t.Helper()
	s, err := authserver.New(authserver.Config{
		Issuer: issuer,
		Clients: []authserver.Client{
			{ID: "shop", Secrets: []string{"shop-secret"}, Scopes: []string{"orders.read", "orders.write"}, Audiences: []string{audience, "https://other.example"}},
		},
	})
	require.NoError(t, err)
	return s
}

func newAPI(t *testing.T, cfg resourceapi.Config) *resourceapi.API {
	t.Helper()
	a, err := resourceapi.New(cfg)
	require.NoError(t, err)
	return a
}

func guarded(keys resourceapi.KeySource) resourceapi.Config {
	return resourceapi.Config{Keys: keys, Issuer: issuer, Audience: audience, RequiredScope: "orders.write"}
}

// accessToken asks the authorization server for a token; extra is further form parameters.
func accessToken(t *testing.T, s *authserver.Server, extra string) string {
	t.Helper()
	body := "grant_type=client_credentials&client_id=shop&client_secret=shop-secret" + extra
	r := httptest.NewRequest(http.MethodPost, authserver.PathToken, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, r)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	var res struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &res))
	return res.AccessToken
}

func call(a *resourceapi.API, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	a.Handler().ServeHTTP(rec, r)
	return rec
}

func order(a *resourceapi.API, token string) *httptest.ResponseRecorder {
	return call(a, http.MethodPatch, "/orders/7", "", "Authorization", "Bearer "+token)
}

func TestAValidTokenIsAccepted(t *testing.T) {
	as := newAuthServer(t)
	a := newAPI(t, guarded(as))
	token := accessToken(t, as, "")
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead} {
		rec := call(a, method, "/orders/7?x=1", `{"id":"e-`+method+`"}`, "Authorization", "bearer "+token)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	}
	require.Equal(t, map[string]int{"e-GET": 1, "e-POST": 1, "e-PUT": 1, "e-PATCH": 1, "e-DELETE": 1, "e-HEAD": 1}, a.Delivered())
	received := a.Received()
	require.Len(t, received, 6)
	require.Equal(t, "/orders/7", received[0].Path)
	require.Equal(t, "1", received[0].Query.Get("x"))
	require.JSONEq(t, `{"id":"e-GET"}`, string(received[0].Body))
	require.Equal(t, as.Issued()[0].JTI, received[0].JTI)
	require.Equal(t, as.Issued()[0].Fingerprint, received[0].TokenFingerprint)
	require.InDelta(t, 5*time.Second, received[0].ValidFor, float64(4*time.Second))
	require.NotContains(t, fmt.Sprint(received), token)
	stats := a.Stats()
	require.Equal(t, 6, stats.Received)
	require.Equal(t, 6, stats.Accepted)
	require.Zero(t, stats.Unauthorized)
	require.Zero(t, stats.InFlight)
	require.Equal(t, 1, stats.MaxInFlight)
}

func TestExpiryHasNoLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(123456 * time.Microsecond) // away from a whole second
		as := newAuthServer(t)
		a := newAPI(t, guarded(as))
		token := accessToken(t, as, "")
		time.Sleep(5*time.Second - time.Nanosecond)
		require.Equal(t, http.StatusOK, order(a, token).Code)
		time.Sleep(time.Nanosecond)
		rec := order(a, token)
		require.Equal(t, http.StatusUnauthorized, rec.Code)
		require.Equal(t, `Bearer realm="orders", error="invalid_token", error_description="the token expired"`, rec.Header().Get("WWW-Authenticate"))
		require.Equal(t, map[resourceapi.Cause]int{resourceapi.CauseExpired: 1}, a.Stats().Refused)
		received := a.Received()
		require.Equal(t, time.Nanosecond, received[0].ValidFor)
		require.Zero(t, received[1].ValidFor)
	})
}

// signed makes a token with a key of the test's own.
func signed(t *testing.T, key *ecdsa.PrivateKey, keyID, typ, payload string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader(jose.HeaderKey("kid"), keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	require.NoError(t, err)
	object, err := signer.Sign([]byte(payload))
	require.NoError(t, err)
	token, err := object.CompactSerialize()
	require.NoError(t, err)
	return token
}

// oneKey is a key source with one key, or none but an error.
type oneKey struct {
	key jose.JSONWebKey
	err error
}

func (o oneKey) Keys(_ context.Context, keyID string) ([]jose.JSONWebKey, error) {
	if o.err != nil || keyID != o.key.KeyID {
		return nil, o.err
	}
	return []jose.JSONWebKey{o.key}, nil
}

func TestBadTokensAreRefusedWithTheirCause(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	source := oneKey{key: jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, (&jose.SignerOptions{}).WithType("at+jwt"))
	require.NoError(t, err)
	object, err := hmac.Sign([]byte(`{}`))
	require.NoError(t, err)
	symmetric, err := object.CompactSerialize()
	require.NoError(t, err)

	claims := func(iss, aud, scope, exp string) string {
		return fmt.Sprintf(`{"iss":%q,"aud":%q,"scope":%q,"exp":%s,"jti":"j"}`, iss, aud, scope, exp)
	}
	const far = "4102444800"
	good := claims(issuer, audience, "a orders.write b", far)
	sign := func(payload string) string { return signed(t, key, "k1", "at+jwt", payload) }
	valid := sign(good)
	for name, tc := range map[string]struct {
		authorization []string
		status        int
		cause         resourceapi.Cause
	}{
		"valid":              {[]string{"Bearer " + valid}, 200, ""},
		"valid, long typ":    {[]string{"Bearer " + signed(t, key, "k1", "application/at+jwt", good)}, 200, ""},
		"none":               {nil, 401, resourceapi.CauseMissing},
		"Basic":              {[]string{"Basic eDp5"}, 401, resourceapi.CauseMissing},
		"two headers":        {[]string{"Bearer " + valid, "Bearer " + valid}, 401, resourceapi.CauseMalformed},
		"empty":              {[]string{"Bearer "}, 401, resourceapi.CauseMalformed},
		"opaque":             {[]string{"Bearer abc"}, 401, resourceapi.CauseMalformed},
		"other algorithm":    {[]string{"Bearer " + symmetric}, 401, resourceapi.CauseMalformed},
		"other type":         {[]string{"Bearer " + signed(t, key, "k1", "JWT", good)}, 401, resourceapi.CauseMalformed},
		"claims not JSON":    {[]string{"Bearer " + sign("x")}, 401, resourceapi.CauseMalformed},
		"no exp":             {[]string{"Bearer " + sign(`{"iss":"https://as.example","aud":"https://api.example","scope":"orders.write"}`)}, 401, resourceapi.CauseMalformed},
		"exp with exponent":  {[]string{"Bearer " + sign(claims(issuer, audience, "orders.write", "4e9"))}, 401, resourceapi.CauseMalformed},
		"negative exp":       {[]string{"Bearer " + sign(claims(issuer, audience, "orders.write", "-1"))}, 401, resourceapi.CauseMalformed},
		"long fraction":      {[]string{"Bearer " + sign(claims(issuer, audience, "orders.write", far+".1234567891"))}, 401, resourceapi.CauseMalformed},
		"unknown key":        {[]string{"Bearer " + signed(t, key, "k2", "at+jwt", good)}, 401, resourceapi.CauseWrongKey},
		"wrong signature":    {[]string{"Bearer " + signed(t, other, "k1", "at+jwt", good)}, 401, resourceapi.CauseSignature},
		"other issuer":       {[]string{"Bearer " + sign(claims("https://evil.example", audience, "orders.write", far))}, 401, resourceapi.CauseIssuer},
		"other audience":     {[]string{"Bearer " + sign(claims(issuer, "https://evil.example", "orders.write", far))}, 401, resourceapi.CauseAudience},
		"expired":            {[]string{"Bearer " + sign(claims(issuer, audience, "orders.write", "1700000000.5"))}, 401, resourceapi.CauseExpired},
		"other scope":        {[]string{"Bearer " + sign(claims(issuer, audience, "orders.writer", far))}, 403, resourceapi.CauseScope},
		"expired, bad scope": {[]string{"Bearer " + sign(claims(issuer, audience, "", "1700000000"))}, 401, resourceapi.CauseExpired},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, guarded(source))
			var header []string
			for _, value := range tc.authorization {
				header = append(header, "Authorization", value)
			}
			rec := call(a, http.MethodGet, "/orders/7", "", header...)
			require.Equal(t, tc.status, rec.Code, rec.Body.String())
			if tc.cause == "" {
				require.Equal(t, 1, a.Stats().Accepted)
				return
			}
			challenge := rec.Header().Get("WWW-Authenticate")
			require.True(t, strings.HasPrefix(challenge, "Bearer "), challenge)
			require.Equal(t, tc.cause != resourceapi.CauseMissing, strings.Contains(challenge, "error="), challenge)
			require.Equal(t, map[resourceapi.Cause]int{tc.cause: 1}, a.Stats().Refused)
			require.Equal(t, tc.cause, a.Received()[0].Cause)
			require.Empty(t, a.Delivered())
			require.Equal(t, tc.status == 401, a.Stats().Unauthorized == 1)
			require.Equal(t, tc.status == 403, a.Stats().Forbidden == 1)
		})
	}
}

func TestInsufficientScopeNamesTheScope(t *testing.T) {
	as := newAuthServer(t)
	rec := order(newAPI(t, guarded(as)), accessToken(t, as, "&scope=orders.read"))
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Equal(t, `Bearer realm="orders", error="insufficient_scope", scope="orders.write"`, rec.Header().Get("WWW-Authenticate"))
}

func TestUnreachableKeysAreNotTheCallersFault(t *testing.T) {
	as := newAuthServer(t)
	a := newAPI(t, guarded(oneKey{err: errors.New("down")}))
	rec := order(a, accessToken(t, as, ""))
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
	require.Equal(t, map[resourceapi.Cause]int{resourceapi.CauseKeysUnavailable: 1}, a.Stats().Refused)
}

func TestWithoutConfigurationEverythingIsRefused(t *testing.T) {
	as := newAuthServer(t)
	a := newAPI(t, resourceapi.Config{})
	require.Equal(t, http.StatusUnauthorized, order(a, accessToken(t, as, "")).Code)
	require.Equal(t, http.StatusUnauthorized, call(a, http.MethodGet, "/basic/1", "", "Authorization", "Basic Og==").Code)
	require.Equal(t, http.StatusUnauthorized, call(a, http.MethodGet, "/apikey/1", "", "X-Api-Key", "").Code)
}

func TestRevokedTokensAreRefusedThoughValid(t *testing.T) {
	as := newAuthServer(t)
	cfg := guarded(as)
	cfg.Revoked = as.Revoked
	a := newAPI(t, cfg)
	here, there := accessToken(t, as, ""), accessToken(t, as, "")
	require.Equal(t, http.StatusOK, order(a, here).Code)
	require.Equal(t, http.StatusOK, order(a, there).Code)

	a.RevokeToken(as.Issued()[0].JTI)
	require.Equal(t, http.StatusUnauthorized, order(a, here).Code)
	require.Equal(t, http.StatusOK, order(a, there).Code)

	r := httptest.NewRequest(http.MethodPost, authserver.PathRevoke, strings.NewReader("client_id=shop&client_secret=shop-secret&token="+there))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	as.Handler().ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, http.StatusUnauthorized, order(a, there).Code)
	require.Equal(t, map[resourceapi.Cause]int{resourceapi.CauseRevoked: 2}, a.Stats().Refused)
}

func TestKeySetIsFetchedAndFollowsRotation(t *testing.T) {
	as := newAuthServer(t)
	fetches := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches++
		as.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	now := time.Now()
	keys := resourceapi.NewJWKS(srv.URL+authserver.PathJWKS, srv.Client(), func() time.Time { return now })
	a := newAPI(t, guarded(keys))
	require.Equal(t, http.StatusOK, order(a, accessToken(t, as, "")).Code)
	require.Equal(t, http.StatusOK, order(a, accessToken(t, as, "")).Code)
	require.Equal(t, 1, fetches)

	require.NoError(t, as.RotateKey())
	require.Equal(t, http.StatusUnauthorized, order(a, accessToken(t, as, "")).Code)
	require.Equal(t, 1, fetches, "unknown keys must not cause more than a fetch a second")
	now = now.Add(time.Second)
	require.Equal(t, http.StatusOK, order(a, accessToken(t, as, "")).Code)
	require.Equal(t, 2, fetches)
}

func TestKeySetErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("<html>"))
	}))
	defer srv.Close()
	for _, path := range []string{"/missing", "/page"} {
		_, err := resourceapi.NewJWKS(srv.URL+path, srv.Client(), nil).Keys(t.Context(), "k")
		require.ErrorContains(t, err, "fetch key set")
	}
}

func TestConcurrentCalls(t *testing.T) {
	as := newAuthServer(t)
	as.SetTokenLifetime(time.Hour)
	a := newAPI(t, guarded(as))
	token := accessToken(t, as, "")
	const workers, each = 8, 25
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := range each {
				call(a, http.MethodPost, "/orders/7", "", "Authorization", "Bearer "+token, "Idempotency-Key", fmt.Sprintf("%d-%d", worker, i))
				a.SetBasic("ann", fmt.Sprint(i))
				a.SetAPIKey("X-Api-Key", fmt.Sprint(i))
				a.RevokeToken(fmt.Sprint(i))
				a.Stats()
				a.Received()
				a.Delivered()
			}
		})
	}
	wg.Wait()
	require.Equal(t, workers*each, a.Stats().Accepted)
	require.Len(t, a.Delivered(), workers*each)
}
