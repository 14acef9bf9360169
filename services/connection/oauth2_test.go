package connection_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/keys"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// material is keys and certificates of a test.
type material struct{ signing, chain, key, otherKey string }

func newMaterial(t *testing.T) material {
	t.Helper()
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	m := material{signing: connectiontest.PrivateKey(t, signing, "canary")}
	m.chain, m.key = connectiontest.NewCertificate(t, time.Now().Add(time.Hour), "canary")
	_, m.otherKey = connectiontest.NewCertificate(t, time.Now().Add(time.Hour), "canary")
	return m
}

// with returns the settings of a grant and a client authentication with all that they need.
func (m material) with(grant connection.GrantType, authentication connection.ClientAuthentication) connection.Settings {
	s := oauth2()
	a := &s.OAuth2
	a.GrantType, a.ClientAuthentication = grant, authentication
	switch authentication {
	case connection.PrivateKeyJWT:
		a.SigningKey.PrivateKey = seal.NewSecret(m.signing)
	case connection.TLSClientAuth, connection.SelfSignedTLS:
		a.ClientCertificate = connection.ClientCertificate{Chain: m.chain, PrivateKey: seal.NewSecret(m.key)}
	default:
	}
	switch authentication {
	case connection.ClientSecretBasic, connection.ClientSecretBasicRaw, connection.ClientSecretPost:
	default:
		a.ClientSecret = seal.Secret{}
	}
	switch grant {
	case connection.RefreshToken:
		a.RefreshToken = seal.NewSecret("refresh")
	case connection.CodeGrant:
		a.Code = connection.AuthorizationCode{Code: seal.NewSecret("code"), RedirectURI: "https://app.example/cb", CodeVerifier: seal.NewSecret("verifier")}
	case connection.JWTBearer:
		a.SigningKey.PrivateKey = seal.NewSecret(m.signing)
	case connection.ExchangeGrant:
		a.Exchange.SubjectToken = seal.NewSecret("subject")
	case connection.PasswordGrant:
		a.ResourceOwner = connection.ResourceOwner{Username: "user", Password: seal.NewSecret("password")}
	case connection.ClientCredentials:
	}
	return s
}

func grants() []connection.GrantType {
	return []connection.GrantType{
		connection.ClientCredentials, connection.RefreshToken, connection.CodeGrant, connection.JWTBearer, connection.ExchangeGrant,
		connection.PasswordGrant,
	}
}

func authentications() []connection.ClientAuthentication {
	return []connection.ClientAuthentication{
		connection.ClientSecretBasic, connection.ClientSecretBasicRaw, connection.ClientSecretPost, connection.PrivateKeyJWT,
		connection.TLSClientAuth, connection.SelfSignedTLS, connection.NoClientAuth,
	}
}

// TestGrantsAndAuthentications combines all with all: what they need suffices, and each secret that they need is missed.
func TestGrantsAndAuthentications(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	for _, grant := range grants() {
		for _, authentication := range authentications() {
			s := m.with(grant, authentication)
			require.NoError(t, s.Validate(nil), "%s %s", grant, authentication)
			require.True(t, s.WithoutSecrets().KeepingSecrets(s).Equal(s))
			err := s.WithoutSecrets().Validate(nil)
			if grant == connection.ClientCredentials && authentication == connection.NoClientAuth {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "is required for")
		}
	}
}

// TestChangeOfAuthentication shows that secrets which are of no use any more do not stand in the way, and are forgotten.
func TestChangeOfAuthentication(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	for _, from := range authentications() {
		for _, to := range authentications() {
			stored := m.with(connection.ClientCredentials, from)
			wanted := m.with(connection.ClientCredentials, to)
			got := wanted.KeepingSecrets(stored)
			require.NoError(t, got.Validate(nil), "%s to %s", from, to)
			require.True(t, got.Equal(wanted))
		}
	}
	stored := m.with(connection.CodeGrant, connection.ClientSecretPost)
	next := stored.WithoutSecrets()
	next.OAuth2.Code.Code = seal.NewSecret("another")
	next = next.KeepingSecrets(stored)
	require.True(t, next.OAuth2.Code.CodeVerifier.IsZero(), "a verifier belongs to its code")
	same := stored.WithoutSecrets()
	same.OAuth2.Code.Code = stored.OAuth2.Code.Code
	require.True(t, same.KeepingSecrets(stored).Equal(stored))
}

func TestRemoveSecrets(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	stored := m.with(connection.ExchangeGrant, connection.ClientSecretBasic)
	stored.OAuth2.AlternateClientSecret = seal.NewSecret("alternate")
	stored.OAuth2.Exchange.ActorToken, stored.OAuth2.Exchange.ActorTokenType = seal.NewSecret("actor"), "urn:type"
	require.NoError(t, stored.Validate(nil))

	removed := []string{"oauth2.alternate_client_secret", "oauth2.client_secret", "oauth2.token_exchange.subject_token", "oauth2"}
	got := stored.WithoutSecrets().KeepingSecrets(stored, removed...)
	want := stored
	want.OAuth2.AlternateClientSecret = seal.Secret{}
	require.True(t, got.Equal(want), "what is required is kept")

	sent := stored.WithoutSecrets()
	sent.OAuth2.AlternateClientSecret = seal.NewSecret("new")
	require.Equal(t, "new", sent.KeepingSecrets(stored, removed...).OAuth2.AlternateClientSecret.Reveal())
}

func TestValidateOAuth2(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	const (
		cc, basic = connection.ClientCredentials, connection.ClientSecretBasic
		none      = connection.NoClientAuth
	)
	for name, tc := range map[string]struct {
		grant          connection.GrantType
		authentication connection.ClientAuthentication
		edit           func(*connection.OAuth2)
		field          string // "": valid
		says           string
	}{
		"secret without use":     {cc, none, func(a *connection.OAuth2) { a.ClientSecret = seal.NewSecret("x") }, "oauth2.client_secret", "CLIENT_SECRET_POST"},
		"alternate without use":  {cc, none, func(a *connection.OAuth2) { a.AlternateClientSecret = seal.NewSecret("x") }, "oauth2.alternate_client_secret", "CLIENT_SECRET_POST"},
		"two secrets":            {cc, basic, func(a *connection.OAuth2) { a.AlternateClientSecret = seal.NewSecret("x") }, "", ""},
		"colon in a raw id":      {cc, connection.ClientSecretBasicRaw, func(a *connection.OAuth2) { a.ClientID = "a:b" }, "oauth2.client_id", "colon"},
		"colon in an encoded id": {cc, basic, func(a *connection.OAuth2) { a.ClientID = "a:b" }, "", ""},
		"key without use":        {cc, basic, func(a *connection.OAuth2) { a.SigningKey.PrivateKey = seal.NewSecret(m.signing) }, "oauth2.signing_key.private_key", "PRIVATE_KEY_JWT"},
		"key id without use":     {cc, basic, func(a *connection.OAuth2) { a.SigningKey.KeyID = "x" }, "oauth2.signing_key", "PRIVATE_KEY_JWT"},
		"algorithm":              {cc, connection.PrivateKeyJWT, func(a *connection.OAuth2) { a.SigningKey.Algorithm = keys.RS256 }, "oauth2.signing_key.private_key", "there are EDDSA"},
		"no key at all":          {connection.JWTBearer, none, func(a *connection.OAuth2) { a.SigningKey.PrivateKey = seal.NewSecret("canary") }, "oauth2.signing_key.private_key", "JWK"},
		"audience of assertions": {cc, connection.PrivateKeyJWT, func(a *connection.OAuth2) { a.SigningKey.Audience = "x" }, "", ""},
		"audience of the grant":  {connection.JWTBearer, none, func(a *connection.OAuth2) { a.SigningKey.Audience = "x" }, "oauth2.signing_key.audience", "oauth2.assertion.audience"},
		"chain without use":      {cc, none, func(a *connection.OAuth2) { a.ClientCertificate.Chain = m.chain }, "oauth2.client_certificate", "TLS_CLIENT_AUTH"},
		"chain without key":      {cc, basic, func(a *connection.OAuth2) { a.ClientCertificate.Chain = m.chain }, "oauth2.client_certificate.private_key", "required"},
		"besides the secret": {cc, basic, func(a *connection.OAuth2) {
			a.ClientCertificate = connection.ClientCertificate{Chain: m.chain, PrivateKey: seal.NewSecret(m.key)}
		}, "", ""},
		"signed secret": {cc, connection.SignedClientSecret, func(a *connection.OAuth2) {
			a.SigningKey = connection.SigningKey{PrivateKey: seal.NewSecret(m.signing), Issuer: "team", Audience: "aud"}
		}, "", ""},
		"signed secret, no key":   {cc, connection.SignedClientSecret, func(*connection.OAuth2) {}, "oauth2.signing_key.private_key", "required"},
		"issuer of the grant":     {connection.JWTBearer, none, func(a *connection.OAuth2) { a.SigningKey.Issuer = "x" }, "oauth2.signing_key.issuer", "oauth2.assertion.issuer"},
		"no chain":                {cc, connection.TLSClientAuth, func(a *connection.OAuth2) { a.ClientCertificate.Chain = "" }, "oauth2.client_certificate.certificate_chain", "required for TLS_CLIENT_AUTH"},
		"broken chain":            {cc, connection.TLSClientAuth, func(a *connection.OAuth2) { a.ClientCertificate.Chain = "x" }, "oauth2.client_certificate.certificate_chain", "BEGIN CERTIFICATE"},
		"key of another":          {cc, connection.SelfSignedTLS, func(a *connection.OAuth2) { a.ClientCertificate.PrivateKey = seal.NewSecret(m.otherKey) }, "oauth2.client_certificate.private_key", "is not the key"},
		"certificate over http":   {cc, connection.TLSClientAuth, func(a *connection.OAuth2) { a.TokenEndpoint = "http://as.example/" }, "oauth2.token_endpoint", "https"},
		"refresh over http":       {cc, connection.TLSClientAuth, func(a *connection.OAuth2) { a.Dialect.RefreshEndpoint = "http://as.example/" }, "oauth2.dialect.refresh_endpoint", "https"},
		"token without use":       {cc, basic, func(a *connection.OAuth2) { a.RefreshToken = seal.NewSecret("x") }, "oauth2.refresh_token", "REFRESH_TOKEN"},
		"token with a line break": {connection.RefreshToken, none, func(a *connection.OAuth2) { a.RefreshToken = seal.NewSecret("x\n") }, "oauth2.refresh_token", "line breaks"},
		"code without use":        {connection.RefreshToken, basic, func(a *connection.OAuth2) { a.Code.Code = seal.NewSecret("x") }, "oauth2.authorization_code.code", "AUTHORIZATION_CODE"},
		"redirect without use":    {cc, basic, func(a *connection.OAuth2) { a.Code.RedirectURI = "x" }, "oauth2.authorization_code", "AUTHORIZATION_CODE"},
		"no verifier":             {connection.CodeGrant, none, func(a *connection.OAuth2) { a.Code.CodeVerifier = seal.Secret{} }, "", ""},
		"assertion without use":   {cc, connection.PrivateKeyJWT, func(a *connection.OAuth2) { a.Assertion.Subject = "x" }, "oauth2.assertion", "JWT_BEARER"},
		"claims":                  {connection.JWTBearer, none, func(a *connection.OAuth2) { a.Assertion.Claims = `{"scope":"a","nbf":1}` }, "", ""},
		"claims, a list":          {connection.JWTBearer, none, func(a *connection.OAuth2) { a.Assertion.Claims = `[]` }, "oauth2.assertion.claims", "object"},
		"claims, null":            {connection.JWTBearer, none, func(a *connection.OAuth2) { a.Assertion.Claims = `null` }, "oauth2.assertion.claims", "object"},
		"claims, two objects":     {connection.JWTBearer, none, func(a *connection.OAuth2) { a.Assertion.Claims = `{}{}` }, "oauth2.assertion.claims", "object"},
		"claims with jti":         {connection.JWTBearer, none, func(a *connection.OAuth2) { a.Assertion.Claims = `{"jti":""}` }, "oauth2.assertion.claims", `"jti"`},
		"exchange without use":    {cc, basic, func(a *connection.OAuth2) { a.Exchange.Resources = []string{"https://a"} }, "oauth2.token_exchange", "TOKEN_EXCHANGE"},
		"actor without type":      {connection.ExchangeGrant, basic, func(a *connection.OAuth2) { a.Exchange.ActorToken = seal.NewSecret("x") }, "oauth2.token_exchange.actor_token_type", "required"},
		"type without actor":      {connection.ExchangeGrant, basic, func(a *connection.OAuth2) { a.Exchange.ActorTokenType = "x" }, "oauth2.token_exchange.actor_token_type", "without an actor token"},
		"resources":               {connection.ExchangeGrant, basic, func(a *connection.OAuth2) { a.Exchange.Resources = []string{"https://a/b?c", "urn:x"} }, "", ""},
		"resource, relative":      {connection.ExchangeGrant, basic, func(a *connection.OAuth2) { a.Exchange.Resources = []string{"urn:x", "a/b"} }, "oauth2.token_exchange.resources[1]", "absolute"},
		"resource with fragment":  {connection.ExchangeGrant, basic, func(a *connection.OAuth2) { a.Exchange.Resources = []string{"https://a/#"} }, "oauth2.token_exchange.resources[0]", "fragment"},
		"owner without use":       {cc, basic, func(a *connection.OAuth2) { a.ResourceOwner.Username = "x" }, "oauth2.resource_owner", "PASSWORD"},
		"no owner":                {connection.PasswordGrant, basic, func(a *connection.OAuth2) { a.ResourceOwner.Username = "" }, "oauth2.resource_owner.username", "required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := m.with(tc.grant, tc.authentication)
			tc.edit(&s.OAuth2)
			requireViolation(t, s.Validate(nil), tc.field, tc.says)
		})
	}
}

func TestCredentialHeader(t *testing.T) {
	t.Parallel()
	s := oauth2()
	s.OAuth2.Dialect.AccessTokenHeader = "X-Shop-Token"
	s.Invocation.Headers = []connection.Parameter{parameter("Authorization", "x")}
	require.NoError(t, s.Validate(nil))
	s.Invocation.Headers = []connection.Parameter{parameter("x-shop-token", "x")}
	requireViolation(t, s.Validate(nil), "invocation_parameters.headers[0].key", "credential")

	s = oauth2()
	s.OAuth2.DPoP = keys.ES256
	s.Invocation.Headers = []connection.Parameter{parameter("dpop", "x")}
	requireViolation(t, s.Validate(nil), "invocation_parameters.headers[0].key", "proof")
}

// TestAuthorizationOfTokenRequests is free where the client does not authenticate with it.
func TestAuthorizationOfTokenRequests(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	for _, authentication := range authentications() {
		s := m.with(connection.ClientCredentials, authentication)
		s.OAuth2.Token.Headers = []connection.Parameter{secretParameter("Authorization", "x")}
		if strings.HasPrefix(string(authentication), "CLIENT_SECRET_BASIC") {
			requireViolation(t, s.Validate(nil), "oauth2.token_parameters.headers[0].key", string(authentication))
		} else {
			require.NoError(t, s.Validate(nil))
		}
	}
}

func TestEveryURLIsAskedAbout(t *testing.T) {
	t.Parallel()
	s := oauth2()
	s.OAuth2.Dialect.RefreshEndpoint, s.OAuth2.Provider.RevocationEndpoint = "https://as.example/refresh", "https://as.example/revoke"
	var invalid *connection.ValidationError
	require.ErrorAs(t, s.Validate(func(url string) error { return errors.New("no " + url) }), &invalid)
	require.True(t, invalid.Egress)
	require.Equal(t, []connection.Violation{
		{Field: "oauth2.token_endpoint", Description: "no https://as.example/token"},
		{Field: "oauth2.dialect.refresh_endpoint", Description: "no https://as.example/refresh"},
		{Field: "oauth2.provider_behavior.revocation_endpoint", Description: "no https://as.example/revoke"},
	}, invalid.Violations)
	require.Equal(t, "https://as.example/token", s.OAuth2.FirstEndpoint())
	s.OAuth2.GrantType = connection.RefreshToken
	require.Equal(t, "https://as.example/refresh", s.OAuth2.FirstEndpoint())
}

// leaves calls visit with every field of v, down to the innermost.
func leaves(v reflect.Value, path string, visit func(reflect.Value, string)) {
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[seal.Secret]() {
		visit(v, path)
		return
	}
	for i := range v.NumField() {
		leaves(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
	}
}

// TestEveryFieldCounts guards the comparison, the copy without secrets and the one that keeps them against fields that they forget.
func TestEveryFieldCounts(t *testing.T) {
	t.Parallel()
	var probe connection.Settings
	count := 0
	leaves(reflect.ValueOf(&probe).Elem(), "", func(_ reflect.Value, path string) {
		count++
		var s connection.Settings
		leaves(reflect.ValueOf(&s).Elem(), "", func(v reflect.Value, at string) {
			if at != path {
				return
			}
			switch {
			case v.Type() == reflect.TypeFor[seal.Secret]():
				v.Set(reflect.ValueOf(seal.NewSecret("canary")))
			case v.CanInt():
				v.SetInt(1)
			case v.CanFloat():
				v.SetFloat(1)
			case v.Kind() == reflect.String:
				v.SetString("x")
			case v.Kind() == reflect.Bool:
				v.SetBool(true)
			case v.Kind() == reflect.Map:
				v.Set(reflect.ValueOf(map[string]string{"a": "b"}))
			case v.Type() == reflect.TypeFor[[]string]():
				v.Set(reflect.ValueOf([]string{"a"}))
			default:
				v.Set(reflect.ValueOf([]connection.Parameter{secretParameter("a", "canary")}))
			}
		})
		require.False(t, s.Equal(connection.Settings{}), path)
		leaves(reflect.ValueOf(s.WithoutSecrets()), "", func(v reflect.Value, at string) {
			if v.Type() == reflect.TypeFor[seal.Secret]() {
				require.True(t, v.IsZero(), at)
			}
		})
	})
	require.Greater(t, count, 60)
}

func TestNotice(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	for _, grant := range grants() {
		c := connection.Connection{Settings: m.with(grant, connection.NoClientAuth), Message: "message"}
		if grant != connection.PasswordGrant {
			require.Empty(t, c.Settings.Notice())
			require.Equal(t, "message", c.StateMessage())
			continue
		}
		require.Contains(t, c.Settings.Notice(), "RFC 9700")
		require.Equal(t, "message "+c.Settings.Notice(), c.StateMessage())
		c.Message = ""
		require.Equal(t, c.Settings.Notice(), c.StateMessage())
		c.Message = strings.Repeat("x", 500)
		require.Equal(t, c.Message, c.StateMessage())
	}
}

func TestUntestable(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	for _, grant := range grants() {
		s := m.with(grant, connection.NoClientAuth)
		spends := grant == connection.RefreshToken || grant == connection.CodeGrant
		require.Equal(t, spends, s.OAuth2.Untestable() != "", grant)
		s.OAuth2.Provider.OldAccessToken = connection.OldTokenKilled
		require.NotEmpty(t, s.OAuth2.Untestable())
	}
}
