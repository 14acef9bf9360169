package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestPush(t *testing.T) {
	public, private := ed25519Key(t)
	s := newSuite(t, authserver.Client{ID: "keyed", PublicKey: public, Scopes: []string{"read"}})
	secret := s.settings(token.KindAuthorizationCode)
	endpoint := s.url + authserver.PathPush
	secret.PushEndpoint = endpoint
	keyed := secret
	keyed.ClientID, keyed.ClientAuthentication = "keyed", token.PrivateKeyJWT
	keyed.SigningKey = token.SigningKey{PrivateKey: seal.NewSecret(private), Audience: s.settings(token.KindAuthorizationCode).TokenEndpoint}
	for name, settings := range map[string]token.OAuth2{"secret": secret, "key": keyed} {
		reference, lifetime, err := s.client.Push(t.Context(), settings, map[string]string{
			"response_type": "code", "client_id": settings.ClientID, "redirect_uri": "https://app.example/", "state": "s",
		})
		require.NoError(t, err, name)
		require.Contains(t, reference.Reveal(), "urn:ietf:params:oauth:request_uri:")
		require.Equal(t, time.Minute, lifetime)
	}
	secret.ClientSecret = seal.NewSecret("wrong")
	_, _, err := s.client.Push(t.Context(), secret, nil)
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, token.ReasonClientBroken, failure.Reason)
}

func TestPushFails(t *testing.T) {
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	client := newClient(t, oauth.Config{})
	settings := token.OAuth2{ClientID: clientID, ClientAuthentication: token.NoClientAuth, PushEndpoint: server.URL}
	for _, tc := range []struct {
		status int
		body   string
		want   token.Class // empty: pushed
	}{
		{201, `{"request_uri":"urn:x:1","expires_in":90}`, ""},
		{200, `{"request_uri":"urn:x:1"}`, ""},
		{201, `{"expires_in":90}`, token.ClassConfiguration},
		{400, `{"error":"invalid_request","request_uri":"urn:x:1"}`, token.ClassConfiguration},
		{429, ``, token.ClassThrottled},
		{200, `<html>`, token.ClassConfiguration},
	} {
		status, body = tc.status, tc.body
		_, _, err := client.Push(t.Context(), settings, map[string]string{"state": "s"})
		if tc.want == "" {
			require.NoError(t, err, body)
			continue
		}
		var failure *token.Failure
		require.ErrorAs(t, err, &failure, body)
		require.Equal(t, tc.want, failure.Class, body)
	}
	settings.PushEndpoint = "not a URL"
	_, _, err := client.Push(t.Context(), settings, nil)
	require.Error(t, err)
}
