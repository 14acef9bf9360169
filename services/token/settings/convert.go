package settings

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// FromProto converts settings. Errors are [*token.Failure] of class CONFIGURATION: they ask for a kind of grant that this
// build does not know.
func FromProto(p *connectionv1.AuthorizationSettings) (token.Settings, error) {
	s := token.Settings{
		ConnectionUID: p.GetUid(),
		Revision:      p.GetRevision(),
		Invocation:    fields(p.GetInvocationParameters()),
	}
	switch a := p.GetAuthorization().(type) {
	case *connectionv1.AuthorizationSettings_Oauth2:
		return withOAuth2(s, a.Oauth2)
	case *connectionv1.AuthorizationSettings_ApiKey:
		s.Kind = token.KindAPIKey
		s.APIKey = token.APIKey{Name: a.ApiKey.GetName(), Value: seal.NewSecret(a.ApiKey.GetValue())}
	case *connectionv1.AuthorizationSettings_Basic:
		s.Kind = token.KindBasic
		s.Basic = token.Basic{Username: a.Basic.GetUsername(), Password: seal.NewSecret(a.Basic.GetPassword())}
	default:
		return token.Settings{}, unsupported("kind of authorization")
	}
	return s, nil
}

func withOAuth2(s token.Settings, p *connectionv1.OAuth2Authorization) (token.Settings, error) {
	if p.GetGrantType() != connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS {
		return token.Settings{}, unsupported("grant type " + p.GetGrantType().String())
	}
	s.Kind = token.KindClientCredentials
	s.OAuth2 = token.OAuth2{
		TokenEndpoint: p.GetTokenEndpoint(),
		ClientID:      p.GetClientId(),
		ClientSecret:  seal.NewSecret(p.GetClientSecret()),
		Scopes:        p.GetScopes(),
		Audience:      p.GetAudience(),
		Parameters:    fields(p.GetTokenParameters()),
	}
	if d := p.GetRefreshPolicy().GetRefreshBefore(); d != nil {
		s.OAuth2.Policy.RefreshBefore = d.AsDuration()
	}
	if d := p.GetRefreshPolicy().GetDefaultLifetime(); d != nil {
		s.OAuth2.Policy.DefaultLifetime = d.AsDuration()
	}
	switch p.GetClientAuthentication() {
	case connectionv1.OAuth2Authorization_CLIENT_AUTHENTICATION_UNSPECIFIED, connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC:
		s.OAuth2.ClientAuthentication = token.ClientSecretBasic
	case connectionv1.OAuth2Authorization_CLIENT_SECRET_POST:
		s.OAuth2.ClientAuthentication = token.ClientSecretPost
	default:
		return token.Settings{}, unsupported("client authentication " + p.GetClientAuthentication().String())
	}
	return s, nil
}

func unsupported(what string) *token.Failure {
	return &token.Failure{
		Class: token.ClassConfiguration, Reason: token.ReasonConfiguration, Message: what + " is not supported by this version",
	}
}

func fields(p *connectionv1.HttpParameters) token.Fields {
	return token.Fields{
		Headers: parameters(p.GetHeaders()), Query: parameters(p.GetQuery()), Body: parameters(p.GetBody()),
	}
}

func parameters(list []*connectionv1.HttpParameter) []token.Field {
	if len(list) == 0 {
		return nil
	}
	out := make([]token.Field, len(list))
	for i, p := range list {
		out[i] = token.Field{Key: p.GetKey(), Value: seal.NewSecret(p.GetValue())}
	}
	return out
}
