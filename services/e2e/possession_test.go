package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/possession"
)

// bound is the OAuth 2.0 connection with tokens bound to a key.
func (s *scene) bound() map[string]any {
	settings := s.oauth2()
	settings["oauth2"].(map[string]any)["dpop"] = map[string]any{"algorithm": "ES256"}
	return settings
}

// keyOf is the thumbprint of the key that an access token says it is bound to; empty if it says nothing.
func keyOf(accessToken string) string {
	var claims struct {
		Confirmation struct {
			Thumbprint string `json:"jkt"`
		} `json:"cnf"`
	}
	_, rest, _ := strings.Cut(accessToken, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if text, err := base64.RawURLEncoding.DecodeString(payload); err == nil {
		_ = json.Unmarshal(text, &claims)
	}
	return claims.Confirmation.Thumbprint
}

// testBoundTokens delivers to an API that takes bound tokens only, each with a proof that has the API's nonce; the authorization server wants the
// like.
func testBoundTokens(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.auth.SetDPoPPolicy(authserver.DPoPPolicy{Required: true, Proof: possession.Policy{Nonce: time.Minute}})
	checker := possession.New(possession.Policy{Nonce: time.Minute}, nil)
	var taken, challenged, refused atomic.Int32
	s.apiSite = newSite(t, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("DPoP-Nonce", checker.Nonce())
		scheme, access, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		thumbprint, refusal := checker.Check(r, "http://"+r.Host+r.URL.Path, access)
		switch {
		case refusal != nil && refusal.Code == possession.ErrorUseNonce:
			challenged.Add(1)
			out.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			out.WriteHeader(http.StatusUnauthorized)
		case refusal != nil, scheme != "DPoP", thumbprint != keyOf(access):
			refused.Add(1)
			out.WriteHeader(http.StatusForbidden)
		default:
			taken.Add(1)
		}
	}))
	s.connect(t, "crm", s.bound())
	s.destine(t, "orders", "crm", "/orders/*", nil)
	for range 2 {
		require.Len(t, s.deliver(t, "orders", "1").Attempts, 1)
	}
	var refreshed boundToken
	s.ok(t, http.MethodPost, s.token("crm")+":refresh", nil, &refreshed)
	require.Equal(t, "DPoP", refreshed.TokenType)
	require.NotEmpty(t, refreshed.DPoP.Thumbprint)
	require.Equal(t, keyOf(refreshed.AccessToken), refreshed.DPoP.Thumbprint)
	d := s.deliver(t, "orders", "2")
	require.Len(t, d.Attempts, 1)
	require.Equal(t, refreshed.Generation, d.Attempts[0].TokenGeneration)
	require.EqualValues(t, 3, taken.Load())
	require.EqualValues(t, 1, challenged.Load(), "its nonce is remembered")
	require.Zero(t, refused.Load())
	require.Equal(t, refreshed.Generation, s.current(t, "crm").Generation, "a challenge refuses no token")

	var made struct{ Proof, Fingerprint string }
	s.ok(t, http.MethodPost, s.token("crm")+":createDpopProof", map[string]any{
		"httpMethod": "GET", "url": "https://api.example/me", "nonce": checker.Nonce(), "fingerprint": refreshed.Fingerprint,
	}, &made)
	r := httptest.NewRequest(http.MethodGet, "https://api.example/me", nil)
	r.Header.Set("DPoP", made.Proof)
	thumbprint, refusal := checker.Check(r, "https://api.example/me", refreshed.AccessToken)
	require.Nil(t, refusal)
	require.Equal(t, refreshed.DPoP.Thumbprint, thumbprint)
	s.problem(t, http.MethodPost, s.token("crm")+":createDpopProof", map[string]any{
		"httpMethod": "GET", "url": "https://api.example/me", "fingerprint": strings.Repeat("0", 32),
	}, http.StatusBadRequest, "TOKEN_SUPERSEDED")
}

// boundToken is a token with what says that it is bound.
type boundToken struct {
	Generation  int64 `json:",string"`
	TokenType   string
	AccessToken string
	Fingerprint string
	DPoP        struct {
		Thumbprint string `json:"jwkThumbprint"`
	} `json:"dpop"`
}
