package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

func TestClientCredentials(t *testing.T) {
	s := newSuite(t)
	settings := s.settings(token.KindClientCredentials)
	settings.Audience = "https://api.example"
	before := time.Now()

	issued := s.obtain(settings, token.Grant{})

	require.Equal(t, "Bearer", issued.TokenType)
	require.Equal(t, []string{"read"}, issued.Scopes)
	require.True(t, issued.RefreshToken.IsZero())
	require.WithinDuration(t, before.Add(time.Hour), issued.ExpireTime, 5*time.Second)
	require.Equal(t, "https://api.example", s.last().Body.Get("audience"))
	require.Equal(t, []string{"https://api.example"}, s.auth.Issued()[0].Audience)
}

func TestRefreshTokensFollowEachOther(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.auth.SetRefreshPolicy(authserver.RefreshPolicy{Rotation: authserver.SingleUse}))
	imported, err := s.auth.IssueRefreshToken(clientID, "alice", "read", "write")
	require.NoError(t, err)
	settings := s.settings(token.KindRefreshToken)
	settings.RefreshToken = seal.NewSecret(imported)

	first := s.obtain(settings, token.Grant{})
	require.NotEqual(t, imported, first.RefreshToken.Reveal())
	second := s.obtain(settings, token.Grant{RefreshToken: first.RefreshToken})
	require.NotEqual(t, first.RefreshToken.Reveal(), second.RefreshToken.Reveal())
	require.Equal(t, authserver.Fingerprint(first.RefreshToken.Reveal()), s.last().Body.Get("refresh_token"))
	require.Equal(t, "read", s.last().Body.Get("scope"), "narrowed, RFC 6749 section 6")
	require.Zero(t, s.auth.Stats().DoubleRedemptions)

	failure := s.refused(settings, token.Grant{})
	require.Equal(t, token.ClassGrantDead, failure.Class, "the imported one is spent")
}

func TestACodeIsRedeemedAndThenItsRefreshToken(t *testing.T) {
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	sum := sha256.Sum256([]byte(verifier))
	s := newSuite(t)
	require.NoError(t, s.auth.SetRefreshPolicy(authserver.RefreshPolicy{Rotation: authserver.SingleUse}))
	code, err := s.auth.IssueCode(clientID, "alice", "https://app.example/back", base64.RawURLEncoding.EncodeToString(sum[:]), "read")
	require.NoError(t, err)
	settings := s.settings(token.KindAuthorizationCode)
	settings.Code = token.AuthorizationCode{
		Code: seal.NewSecret(code), RedirectURI: "https://app.example/back", CodeVerifier: seal.NewSecret(verifier),
	}

	first := s.obtain(settings, token.Grant{})
	require.False(t, first.RefreshToken.IsZero())
	require.NotContains(t, s.last().Body, "scope", "it was asked for in the authorization request")
	second := s.obtain(settings, token.Grant{RefreshToken: first.RefreshToken})
	require.False(t, second.RefreshToken.IsZero())
	require.Equal(t, "refresh_token", s.last().Body.Get("grant_type"))
	require.Zero(t, s.auth.Stats().DoubleRedemptions)
}

func TestJWTBearer(t *testing.T) {
	public, private := ed25519Key(t)
	s := newSuite(t, authserver.Client{ID: "keyed", PublicKey: public, Public: true, Scopes: []string{"read", "write"}})
	settings := s.settings(token.KindJWTBearer)
	settings.ClientID, settings.ClientAuthentication = "keyed", token.NoClientAuth
	settings.SigningKey = token.SigningKey{PrivateKey: seal.NewSecret(private), KeyID: "k1"}
	settings.Assertion = token.JWTAssertion{Subject: "alice", Lifetime: 10 * time.Minute}

	s.obtain(settings, token.Grant{})
	s.obtain(settings, token.Grant{}) // with an id of its own
	require.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", s.last().Body.Get("grant_type"))

	settings.Assertion = token.JWTAssertion{Audience: s.url, Claims: `{"sub":"bob","scope":"write","jti":"fixed","big":12345678901234567890,"iss":null}`}
	settings.Scopes = nil
	issued := s.obtain(settings, token.Grant{})
	require.Equal(t, []string{"write"}, issued.Scopes)

	settings.Assertion.Claims = `{"sub":`
	failure := s.refused(settings, token.Grant{})
	require.Equal(t, token.ClassConfiguration, failure.Class)
	require.Contains(t, failure.Message, "assertion.claims")
	require.False(t, failure.Sent)
}

func TestTokenExchange(t *testing.T) {
	s := newSuite(t)
	subject := s.obtain(s.settings(token.KindClientCredentials), token.Grant{})
	settings := s.settings(token.KindTokenExchange)
	settings.Exchange = token.TokenExchange{
		SubjectToken: subject.AccessToken, ActorToken: subject.AccessToken, ActorTokenType: "urn:ietf:params:oauth:token-type:access_token",
		RequestedTokenType: "urn:ietf:params:oauth:token-type:access_token", Resources: []string{"https://one.example", "https://two.example"},
	}
	s.obtain(settings, token.Grant{})
	require.Equal(t, []string{"https://one.example", "https://two.example"}, s.last().Body["resource"])
	require.Equal(t, "urn:ietf:params:oauth:token-type:access_token", s.last().Body.Get("subject_token_type"))
	require.Equal(t, "urn:ietf:params:oauth:grant-type:token-exchange", s.auth.Issued()[1].GrantType)
}

func TestPassword(t *testing.T) {
	s := newSuite(t)
	settings := s.settings(token.KindPassword)
	settings.ResourceOwner = token.ResourceOwner{Username: "alice", Password: seal.NewSecret(password)}
	s.obtain(settings, token.Grant{})
	settings.ResourceOwner.Password = seal.NewSecret("wrong")
	require.Equal(t, token.ClassGrantDead, s.refused(settings, token.Grant{}).Class)
}

func TestWhatCannotBeAskedIsNotSent(t *testing.T) {
	s := newSuite(t)
	for name, tc := range map[string]struct {
		change func(*token.OAuth2)
		class  token.Class
		says   string
	}{
		"no refresh token":     {func(o *token.OAuth2) { o.Grant = token.KindRefreshToken }, token.ClassConfiguration, "refresh token"},
		"no code":              {func(o *token.OAuth2) { o.Grant = token.KindAuthorizationCode }, token.ClassConfiguration, "authorization code"},
		"a static kind":        {func(o *token.OAuth2) { o.Grant = token.KindAPIKey }, token.ClassConfiguration, "API_KEY"},
		"no key":               {func(o *token.OAuth2) { o.ClientAuthentication = token.PrivateKeyJWT }, token.ClassClientBroken, "private key"},
		"no key for the grant": {func(o *token.OAuth2) { o.Grant = token.KindJWTBearer }, token.ClassClientBroken, "private key"},
		"no mutual TLS":        {func(o *token.OAuth2) { o.ClientAuthentication = token.TLSClientAuth }, token.ClassConfiguration, "mutual TLS"},
		"unknown authentication": {
			func(o *token.OAuth2) { o.ClientAuthentication = "MAGIC" }, token.ClassConfiguration, "MAGIC",
		},
		"no URL":           {func(o *token.OAuth2) { o.TokenEndpoint = "https://user:canary-secret@%zz" }, token.ClassConfiguration, "not a URL"},
		"no host":          {func(o *token.OAuth2) { o.TokenEndpoint = "/token" }, token.ClassConfiguration, "not a URL"},
		"unknown method":   {func(o *token.OAuth2) { o.Dialect.Method = "DELETE" }, token.ClassConfiguration, "DELETE"},
		"unknown encoding": {func(o *token.OAuth2) { o.Dialect.Encoding = "XML" }, token.ClassConfiguration, "XML"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := s.settings(token.KindClientCredentials)
			tc.change(&settings)
			failure := s.refused(settings, token.Grant{})
			require.Equal(t, tc.class, failure.Class)
			require.Equal(t, token.Reason(tc.class), failure.Reason)
			require.Contains(t, failure.Message, tc.says)
			require.False(t, failure.Sent)
			requireNoSecrets(t, failure.Message, "canary-secret")
		})
	}
	require.Zero(t, s.auth.Stats().Requests)
}
