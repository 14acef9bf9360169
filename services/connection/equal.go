package connection

import (
	"maps"
	"slices"
)

func (a OAuth2) equal(o OAuth2) bool {
	return a.Preset.equal(o.Preset) && a.GrantType == o.GrantType && a.Users == o.Users && a.TokenEndpoint == o.TokenEndpoint && a.ClientID == o.ClientID &&
		a.ClientSecret.Equal(o.ClientSecret) && a.AlternateClientSecret.Equal(o.AlternateClientSecret) &&
		a.ClientAuthentication == o.ClientAuthentication && a.SigningKey.equal(o.SigningKey) &&
		a.ClientCertificate.equal(o.ClientCertificate) && slices.Equal(a.Scopes, o.Scopes) && a.Audience == o.Audience &&
		a.Token.equal(o.Token) && a.RefreshToken.Equal(o.RefreshToken) && a.Code.equal(o.Code) && a.Assertion == o.Assertion &&
		a.Exchange.equal(o.Exchange) && a.ResourceOwner.equal(o.ResourceOwner) && a.Dialect.equal(o.Dialect) &&
		a.Authorize.equal(o.Authorize) && a.Provider == o.Provider && a.Refresh == o.Refresh && a.DPoP == o.DPoP
}

func (k SigningKey) equal(o SigningKey) bool {
	return k.PrivateKey.Equal(o.PrivateKey) && k.KeyID == o.KeyID && k.Algorithm == o.Algorithm && k.Audience == o.Audience && k.Issuer == o.Issuer
}

func (c ClientCertificate) equal(o ClientCertificate) bool {
	return c.Chain == o.Chain && c.PrivateKey.Equal(o.PrivateKey)
}

func (c AuthorizationCode) equal(o AuthorizationCode) bool {
	return c.Code.Equal(o.Code) && c.RedirectURI == o.RedirectURI && c.CodeVerifier.Equal(o.CodeVerifier)
}

func (a Authorize) equal(o Authorize) bool {
	return a.Endpoint == o.Endpoint && a.Issuer == o.Issuer && a.PKCE == o.PKCE && maps.Equal(a.Parameters, o.Parameters) &&
		a.PushEndpoint == o.PushEndpoint
}

func (e Exchange) equal(o Exchange) bool {
	return e.SubjectToken.Equal(o.SubjectToken) && e.SubjectTokenType == o.SubjectTokenType && e.ActorToken.Equal(o.ActorToken) &&
		e.ActorTokenType == o.ActorTokenType && e.RequestedTokenType == o.RequestedTokenType && slices.Equal(e.Resources, o.Resources)
}

func (r ResourceOwner) equal(o ResourceOwner) bool {
	return r.Username == o.Username && r.Password.Equal(o.Password)
}

func (d Dialect) equal(o Dialect) bool {
	return d.Method == o.Method && d.Encoding == o.Encoding && d.RefreshEndpoint == o.RefreshEndpoint &&
		d.ScopeSeparator == o.ScopeSeparator && maps.Equal(d.FieldNames, o.FieldNames) && d.AccessTokenPath == o.AccessTokenPath &&
		d.RefreshTokenPath == o.RefreshTokenPath && d.ExpiresInPath == o.ExpiresInPath && d.ExpiresInUnit == o.ExpiresInUnit &&
		d.ExpiresAtPath == o.ExpiresAtPath && d.ScopePath == o.ScopePath && d.RefreshExpiresInPath == o.RefreshExpiresInPath &&
		d.ErrorPath == o.ErrorPath && maps.Equal(d.ErrorCodes, o.ErrorCodes) && d.AuthorizationScheme == o.AuthorizationScheme &&
		d.AccessTokenHeader == o.AccessTokenHeader && d.RefreshGrantType == o.RefreshGrantType && d.RefreshMethod == o.RefreshMethod
}
