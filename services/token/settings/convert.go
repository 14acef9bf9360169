package settings

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth1"
)

// FromProto converts settings. Errors are [*token.Failure] of class CONFIGURATION: they ask for a kind of grant that this
// build does not know.
func FromProto(p *connectionv1.AuthorizationSettings) (token.Settings, error) {
	s := token.Settings{
		ConnectionUID: p.GetUid(),
		Revision:      p.GetRevision(),
		Invocation:    fields(p.GetInvocationParameters()),
		Imported:      imported(p.GetImportedToken()),
	}
	switch a := p.GetAuthorization().(type) {
	case *connectionv1.AuthorizationSettings_Oauth2:
		var err error
		if s.OAuth2, err = oauth2(a.Oauth2); err != nil {
			return token.Settings{}, err
		}
		s.Kind = s.OAuth2.Grant
		s.OAuth2.Code.Nonce = seal.NewSecret(p.GetNonce())
		for _, c := range p.GetAnswerCaptures() {
			s.OAuth2.Captures = append(s.OAuth2.Captures, token.Capture{Name: c.GetName(), Path: c.GetPath()})
		}
	case *connectionv1.AuthorizationSettings_ApiKey:
		s.Kind = token.KindAPIKey
		s.APIKey = token.APIKey{Name: a.ApiKey.GetName(), Value: seal.NewSecret(a.ApiKey.GetValue())}
	case *connectionv1.AuthorizationSettings_Basic:
		s.Kind = token.KindBasic
		s.Basic = token.Basic{Username: a.Basic.GetUsername(), Password: seal.NewSecret(a.Basic.GetPassword())}
	case *connectionv1.AuthorizationSettings_Oauth1:
		s.Kind = token.KindOAuth1
		var err error
		if s.OAuth1, err = signing(a.Oauth1); err != nil {
			return token.Settings{}, err
		}
	default:
		return token.Settings{}, unsupported("kind of authorization")
	}
	return s, nil
}

func signing(p *connectionv1.OAuth1Authorization) (oauth1.Credential, error) {
	c := oauth1.Credential{
		ConsumerKey: p.GetConsumerKey(), ConsumerSecret: seal.NewSecret(p.GetConsumerSecret()),
		Token: p.GetToken(), TokenSecret: seal.NewSecret(p.GetTokenSecret()), Realm: p.GetRealm(),
	}
	switch p.GetSignatureMethod() {
	case connectionv1.OAuth1Authorization_SIGNATURE_METHOD_UNSPECIFIED, connectionv1.OAuth1Authorization_HMAC_SHA1:
		c.Method = oauth1.HMACSHA1
	case connectionv1.OAuth1Authorization_HMAC_SHA256:
		c.Method = oauth1.HMACSHA256
	default:
		return oauth1.Credential{}, unsupported("signature method")
	}
	return c, nil
}

func imported(p *connectionv1.ImportedToken) token.Imported {
	i := token.Imported{AccessToken: seal.NewSecret(p.GetAccessToken()), TokenType: p.GetTokenType(), Scopes: p.GetScopes()}
	if t := p.GetExpireTime(); t != nil {
		i.ExpireTime = t.AsTime()
	}
	return i
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
