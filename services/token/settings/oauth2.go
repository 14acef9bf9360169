package settings

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
)

// reader converts an authorization and keeps the first thing that this build does not know.
type reader struct{ failure error }

func oauth2(p *connectionv1.OAuth2Authorization) (token.OAuth2, error) {
	var r reader
	a := token.OAuth2{
		Grant:                 token.Kind(named(&r, "grant type", p.GetGrantType())),
		TokenEndpoint:         p.GetTokenEndpoint(),
		ClientID:              p.GetClientId(),
		ClientSecret:          seal.NewSecret(p.GetClientSecret()),
		AlternateClientSecret: seal.NewSecret(p.GetAlternateClientSecret()),
		ClientAuthentication:  r.clientAuthentication(p.GetClientAuthentication()),
		SigningKey:            r.signingKey(p.GetSigningKey()),
		ClientCertificate: token.ClientCertificate{
			Chain:      p.GetClientCertificate().GetCertificateChain(),
			PrivateKey: seal.NewSecret(p.GetClientCertificate().GetPrivateKey()),
		},
		Scopes:        p.GetScopes(),
		Audience:      p.GetAudience(),
		Parameters:    fields(p.GetTokenParameters()),
		RefreshToken:  seal.NewSecret(p.GetRefreshToken()),
		Code:          authorizationCode(p.GetAuthorizationCode()),
		Assertion:     assertion(p.GetAssertion()),
		Exchange:      exchange(p.GetTokenExchange()),
		ResourceOwner: resourceOwner(p.GetResourceOwner()),
		Dialect:       r.dialect(p.GetDialect()),
		Provider:      r.provider(p.GetProviderBehavior()),
		Policy:        r.policy(p.GetRefreshPolicy()),
		DPoP:          r.dpop(p.GetDpop()),
		Issuer:        p.GetIssuer(),
		PushEndpoint:  p.GetPushedAuthorizationRequestEndpoint(),
	}
	if a.Grant == "" && r.failure == nil {
		r.failure = unsupported("grant type " + p.GetGrantType().String())
	}
	if r.failure != nil {
		return token.OAuth2{}, r.failure
	}
	return a, nil
}

func (r *reader) clientAuthentication(p connectionv1.OAuth2Authorization_ClientAuthentication) token.ClientAuthentication {
	if name := named(r, "client authentication", p); name != "" {
		return token.ClientAuthentication(name)
	}
	return token.ClientSecretBasic
}

func (r *reader) signingKey(p *connectionv1.SigningKey) token.SigningKey {
	algorithm := named(r, "signature algorithm", p.GetAlgorithm())
	if p.GetAlgorithm() == connectionv1.SigningKey_EDDSA {
		algorithm = "EdDSA" // as RFC 8037 spells it
	}
	return token.SigningKey{
		PrivateKey: seal.NewSecret(p.GetPrivateKey()),
		KeyID:      p.GetKeyId(),
		Algorithm:  algorithm,
		Audience:   p.GetAudience(),
		Issuer:     p.GetIssuer(),
	}
}

// dpop returns the algorithm of proofs, and "" for tokens that need none.
func (r *reader) dpop(p *connectionv1.DpopSettings) dpop.Algorithm {
	switch {
	case p == nil:
		return ""
	case p.GetAlgorithm() == connectionv1.DpopSettings_ALGORITHM_UNSPECIFIED:
		return dpop.ES256
	case p.GetAlgorithm() == connectionv1.DpopSettings_EDDSA:
		return dpop.EdDSA // as RFC 8037 spells it
	default:
		return dpop.Algorithm(named(r, "algorithm of proofs", p.GetAlgorithm()))
	}
}

func authorizationCode(p *connectionv1.AuthorizationCode) token.AuthorizationCode {
	return token.AuthorizationCode{
		Code:         seal.NewSecret(p.GetCode()),
		RedirectURI:  p.GetRedirectUri(),
		CodeVerifier: seal.NewSecret(p.GetCodeVerifier()),
	}
}

func assertion(p *connectionv1.JwtAssertion) token.JWTAssertion {
	return token.JWTAssertion{
		Issuer: p.GetIssuer(), Subject: p.GetSubject(), Audience: p.GetAudience(),
		Lifetime: duration(p.GetLifetime()), Claims: p.GetClaims(),
	}
}

func exchange(p *connectionv1.TokenExchange) token.TokenExchange {
	return token.TokenExchange{
		SubjectToken:       seal.NewSecret(p.GetSubjectToken()),
		SubjectTokenType:   p.GetSubjectTokenType(),
		ActorToken:         seal.NewSecret(p.GetActorToken()),
		ActorTokenType:     p.GetActorTokenType(),
		RequestedTokenType: p.GetRequestedTokenType(),
		Resources:          p.GetResources(),
	}
}

func resourceOwner(p *connectionv1.ResourceOwner) token.ResourceOwner {
	return token.ResourceOwner{Username: p.GetUsername(), Password: seal.NewSecret(p.GetPassword())}
}

func (r *reader) dialect(p *connectionv1.TokenEndpointDialect) token.Dialect {
	return token.Dialect{
		Method:               named(r, "request method", p.GetMethod()),
		Encoding:             named(r, "request encoding", p.GetEncoding()),
		RefreshEndpoint:      p.GetRefreshEndpoint(),
		ScopeSeparator:       p.GetScopeSeparator(),
		FieldNames:           p.GetFieldNames(),
		AccessTokenPath:      p.GetAccessTokenPath(),
		RefreshTokenPath:     p.GetRefreshTokenPath(),
		ExpiresInPath:        p.GetExpiresInPath(),
		ExpiresInUnit:        r.lifetimeUnit(p.GetExpiresInUnit()),
		ExpiresAtPath:        p.GetExpiresAtPath(),
		ScopePath:            p.GetScopePath(),
		RefreshExpiresInPath: p.GetRefreshTokenExpiresInPath(),
		ErrorPath:            p.GetErrorPath(),
		ErrorCodes:           p.GetErrorCodes(),
		AuthorizationScheme:  p.GetAuthorizationScheme(),
		AccessTokenHeader:    p.GetAccessTokenHeader(),
		RefreshGrantType:     p.GetRefreshGrantType(),
		RefreshMethod:        named(r, "request method", p.GetRefreshMethod()),
	}
}

func (r *reader) lifetimeUnit(p connectionv1.TokenEndpointDialect_LifetimeUnit) time.Duration {
	switch p {
	case connectionv1.TokenEndpointDialect_LIFETIME_UNIT_UNSPECIFIED:
		return 0
	case connectionv1.TokenEndpointDialect_SECONDS:
		return time.Second
	case connectionv1.TokenEndpointDialect_MILLISECONDS:
		return time.Millisecond
	case connectionv1.TokenEndpointDialect_MINUTES:
		return time.Minute
	default:
		r.fail("lifetime unit " + p.String())
		return 0
	}
}

func (r *reader) provider(p *connectionv1.ProviderBehavior) token.Provider {
	return token.Provider{
		Recovery:             token.RotationRecovery(named(r, "rotation recovery", p.GetRotationRecovery())),
		RotationGrace:        duration(p.GetRotationGrace()),
		OldAccessToken:       token.OldAccessToken(named(r, "fate of the old access token", p.GetOldAccessToken())),
		OldAccessTokenLeeway: duration(p.GetOldAccessTokenLeeway()),
		NotBefore:            duration(p.GetRefreshNotBefore()),
		MintLimit:            int(p.GetMintLimit()),
		MintPeriod:           duration(p.GetMintPeriod()),
		IdleLifetime:         duration(p.GetRefreshTokenIdleLifetime()),
		GrantLifetime:        duration(p.GetGrantLifetime()),
		RevocationEndpoint:   p.GetRevocationEndpoint(),
	}
}

func (r *reader) policy(p *connectionv1.RefreshPolicy) token.Policy {
	return token.Policy{
		RefreshBefore:    duration(p.GetRefreshBefore()),
		DefaultLifetime:  duration(p.GetDefaultLifetime()),
		Mode:             token.Mode(named(r, "refresh mode", p.GetMode())),
		KeepAlive:        duration(p.GetKeepAlive()),
		RevokeSuperseded: p.GetRevokeSuperseded(),
		GrantWarning:     duration(p.GetGrantWarning()),
	}
}

func (r *reader) fail(what string) {
	if r.failure == nil {
		r.failure = unsupported(what)
	}
}

// named returns the name that a value has in the contract, which is the domain's too, and "" for the value that means "not set".
func named(r *reader, what string, value protoreflect.Enum) string {
	if value.Number() == 0 {
		return ""
	}
	known := value.Descriptor().Values().ByNumber(value.Number())
	if known == nil {
		r.fail(what + " " + strconv.Itoa(int(value.Number())))
		return ""
	}
	return string(known.Name())
}

// duration is 0 for one that is not set.
func duration(p *durationpb.Duration) time.Duration { return p.AsDuration() }
