package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

// idToken has no signature that anybody would accept: none is looked at.
func idToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
}

func TestIDToken(t *testing.T) {
	client := newClient(t, oauth.Config{})
	settings := token.OAuth2{
		Grant: token.KindAuthorizationCode, ClientID: "photoprint", Issuer: "https://as.example",
		Code:     token.AuthorizationCode{Code: seal.NewSecret("c"), Nonce: seal.NewSecret("the nonce")},
		Captures: []token.Capture{{Name: "host", Path: "instance.host"}, {Name: "none", Path: "nothing"}},
	}
	read := func(id string, s token.OAuth2, g token.Grant) (token.Issued, error) {
		body, err := json.Marshal(map[string]any{
			"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": id, "instance": map[string]any{"host": "eu7.example"},
		})
		require.NoError(t, err)
		now := time.Now()
		return client.Read(token.Answer{HTTPStatus: 200, ContentType: "application/json", Body: body, StartTime: now, EndTime: now}, s, g)
	}
	claims := func(change func(map[string]any)) string {
		c := map[string]any{"iss": "https://as.example", "aud": "photoprint", "nonce": "the nonce"}
		change(c)
		return idToken(t, c)
	}
	for name, good := range map[string]string{
		"plain":     claims(func(map[string]any) {}),
		"audiences": claims(func(c map[string]any) { c["aud"] = []string{"other", "photoprint"} }),
		"none":      "",
	} {
		issued, err := read(good, settings, token.Grant{})
		require.NoError(t, err, name)
		require.Equal(t, map[string]string{"host": "eu7.example"}, issued.Captured)
	}
	bad := map[string]string{
		"nonce":       claims(func(c map[string]any) { c["nonce"] = "another" }),
		"no nonce":    claims(func(c map[string]any) { delete(c, "nonce") }),
		"audience":    claims(func(c map[string]any) { c["aud"] = []string{"other"} }),
		"issuer":      claims(func(c map[string]any) { c["iss"] = "https://evil.example" }),
		"no JWT":      "e30.e30",
		"no document": "a.b.c",
	}
	for name, id := range bad {
		_, err := read(id, settings, token.Grant{})
		var failure *token.Failure
		require.ErrorAs(t, err, &failure, name)
		require.Equal(t, token.ReasonIDTokenRefused, failure.Reason)
		require.Equal(t, token.ClassGrantDead, failure.Class)
		require.NotContains(t, failure.Message, "the nonce")

		_, err = read(id, settings, token.Grant{RefreshToken: seal.NewSecret("r")})
		require.NoError(t, err, "that of a refresh is not looked at")
		without := settings
		without.Code.Nonce = seal.Secret{}
		_, err = read(id, without, token.Grant{})
		require.NoError(t, err, "nobody asked for one")
	}
}
