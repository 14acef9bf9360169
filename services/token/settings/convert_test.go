package settings_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/settings"
)

// fill sets every field of m, and of all messages in it.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsMap():
			m.Mutable(field).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString("value"))
		case field.IsList() && field.Message() != nil:
			fill(m.Mutable(field).List().AppendMutable().Message())
		case field.IsList():
			m.Mutable(field).List().Append(protoreflect.ValueOfString("element"))
		case field.Message() != nil:
			fill(m.Mutable(field).Message())
		case field.Kind() == protoreflect.BoolKind:
			m.Set(field, protoreflect.ValueOfBool(true))
		case field.Kind() == protoreflect.EnumKind:
			m.Set(field, protoreflect.ValueOfEnum(1))
		case field.Kind() == protoreflect.Int32Kind:
			m.Set(field, protoreflect.ValueOfInt32(2))
		case field.Kind() == protoreflect.Int64Kind:
			m.Set(field, protoreflect.ValueOfInt64(2))
		default:
			m.Set(field, protoreflect.ValueOfString("text of "+string(field.Name())))
		}
	}
}

// requireFilled fails for every field of v, at any depth, that has its zero value.
func requireFilled(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	if v.Type() == reflect.TypeFor[seal.Secret]() {
		require.False(t, v.Interface().(seal.Secret).IsZero(), path)
		return
	}
	if v.Kind() != reflect.Struct {
		require.False(t, v.IsZero(), path)
		return
	}
	for i := range v.NumField() {
		requireFilled(t, v.Field(i), path+"."+v.Type().Field(i).Name)
	}
}

func converted(t *testing.T, p *connectionv1.OAuth2Authorization) token.Settings {
	t.Helper()
	s, err := settings.FromProto(&connectionv1.AuthorizationSettings{
		Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: p},
	})
	require.NoError(t, err)
	return s
}

func TestNoFieldIsLost(t *testing.T) {
	t.Parallel()
	p := &connectionv1.OAuth2Authorization{}
	fill(p.ProtoReflect())
	s, err := settings.FromProto(&connectionv1.AuthorizationSettings{
		Authorization:  &connectionv1.AuthorizationSettings_Oauth2{Oauth2: p},
		Nonce:          "of the authorization request",
		AnswerCaptures: []*connectionv1.AnswerCapture{{Name: "instance_url", Path: "instance_url"}},
	})
	require.NoError(t, err)
	requireFilled(t, reflect.ValueOf(s.OAuth2), "OAuth2")
	require.Equal(t, token.KindClientCredentials, s.Kind)
	require.Equal(t, 2*time.Second+2, s.OAuth2.Provider.GrantLifetime)
	require.Equal(t, "text of code_verifier", s.OAuth2.Code.CodeVerifier.Reveal())
}

// TestDefaults are the values that mean "not set": the token service knows what they stand for.
func TestDefaults(t *testing.T) {
	t.Parallel()
	s := converted(t, &connectionv1.OAuth2Authorization{GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN})
	require.Equal(t, token.Settings{
		Kind:   token.KindRefreshToken,
		OAuth2: token.OAuth2{Grant: token.KindRefreshToken, ClientAuthentication: token.ClientSecretBasic},
	}, s)
}

// TestNames compares the contract's names with the constants that the token service knows.
func TestNames(t *testing.T) {
	t.Parallel()
	of := func(edit func(*connectionv1.OAuth2Authorization)) token.OAuth2 {
		p := &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, SigningKey: &connectionv1.SigningKey{},
			Dialect: &connectionv1.TokenEndpointDialect{}, ProviderBehavior: &connectionv1.ProviderBehavior{},
			RefreshPolicy: &connectionv1.RefreshPolicy{},
		}
		edit(p)
		return converted(t, p).OAuth2
	}
	for number, want := range []token.Kind{
		1: token.KindClientCredentials, token.KindRefreshToken, token.KindAuthorizationCode, token.KindJWTBearer,
		token.KindTokenExchange, token.KindPassword,
	} {
		if number > 0 {
			require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
				p.GrantType = connectionv1.OAuth2Authorization_GrantType(number)
			}).Grant)
		}
	}
	for number, want := range []dpop.Algorithm{dpop.ES256, dpop.ES256, dpop.ES384, dpop.ES512, dpop.EdDSA, dpop.RS256, dpop.PS256} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.Dpop = &connectionv1.DpopSettings{Algorithm: connectionv1.DpopSettings_Algorithm(number)}
		}).DPoP)
	}
	for number, want := range []token.ClientAuthentication{
		token.ClientSecretBasic, token.ClientSecretBasic, token.ClientSecretPost, token.ClientSecretBasicRaw, token.PrivateKeyJWT,
		token.TLSClientAuth, token.SelfSignedTLS, token.NoClientAuth,
	} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.ClientAuthentication = connectionv1.OAuth2Authorization_ClientAuthentication(number)
		}).ClientAuthentication)
	}
	for number, want := range []string{"", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.SigningKey.Algorithm = connectionv1.SigningKey_Algorithm(number)
		}).SigningKey.Algorithm)
	}
	for number, want := range []token.RotationRecovery{"", token.SingleUse, token.Grace, token.UntilSuccessorUsed, token.Idempotent, token.Reusable} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.ProviderBehavior.RotationRecovery = connectionv1.ProviderBehavior_RotationRecovery(number)
		}).Provider.Recovery)
	}
	for number, want := range []token.OldAccessToken{"", token.Survives, token.Killed, token.Leeway} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.ProviderBehavior.OldAccessToken = connectionv1.ProviderBehavior_OldAccessToken(number)
		}).Provider.OldAccessToken)
	}
	for number, want := range []token.Mode{"", token.Always, token.WhileWatched, token.OnDemand} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.RefreshPolicy.Mode = connectionv1.RefreshPolicy_Mode(number)
		}).Policy.Mode)
	}
	for number, want := range []time.Duration{0, time.Second, time.Millisecond, time.Minute} {
		require.Equal(t, want, of(func(p *connectionv1.OAuth2Authorization) {
			p.Dialect.ExpiresInUnit = connectionv1.TokenEndpointDialect_LifetimeUnit(number)
		}).Dialect.ExpiresInUnit)
	}
}

// TestNewerThanThisBuild are settings that ask for something which this build cannot do. Guessing would be worse than failing.
func TestNewerThanThisBuild(t *testing.T) {
	t.Parallel()
	for says, p := range map[string]*connectionv1.OAuth2Authorization{
		"grant type GRANT_TYPE_UNSPECIFIED": {},
		"grant type 99":                     {GrantType: 99},
		"client authentication 99":          {GrantType: 1, ClientAuthentication: 99},
		"signature algorithm 99":            {GrantType: 1, SigningKey: &connectionv1.SigningKey{Algorithm: 99}},
		"lifetime unit 99":                  {GrantType: 1, Dialect: &connectionv1.TokenEndpointDialect{ExpiresInUnit: 99}},
		"request encoding 99":               {GrantType: 1, Dialect: &connectionv1.TokenEndpointDialect{Encoding: 99}},
		"rotation recovery 99":              {GrantType: 1, ProviderBehavior: &connectionv1.ProviderBehavior{RotationRecovery: 99}},
		"refresh mode 99":                   {GrantType: 1, RefreshPolicy: &connectionv1.RefreshPolicy{Mode: 99}},
	} {
		_, err := settings.FromProto(&connectionv1.AuthorizationSettings{
			Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: p},
		})
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, token.ClassConfiguration, failure.Class)
		require.Equal(t, says+" is not supported by this version", failure.Message)
	}
	_, err := settings.FromProto(&connectionv1.AuthorizationSettings{})
	require.ErrorContains(t, err, "kind of authorization")
}
