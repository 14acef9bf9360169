package token

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestTheHeaderOfAnAccessToken(t *testing.T) {
	for name, tc := range map[string]struct {
		dialect    Dialect
		key, value string
	}{
		"as its type says":   {Dialect{}, "Authorization", "DPoP at"},
		"with a scheme":      {Dialect{AuthorizationScheme: "Zoho-oauthtoken"}, "Authorization", "Zoho-oauthtoken at"},
		"in its own header":  {Dialect{AccessTokenHeader: "X-Shopify-Access-Token"}, "X-Shopify-Access-Token", "at"},
		"own header, scheme": {Dialect{AccessTokenHeader: "X-Token", AuthorizationScheme: "Token"}, "X-Token", "at"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Settings{
				OAuth2:     OAuth2{Dialect: tc.dialect},
				Invocation: Fields{Headers: []Field{{Key: "x-shopify-access-token", Value: seal.NewSecret("mine")}, {Key: "authorization", Value: seal.NewSecret("mine")}}},
			}
			c := s.bearer(Issued{AccessToken: seal.NewSecret("at"), RefreshToken: seal.NewSecret("rt"), TokenType: "DPoP"})
			require.Equal(t, tc.key, c.HTTP.Headers[0].Key)
			require.Equal(t, tc.value, c.HTTP.Headers[0].Value.Reveal())
			require.Equal(t, "at", c.AccessToken.Reveal())
			require.Equal(t, "rt", c.RefreshToken.Reveal())
			for _, field := range c.HTTP.Headers[1:] {
				require.NotEqual(t, tc.key, http.CanonicalHeaderKey(field.Key))
			}
		})
	}
}
