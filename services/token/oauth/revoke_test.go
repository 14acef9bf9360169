package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestRevoke(t *testing.T) {
	public, private := ed25519Key(t)
	s := newSuite(t, authserver.Client{ID: "keyed", PublicKey: public, Scopes: []string{"read"}})
	keyed := s.settings(token.KindClientCredentials)
	keyed.ClientID, keyed.ClientAuthentication = "keyed", token.PrivateKeyJWT
	keyed.SigningKey = token.SigningKey{PrivateKey: seal.NewSecret(private)}
	changed := s.settings(token.KindClientCredentials)
	changed.ClientSecret, changed.AlternateClientSecret = seal.NewSecret(other), changed.ClientSecret
	for name, settings := range map[string]token.OAuth2{
		"secret": s.settings(token.KindClientCredentials), "key": keyed, "second secret": changed,
	} {
		t.Run(name, func(t *testing.T) {
			issued := s.obtain(settings, token.Grant{})
			jti := s.auth.Issued()[len(s.auth.Issued())-1].JTI
			require.False(t, s.auth.Revoked(jti))
			require.NoError(t, s.client.Revoke(t.Context(), settings, issued.AccessToken, oauth.HintAccessToken))
			require.True(t, s.auth.Revoked(jti))
			require.NoError(t, s.client.Revoke(t.Context(), settings, issued.AccessToken, ""), "again")
			require.NoError(t, s.client.Revoke(t.Context(), settings, seal.NewSecret("unknown"), oauth.HintRefreshToken))
		})
	}
}

func TestRevocationFails(t *testing.T) {
	var status int
	var header, body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", header)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	client := newClient(t, oauth.Config{})
	settings := token.OAuth2{ClientID: clientID, ClientAuthentication: token.NoClientAuth, Provider: token.Provider{RevocationEndpoint: server.URL}}
	for _, tc := range []struct {
		status       int
		header, body string
		want         token.Class // empty: revoked
	}{
		{200, "", "", ""},
		{204, "", "", ""},
		{200, "", `{"ok":true}`, ""},
		{400, "", `{"error":"invalid_token"}`, ""},
		{400, "", `{"error":"unsupported_token_type"}`, token.ClassConfiguration},
		{200, "", `<html>`, token.ClassConfiguration},
		{200, "", `{"ok":false,"error":"invalid_client"}`, token.ClassClientBroken},
		{404, "", "", token.ClassConfiguration},
		{503, "5", "", token.ClassThrottled},
		{500, "", "", token.ClassAmbiguous},
		{400, "", `{"error":"x","error_description":"the-revoked-token is odd"}`, token.ClassConfiguration},
	} {
		status, header, body = tc.status, tc.header, tc.body
		err := client.Revoke(t.Context(), settings, seal.NewSecret("the-revoked-token"), "")
		if tc.want == "" {
			require.NoError(t, err)
			continue
		}
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, tc.want, failure.Class, failure.Message)
		requireNoSecrets(t, err.Error(), "the-revoked-token")
	}
	settings.Provider.RevocationEndpoint = ""
	var failure *token.Failure
	require.ErrorAs(t, client.Revoke(t.Context(), settings, seal.NewSecret("x"), ""), &failure)
	require.Equal(t, token.ClassConfiguration, failure.Class)
	require.Contains(t, failure.Message, "revocation endpoint")
}
