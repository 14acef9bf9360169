package wire

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/keys"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func toOAuth2(m *connectionv1.OAuth2Authorization) connection.OAuth2 {
	a := connection.OAuth2{
		Preset: connection.ProviderRef{
			ID: strings.TrimPrefix(m.GetProvider(), providers), Parameters: m.GetProviderParameters(),
		},
		GrantType:             connection.GrantType(name(m.GetGrantType())),
		TokenEndpoint:         m.GetTokenEndpoint(),
		ClientID:              m.GetClientId(),
		ClientSecret:          seal.NewSecret(m.GetClientSecret()),
		AlternateClientSecret: seal.NewSecret(m.GetAlternateClientSecret()),
		ClientAuthentication:  connection.ClientAuthentication(name(m.GetClientAuthentication())),
		SigningKey: connection.SigningKey{
			PrivateKey: seal.NewSecret(m.GetSigningKey().GetPrivateKey()),
			KeyID:      m.GetSigningKey().GetKeyId(),
			Algorithm:  keys.Algorithm(name(m.GetSigningKey().GetAlgorithm())),
			Audience:   m.GetSigningKey().GetAudience(),
			Issuer:     m.GetSigningKey().GetIssuer(),
		},
		ClientCertificate: connection.ClientCertificate{
			Chain:      m.GetClientCertificate().GetCertificateChain(),
			PrivateKey: seal.NewSecret(m.GetClientCertificate().GetPrivateKey()),
		},
		Scopes:       m.GetScopes(),
		Audience:     m.GetAudience(),
		Token:        toParameters(m.GetTokenParameters()),
		RefreshToken: seal.NewSecret(m.GetRefreshToken()),
		Code:         toCode(m.GetAuthorizationCode()),
		Assertion:    toAssertion(m.GetAssertion()),
		Exchange:     toExchange(m.GetTokenExchange()),
		ResourceOwner: connection.ResourceOwner{
			Username: m.GetResourceOwner().GetUsername(), Password: seal.NewSecret(m.GetResourceOwner().GetPassword()),
		},
		Dialect:  toDialect(m.GetDialect()),
		Provider: toProvider(m.GetProviderBehavior()),
		Refresh:  toRefreshPolicy(m.GetRefreshPolicy()),
		DPoP:     toDPoP(m.GetDpop()),
		Authorize: connection.Authorize{
			Endpoint: m.GetAuthorizationEndpoint(), Issuer: m.GetIssuer(), PKCE: connection.PKCE(name(m.GetPkce())),
			Parameters: m.GetAuthorizationParameters(), PushEndpoint: m.GetPushedAuthorizationRequestEndpoint(),
		},
	}
	if a.ClientAuthentication == "" && a.Preset.ID == "" {
		a.ClientAuthentication = connection.ClientSecretBasic
	}
	return a
}

func fromOAuth2(a connection.OAuth2) *connectionv1.OAuth2Authorization {
	m := &connectionv1.OAuth2Authorization{
		ProviderParameters:    a.Preset.Parameters,
		GrantType:             value[connectionv1.OAuth2Authorization_GrantType](a.GrantType),
		TokenEndpoint:         a.TokenEndpoint,
		ClientId:              a.ClientID,
		ClientSecret:          a.ClientSecret.Reveal(),
		AlternateClientSecret: a.AlternateClientSecret.Reveal(),
		ClientAuthentication:  value[connectionv1.OAuth2Authorization_ClientAuthentication](a.ClientAuthentication),
		SigningKey: unlessEmpty(&connectionv1.SigningKey{
			PrivateKey: a.SigningKey.PrivateKey.Reveal(),
			KeyId:      a.SigningKey.KeyID,
			Algorithm:  value[connectionv1.SigningKey_Algorithm](a.SigningKey.Algorithm),
			Audience:   a.SigningKey.Audience,
			Issuer:     a.SigningKey.Issuer,
		}),
		ClientCertificate: unlessEmpty(&connectionv1.ClientCertificate{
			CertificateChain: a.ClientCertificate.Chain, PrivateKey: a.ClientCertificate.PrivateKey.Reveal(),
		}),
		Scopes:            a.Scopes,
		Audience:          a.Audience,
		TokenParameters:   fromParameters(a.Token),
		RefreshToken:      a.RefreshToken.Reveal(),
		AuthorizationCode: fromCode(a.Code),
		Assertion:         fromAssertion(a.Assertion),
		TokenExchange:     fromExchange(a.Exchange),
		ResourceOwner: unlessEmpty(&connectionv1.ResourceOwner{
			Username: a.ResourceOwner.Username, Password: a.ResourceOwner.Password.Reveal(),
		}),
		Dialect:          fromDialect(a.Dialect),
		ProviderBehavior: fromProvider(a.Provider),
		RefreshPolicy:    fromRefreshPolicy(a.Refresh),
		Dpop:             fromDPoP(a.DPoP),

		AuthorizationEndpoint: a.Authorize.Endpoint, Issuer: a.Authorize.Issuer,
		Pkce:                    value[connectionv1.OAuth2Authorization_PkceSupport](a.Authorize.PKCE),
		AuthorizationParameters: a.Authorize.Parameters, PushedAuthorizationRequestEndpoint: a.Authorize.PushEndpoint,
	}
	if a.Preset.ID != "" {
		m.Provider = ProviderName(a.Preset.ID)
	}
	return m
}

// providers is the collection of all providers.
const providers = "providers/"

// ProviderName is the resource name of a catalogue entry.
func ProviderName(id string) string { return providers + id }

// name returns what the contract calls a value, and "" for the one that says that it is not set, and for one newer than this build, which
// the contract's rules have refused.
func name(e protoreflect.Enum) string {
	known := e.Descriptor().Values().ByNumber(e.Number())
	if known == nil || e.Number() == 0 {
		return ""
	}
	return string(known.Name())
}

// enum is a generated type of values.
type enum interface {
	~int32
	protoreflect.Enum
}

// value is the inverse of name.
func value[E enum, N ~string](name N) E {
	var unset E
	known := unset.Descriptor().Values().ByName(protoreflect.Name(name))
	if known == nil {
		return unset
	}
	return E(known.Number())
}

// unlessEmpty leaves out a message that says nothing.
func unlessEmpty[M any, P interface {
	*M
	proto.Message
}](m P) P {
	if proto.Size(m) == 0 {
		return nil
	}
	return m
}
