package store

import (
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/keys"
)

// oauth2JSON is an OAuth 2.0 authorization without its secrets. Names of fields are stored: do not change them.
type oauth2JSON struct {
	Preset               presetJSON      `json:"provider,omitzero"`
	GrantType            string          `json:"grant_type"`
	Users                bool            `json:"users,omitempty"`
	TokenEndpoint        string          `json:"token_endpoint"`
	ClientID             string          `json:"client_id"`
	ClientAuthentication string          `json:"client_authentication"`
	SigningKey           signingKeyJSON  `json:"signing_key,omitzero"`
	CertificateChain     string          `json:"certificate_chain,omitempty"`
	Scopes               []string        `json:"scopes,omitempty"`
	Audience             string          `json:"audience,omitempty"`
	Token                *parametersJSON `json:"token_parameters,omitempty"`
	RedirectURI          string          `json:"redirect_uri,omitempty"`
	Assertion            assertionJSON   `json:"assertion,omitzero"`
	Exchange             exchangeJSON    `json:"token_exchange,omitzero"`
	Username             string          `json:"resource_owner,omitempty"`
	Dialect              dialectJSON     `json:"dialect,omitzero"`
	Provider             providerJSON    `json:"provider_behavior,omitzero"`
	Refresh              refreshJSON     `json:"refresh_policy,omitzero"`
	DPoP                 string          `json:"dpop_algorithm,omitempty"`
	Authorize            authorizeJSON   `json:"authorize,omitzero"`
}

type authorizeJSON struct {
	Endpoint     string            `json:"endpoint,omitempty"`
	Issuer       string            `json:"issuer,omitempty"`
	PKCE         string            `json:"pkce,omitempty"`
	Parameters   map[string]string `json:"parameters,omitempty"`
	PushEndpoint string            `json:"push_endpoint,omitempty"`
}

type presetJSON struct {
	ID         string            `json:"id,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
}

type signingKeyJSON struct {
	KeyID     string `json:"key_id,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Audience  string `json:"audience,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
}

type assertionJSON struct {
	Issuer   string `json:"issuer,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Audience string `json:"audience,omitempty"`
	Lifetime micros `json:"lifetime_us,omitempty"`
	Claims   string `json:"claims,omitempty"`
}

type exchangeJSON struct {
	SubjectTokenType   string   `json:"subject_token_type,omitempty"`
	ActorTokenType     string   `json:"actor_token_type,omitempty"`
	RequestedTokenType string   `json:"requested_token_type,omitempty"`
	Resources          []string `json:"resources,omitempty"`
}

type dialectJSON struct {
	Method               string            `json:"method,omitempty"`
	Encoding             string            `json:"encoding,omitempty"`
	RefreshEndpoint      string            `json:"refresh_endpoint,omitempty"`
	ScopeSeparator       string            `json:"scope_separator,omitempty"`
	FieldNames           map[string]string `json:"field_names,omitempty"`
	AccessTokenPath      string            `json:"access_token_path,omitempty"`
	RefreshTokenPath     string            `json:"refresh_token_path,omitempty"`
	ExpiresInPath        string            `json:"expires_in_path,omitempty"`
	ExpiresInUnit        string            `json:"expires_in_unit,omitempty"`
	ExpiresAtPath        string            `json:"expires_at_path,omitempty"`
	ScopePath            string            `json:"scope_path,omitempty"`
	RefreshExpiresInPath string            `json:"refresh_token_expires_in_path,omitempty"`
	ErrorPath            string            `json:"error_path,omitempty"`
	ErrorCodes           map[string]string `json:"error_codes,omitempty"`
	AuthorizationScheme  string            `json:"authorization_scheme,omitempty"`
	AccessTokenHeader    string            `json:"access_token_header,omitempty"`
	RefreshGrantType     string            `json:"refresh_grant_type,omitempty"`
	RefreshMethod        string            `json:"refresh_method,omitempty"`
}

type providerJSON struct {
	Recovery             string `json:"rotation_recovery,omitempty"`
	RotationGrace        micros `json:"rotation_grace_us,omitempty"`
	OldAccessToken       string `json:"old_access_token,omitempty"`
	OldAccessTokenLeeway micros `json:"old_access_token_leeway_us,omitempty"`
	NotBefore            micros `json:"refresh_not_before_us,omitempty"`
	MintLimit            int32  `json:"mint_limit,omitempty"`
	MintPeriod           micros `json:"mint_period_us,omitempty"`
	IdleLifetime         micros `json:"refresh_token_idle_lifetime_us,omitempty"`
	GrantLifetime        micros `json:"grant_lifetime_us,omitempty"`
	RevocationEndpoint   string `json:"revocation_endpoint,omitempty"`
}

type refreshJSON struct {
	RefreshBefore    micros `json:"refresh_before_us,omitempty"`
	DefaultLifetime  micros `json:"default_lifetime_us,omitempty"`
	Mode             string `json:"mode,omitempty"`
	KeepAlive        micros `json:"keep_alive_us,omitempty"`
	RevokeSuperseded bool   `json:"revoke_superseded,omitempty"`
	GrantWarning     micros `json:"grant_warning_us,omitempty"`
}

// micros is a duration in microseconds.
type micros int64

func toMicros(d time.Duration) micros { return micros(d.Microseconds()) }

func (m micros) duration() time.Duration { return time.Duration(m) * time.Microsecond }

func encodeOAuth2(a connection.OAuth2) *oauth2JSON {
	return &oauth2JSON{
		Preset:    presetJSON(a.Preset),
		GrantType: string(a.GrantType), Users: a.Users, TokenEndpoint: a.TokenEndpoint, ClientID: a.ClientID,
		ClientAuthentication: string(a.ClientAuthentication),
		SigningKey: signingKeyJSON{
			KeyID: a.SigningKey.KeyID, Algorithm: string(a.SigningKey.Algorithm), Audience: a.SigningKey.Audience, Issuer: a.SigningKey.Issuer,
		},
		CertificateChain: a.ClientCertificate.Chain, Scopes: a.Scopes, Audience: a.Audience, Token: encodeParameters(a.Token),
		RedirectURI: a.Code.RedirectURI,
		Assertion: assertionJSON{
			Issuer: a.Assertion.Issuer, Subject: a.Assertion.Subject, Audience: a.Assertion.Audience,
			Lifetime: toMicros(a.Assertion.Lifetime), Claims: a.Assertion.Claims,
		},
		Exchange: exchangeJSON{
			SubjectTokenType: a.Exchange.SubjectTokenType, ActorTokenType: a.Exchange.ActorTokenType,
			RequestedTokenType: a.Exchange.RequestedTokenType, Resources: a.Exchange.Resources,
		},
		Username: a.ResourceOwner.Username, Dialect: dialectJSON(a.Dialect), Provider: encodeProvider(a.Provider),
		Refresh: refreshJSON{
			RefreshBefore: toMicros(a.Refresh.RefreshBefore), DefaultLifetime: toMicros(a.Refresh.DefaultLifetime), Mode: a.Refresh.Mode,
			KeepAlive: toMicros(a.Refresh.KeepAlive), RevokeSuperseded: a.Refresh.RevokeSuperseded, GrantWarning: toMicros(a.Refresh.GrantWarning),
		},
		DPoP: string(a.DPoP),
		Authorize: authorizeJSON{
			Endpoint: a.Authorize.Endpoint, Issuer: a.Authorize.Issuer, PKCE: string(a.Authorize.PKCE), Parameters: a.Authorize.Parameters,
			PushEndpoint: a.Authorize.PushEndpoint,
		},
	}
}

func (j *oauth2JSON) decode() connection.OAuth2 {
	return connection.OAuth2{
		Preset:    connection.ProviderRef(j.Preset),
		GrantType: connection.GrantType(j.GrantType), Users: j.Users, TokenEndpoint: j.TokenEndpoint, ClientID: j.ClientID,
		ClientAuthentication: connection.ClientAuthentication(j.ClientAuthentication),
		SigningKey: connection.SigningKey{
			KeyID: j.SigningKey.KeyID, Algorithm: keys.Algorithm(j.SigningKey.Algorithm), Audience: j.SigningKey.Audience, Issuer: j.SigningKey.Issuer,
		},
		ClientCertificate: connection.ClientCertificate{Chain: j.CertificateChain},
		Scopes:            j.Scopes, Audience: j.Audience, Token: decodeParameters(j.Token),
		Code: connection.AuthorizationCode{RedirectURI: j.RedirectURI},
		Assertion: connection.Assertion{
			Issuer: j.Assertion.Issuer, Subject: j.Assertion.Subject, Audience: j.Assertion.Audience,
			Lifetime: j.Assertion.Lifetime.duration(), Claims: j.Assertion.Claims,
		},
		Exchange: connection.Exchange{
			SubjectTokenType: j.Exchange.SubjectTokenType, ActorTokenType: j.Exchange.ActorTokenType,
			RequestedTokenType: j.Exchange.RequestedTokenType, Resources: j.Exchange.Resources,
		},
		ResourceOwner: connection.ResourceOwner{Username: j.Username}, Dialect: connection.Dialect(j.Dialect), Provider: j.Provider.decode(),
		Refresh: connection.RefreshPolicy{
			RefreshBefore: j.Refresh.RefreshBefore.duration(), DefaultLifetime: j.Refresh.DefaultLifetime.duration(), Mode: j.Refresh.Mode,
			KeepAlive: j.Refresh.KeepAlive.duration(), RevokeSuperseded: j.Refresh.RevokeSuperseded,
			GrantWarning: j.Refresh.GrantWarning.duration(),
		},
		DPoP: keys.Algorithm(j.DPoP),
		Authorize: connection.Authorize{
			Endpoint: j.Authorize.Endpoint, Issuer: j.Authorize.Issuer, PKCE: connection.PKCE(j.Authorize.PKCE),
			Parameters: j.Authorize.Parameters, PushEndpoint: j.Authorize.PushEndpoint,
		},
	}
}

func encodeProvider(p connection.Provider) providerJSON {
	return providerJSON{
		Recovery: string(p.Recovery), RotationGrace: toMicros(p.RotationGrace), OldAccessToken: string(p.OldAccessToken),
		OldAccessTokenLeeway: toMicros(p.OldAccessTokenLeeway), NotBefore: toMicros(p.NotBefore), MintLimit: p.MintLimit,
		MintPeriod: toMicros(p.MintPeriod), IdleLifetime: toMicros(p.IdleLifetime), GrantLifetime: toMicros(p.GrantLifetime),
		RevocationEndpoint: p.RevocationEndpoint,
	}
}

func (j providerJSON) decode() connection.Provider {
	return connection.Provider{
		Recovery: connection.RotationRecovery(j.Recovery), RotationGrace: j.RotationGrace.duration(),
		OldAccessToken: connection.OldAccessToken(j.OldAccessToken), OldAccessTokenLeeway: j.OldAccessTokenLeeway.duration(),
		NotBefore: j.NotBefore.duration(), MintLimit: j.MintLimit, MintPeriod: j.MintPeriod.duration(),
		IdleLifetime: j.IdleLifetime.duration(), GrantLifetime: j.GrantLifetime.duration(), RevocationEndpoint: j.RevocationEndpoint,
	}
}
