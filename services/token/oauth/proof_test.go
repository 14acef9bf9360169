package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/possession"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/oauth"
)

// proving is a grant with a key.
func proving(t *testing.T) token.Grant {
	t.Helper()
	key, err := dpop.NewKey(dpop.ES256)
	require.NoError(t, err)
	return token.Grant{Key: key}
}

// TestProofGoesWithEveryAuthentication, each request with one of its own; servers refuse one that comes twice.
func TestProofGoesWithEveryAuthentication(t *testing.T) {
	s := newSuite(t, authserver.Client{ID: "app", Public: true, Scopes: []string{"read"}})
	s.auth.SetDPoPPolicy(authserver.DPoPPolicy{Required: true})
	grant := proving(t)
	for _, authentication := range []token.ClientAuthentication{token.ClientSecretBasic, token.ClientSecretPost, token.NoClientAuth} {
		settings := s.settings(token.KindClientCredentials)
		settings.ClientAuthentication = authentication
		settings.TokenEndpoint += "?tenant=7"
		if authentication == token.NoClientAuth {
			settings.ClientID, settings.ClientSecret = "app", seal.Secret{}
		}
		require.Equal(t, "DPoP", s.obtain(settings, grant).TokenType)
	}
	settings := s.settings(token.KindClientCredentials)
	settings.ClientSecret, settings.AlternateClientSecret = seal.NewSecret("old one"), seal.NewSecret(clientSecret)
	require.Equal(t, "DPoP", s.obtain(settings, grant).TokenType, "with the second secret, a second proof")
	failure := s.refused(s.settings(token.KindClientCredentials), token.Grant{})
	require.Equal(t, token.ClassConfiguration, failure.Class)
	require.Contains(t, failure.Message, "invalid_dpop_proof")
	require.Empty(t, s.last().Header.Get("Dpop"))
}

// TestChallenges are found in all the forms in which servers ask for a nonce.
func TestChallenges(t *testing.T) {
	for name, test := range map[string]struct {
		status       int
		nonce        string
		authenticate string
		body         string
		dialect      token.Dialect
		challenged   bool
		class        token.Class // of the answer as such
	}{
		"as RFC 9449 section 8 has it": {status: 400, nonce: "n", body: `{"error":"use_dpop_nonce"}`, challenged: true, class: token.ClassChallenged},
		"as a resource":                {status: 401, nonce: "n", authenticate: `DPoP error="use_dpop_nonce"`, challenged: true, class: token.ClassChallenged},
		"with status 401":              {status: 401, nonce: "n", body: `{"error":"use_dpop_nonce"}`, challenged: true, class: token.ClassChallenged},
		"with status 200":              {status: 200, nonce: "n", body: `{"ok":false,"error":"use_dpop_nonce"}`, challenged: true, class: token.ClassChallenged},
		"in a dialect":                 {status: 400, nonce: "n", body: `{"code":"N1"}`, dialect: token.Dialect{ErrorPath: "code", ErrorCodes: map[string]string{"N1": "use_dpop_nonce"}}, challenged: true, class: token.ClassChallenged},
		"without a nonce":              {status: 400, body: `{"error":"use_dpop_nonce"}`, class: token.ClassChallenged},
		"another error":                {status: 400, nonce: "n", body: `{"error":"invalid_grant"}`, class: token.ClassGrantDead},
		"a failure that says the like": {status: 503, nonce: "n", body: `{"error":"use_dpop_nonce"}`, class: token.ClassAmbiguous},
		"of another scheme":            {status: 401, nonce: "n", authenticate: `Bearer error="use_dpop_nonce"`, class: token.ClassClientBroken},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests++
				if test.nonce != "" {
					w.Header().Set("DPoP-Nonce", test.nonce)
				}
				if test.authenticate != "" {
					w.Header().Set("WWW-Authenticate", test.authenticate)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			settings := token.OAuth2{
				Grant: token.KindClientCredentials, TokenEndpoint: server.URL, ClientID: "c", ClientAuthentication: token.ClientSecretBasic,
				ClientSecret: seal.NewSecret("first one"), AlternateClientSecret: seal.NewSecret("second one"), Dialect: test.dialect,
			}
			client, grant := newClient(t, oauth.Config{}), proving(t)
			answer, err := client.Exchange(t.Context(), settings, grant)
			require.NoError(t, err)
			require.Equal(t, test.challenged, answer.Challenged)
			_, err = client.Read(answer, settings, grant)
			var failure *token.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, test.class, failure.Class)
			if test.challenged {
				require.Equal(t, 1, requests, "it says nothing of the secret")
			}
			answer, err = client.Exchange(t.Context(), settings, token.Grant{})
			require.NoError(t, err)
			require.False(t, answer.Challenged, "nothing was proved")
		})
	}
}

// TestPrepare asks for a nonce where one is needed and may be old, by a request that has nothing to redeem.
func TestPrepare(t *testing.T) {
	now := time.Now()
	s := newSuite(t)
	s.client = newClient(t, oauth.Config{Now: func() time.Time { return now }})
	seed, err := s.auth.IssueRefreshToken(clientID, "alice", "read")
	require.NoError(t, err)
	settings, grant := s.settings(token.KindRefreshToken), proving(t)
	settings.RefreshToken = seal.NewSecret(seed)
	prepared := func(settings token.OAuth2, grant token.Grant) (requests int) {
		t.Helper()
		before := s.auth.Stats().Requests
		require.NoError(t, s.client.Prepare(t.Context(), settings, grant))
		return s.auth.Stats().Requests - before
	}
	require.Zero(t, prepared(settings, token.Grant{}), "nothing is proved")
	require.Zero(t, prepared(s.settings(token.KindClientCredentials), grant), "nothing is redeemed")
	require.Equal(t, 1, prepared(settings, grant), "the server is not known")
	require.Equal(t, "refresh_token", s.last().Body.Get("grant_type"))
	require.Empty(t, s.last().Body.Get("refresh_token"))
	now = now.Add(time.Hour)
	require.Zero(t, prepared(settings, grant), "it gives no nonces")

	s.auth.SetDPoPPolicy(authserver.DPoPPolicy{Proof: possession.Policy{Nonce: time.Hour}})
	answer, err := s.client.Exchange(t.Context(), settings, grant)
	require.NoError(t, err)
	require.True(t, answer.Challenged, "now it does")
	require.Zero(t, prepared(settings, grant))
	now = now.Add(2 * time.Minute)
	require.Equal(t, 1, prepared(settings, grant))
	s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Status: 502, Count: 1})
	now = now.Add(2 * time.Minute)
	err = s.client.Prepare(t.Context(), settings, grant)
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, token.ClassNotSent, failure.Class)
	require.False(t, failure.Sent)
	require.True(t, strings.HasPrefix(failure.Message, "nothing was redeemed"), failure.Message)
	require.NotContains(t, failure.Message, seed)
}
