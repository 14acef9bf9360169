package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/keys"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func toCode(m *connectionv1.AuthorizationCode) connection.AuthorizationCode {
	return connection.AuthorizationCode{
		Code:         seal.NewSecret(m.GetCode()),
		RedirectURI:  m.GetRedirectUri(),
		CodeVerifier: seal.NewSecret(m.GetCodeVerifier()),
	}
}

func fromCode(c connection.AuthorizationCode) *connectionv1.AuthorizationCode {
	return unlessEmpty(&connectionv1.AuthorizationCode{
		Code: c.Code.Reveal(), RedirectUri: c.RedirectURI, CodeVerifier: c.CodeVerifier.Reveal(),
	})
}

func toAssertion(m *connectionv1.JwtAssertion) connection.Assertion {
	return connection.Assertion{
		Issuer: m.GetIssuer(), Subject: m.GetSubject(), Audience: m.GetAudience(),
		Lifetime: m.GetLifetime().AsDuration(), Claims: m.GetClaims(),
	}
}

func fromAssertion(a connection.Assertion) *connectionv1.JwtAssertion {
	return unlessEmpty(&connectionv1.JwtAssertion{
		Issuer: a.Issuer, Subject: a.Subject, Audience: a.Audience, Lifetime: duration(a.Lifetime), Claims: a.Claims,
	})
}

func toExchange(m *connectionv1.TokenExchange) connection.Exchange {
	return connection.Exchange{
		SubjectToken:       seal.NewSecret(m.GetSubjectToken()),
		SubjectTokenType:   m.GetSubjectTokenType(),
		ActorToken:         seal.NewSecret(m.GetActorToken()),
		ActorTokenType:     m.GetActorTokenType(),
		RequestedTokenType: m.GetRequestedTokenType(),
		Resources:          m.GetResources(),
	}
}

func fromExchange(e connection.Exchange) *connectionv1.TokenExchange {
	return unlessEmpty(&connectionv1.TokenExchange{
		SubjectToken:       e.SubjectToken.Reveal(),
		SubjectTokenType:   e.SubjectTokenType,
		ActorToken:         e.ActorToken.Reveal(),
		ActorTokenType:     e.ActorTokenType,
		RequestedTokenType: e.RequestedTokenType,
		Resources:          e.Resources,
	})
}

// toDPoP returns the algorithm of proofs, and "" for tokens that need none.
func toDPoP(m *connectionv1.DpopSettings) keys.Algorithm {
	switch {
	case m == nil:
		return ""
	case m.GetAlgorithm() == connectionv1.DpopSettings_ALGORITHM_UNSPECIFIED:
		return keys.ES256
	default:
		return keys.Algorithm(name(m.GetAlgorithm()))
	}
}

func fromDPoP(a keys.Algorithm) *connectionv1.DpopSettings {
	return unlessEmpty(&connectionv1.DpopSettings{Algorithm: value[connectionv1.DpopSettings_Algorithm](a)})
}
