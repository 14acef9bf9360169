package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// ToSettings returns the settings of a message. Unset enum fields take the contract's default.
func ToSettings(m *connectionv1.Connection) connection.Settings {
	s := connection.Settings{
		Invocation: toParameters(m.GetInvocationParameters()), APIBaseURL: m.GetApiBaseUrl(), Proxy: toProxy(m.GetProxySettings()),
		Connect: connection.Connect{ApplicationName: m.GetConnect().GetApplicationName(), ReturnURLs: m.GetConnect().GetReturnUrls()},
	}
	switch a := m.GetAuthorization().(type) {
	case *connectionv1.Connection_Oauth2:
		s.Kind = connection.KindOAuth2
		s.OAuth2 = toOAuth2(a.Oauth2)
	case *connectionv1.Connection_ApiKey:
		s.Kind = connection.KindAPIKey
		s.APIKey = connection.APIKey{Name: a.ApiKey.GetName(), Value: seal.NewSecret(a.ApiKey.GetValue())}
	case *connectionv1.Connection_Basic:
		s.Kind = connection.KindBasic
		s.Basic = connection.Basic{Username: a.Basic.GetUsername(), Password: seal.NewSecret(a.Basic.GetPassword())}
	case *connectionv1.Connection_Oauth1:
		s.Kind, s.OAuth1 = connection.KindOAuth1, toOAuth1(a.Oauth1)
	}
	return s
}

func toOAuth1(m *connectionv1.OAuth1Authorization) connection.OAuth1 {
	a := connection.OAuth1{
		ConsumerKey: m.GetConsumerKey(), ConsumerSecret: seal.NewSecret(m.GetConsumerSecret()),
		Token: m.GetToken(), TokenSecret: seal.NewSecret(m.GetTokenSecret()), Realm: m.GetRealm(),
	}
	if m.GetSignatureMethod() != connectionv1.OAuth1Authorization_SIGNATURE_METHOD_UNSPECIFIED {
		a.Method = m.GetSignatureMethod().String()
	}
	return a
}

func fromOAuth1(a connection.OAuth1) *connectionv1.OAuth1Authorization {
	return &connectionv1.OAuth1Authorization{
		ConsumerKey: a.ConsumerKey, ConsumerSecret: a.ConsumerSecret.Reveal(), Token: a.Token, TokenSecret: a.TokenSecret.Reveal(), Realm: a.Realm,
		SignatureMethod: connectionv1.OAuth1Authorization_SignatureMethod(connectionv1.OAuth1Authorization_SignatureMethod_value[a.Method]),
	}
}

func fromAPIKey(a connection.APIKey) *connectionv1.ApiKeyAuthorization {
	return &connectionv1.ApiKeyAuthorization{Name: a.Name, Value: a.Value.Reveal()}
}

func fromBasic(a connection.Basic) *connectionv1.BasicAuthorization {
	return &connectionv1.BasicAuthorization{Username: a.Username, Password: a.Password.Reveal()}
}

func toParameters(m *connectionv1.HttpParameters) connection.Parameters {
	to := func(list []*connectionv1.HttpParameter) []connection.Parameter {
		var out []connection.Parameter
		for _, p := range list {
			out = append(out, connection.Parameter{Key: p.GetKey(), Value: seal.NewSecret(p.GetValue()), Secret: p.GetSecret()})
		}
		return out
	}
	return connection.Parameters{Headers: to(m.GetHeaders()), Query: to(m.GetQuery()), Body: to(m.GetBody())}
}

func fromParameters(p connection.Parameters) *connectionv1.HttpParameters {
	if len(p.Headers)+len(p.Query)+len(p.Body) == 0 {
		return nil
	}
	from := func(list []connection.Parameter) []*connectionv1.HttpParameter {
		var out []*connectionv1.HttpParameter
		for _, p := range list {
			out = append(out, &connectionv1.HttpParameter{Key: p.Key, Value: p.Value.Reveal(), Secret: p.Secret})
		}
		return out
	}
	return &connectionv1.HttpParameters{Headers: from(p.Headers), Query: from(p.Query), Body: from(p.Body)}
}

func fromConnect(c connection.Connect) *connectionv1.ConnectSettings {
	return unlessEmpty(&connectionv1.ConnectSettings{ApplicationName: c.ApplicationName, ReturnUrls: c.ReturnURLs})
}
