package connection

import (
	"cmp"
	"maps"
	"slices"
)

// ProviderRef names a provider of the catalogue. Zero: none.
type ProviderRef struct {
	ID         string
	Parameters map[string]string // instance values, such as a tenant
}

func (r ProviderRef) equal(o ProviderRef) bool {
	return r.ID == o.ID && maps.Equal(r.Parameters, o.Parameters)
}

// checkPreset wants a provider where something depends on it.
func (a OAuth2) checkPreset() []Violation {
	var v []Violation
	if a.TokenEndpoint == "" {
		v = append(v, Violation{"oauth2.token_endpoint", "is required without oauth2.provider"})
	}
	if a.Preset.ID == "" && len(a.Preset.Parameters) > 0 {
		v = append(v, Violation{"oauth2.provider_parameters", "must be empty without oauth2.provider"})
	}
	return v
}

// Misfits are the settings about the authorization server that break a rule, whatever the grant and the client.
func (a OAuth2) Misfits() []Violation {
	return slices.Concat(a.checkTokenParameters(), a.Dialect.check(), a.Provider.check(), a.Refresh.check(a.Provider))
}

// settled fixes how the client authenticates, which is a fact of its registration: what the provider has for it when the connection is
// stored stays, whatever becomes of the catalogue.
func (s *Service) settled(of Settings) (Settings, error) {
	if of.Kind != KindOAuth2 || of.Preset() == "" || of.OAuth2.ClientAuthentication != "" {
		return of, nil
	}
	defaults, err := s.catalog.Defaults(of.OAuth2.Preset)
	if err != nil {
		return of, err
	}
	of.OAuth2.ClientAuthentication = defaults.ClientAuthentication
	return of, nil
}

// filled returns the settings that are in force.
func (s *Service) filled(of Settings) (Settings, error) {
	if of.Preset() == "" {
		return of, nil
	}
	defaults, err := s.catalog.Defaults(of.OAuth2.Preset)
	if err != nil {
		return of, err
	}
	of.OAuth2 = of.OAuth2.FilledFrom(defaults)
	return of, nil
}

// validate judges the settings that would be in force.
func (s *Service) validate(of Settings) error {
	in, err := s.filled(of)
	if err != nil {
		return err
	}
	return in.Validate(s.checkURL)
}

// Preset is the id of the provider that fills what is unset. Empty: none.
func (s Settings) Preset() string {
	if s.Kind != KindOAuth2 {
		return ""
	}
	return s.OAuth2.Preset.ID
}

// FilledFrom returns the authorization with what it leaves unset taken from a provider's defaults. What belongs together is taken together:
// a connection that says what becomes of refresh tokens says for how long, too. Of maps and parameters each entry counts for itself.
func (a OAuth2) FilledFrom(d OAuth2) OAuth2 {
	a.TokenEndpoint = cmp.Or(a.TokenEndpoint, d.TokenEndpoint)
	a.ClientAuthentication = cmp.Or(a.ClientAuthentication, d.ClientAuthentication)
	if !slices.ContainsFunc(a.Token.Body, func(p Parameter) bool { return p.Key == "audience" }) {
		a.Audience = cmp.Or(a.Audience, d.Audience)
	}
	if a.ClientAuthentication.asserts() {
		a.SigningKey.Audience = cmp.Or(a.SigningKey.Audience, d.SigningKey.Audience)
	}
	a.Token = a.Token.filledFrom(d.Token)
	a.Authorize = a.Authorize.filledFrom(d.Authorize)
	a.Dialect = a.Dialect.filledFrom(d.Dialect)
	a.Provider = a.Provider.filledFrom(d.Provider)
	a.Refresh = a.Refresh.filledFrom(d.Refresh)
	return a
}

func (p Parameters) filledFrom(d Parameters) Parameters {
	fill := func(own, defaults []Parameter, header bool) []Parameter {
		out := slices.Clone(own)
		for _, p := range defaults {
			key := canonicalKey(p.Key, header)
			if !slices.ContainsFunc(own, func(o Parameter) bool { return canonicalKey(o.Key, header) == key }) {
				out = append(out, p)
			}
		}
		return out
	}
	return Parameters{
		Headers: fill(p.Headers, d.Headers, true), Query: fill(p.Query, d.Query, false), Body: fill(p.Body, d.Body, false),
	}
}

func (a Authorize) filledFrom(d Authorize) Authorize {
	a.Endpoint, a.Issuer = cmp.Or(a.Endpoint, d.Endpoint), cmp.Or(a.Issuer, d.Issuer)
	a.PKCE, a.PushEndpoint = cmp.Or(a.PKCE, d.PKCE), cmp.Or(a.PushEndpoint, d.PushEndpoint)
	a.Parameters = mergedMap(d.Parameters, a.Parameters)
	return a
}

func (d Dialect) filledFrom(o Dialect) Dialect {
	d.Method, d.Encoding = cmp.Or(d.Method, o.Method), cmp.Or(d.Encoding, o.Encoding)
	d.RefreshEndpoint, d.ScopeSeparator = cmp.Or(d.RefreshEndpoint, o.RefreshEndpoint), cmp.Or(d.ScopeSeparator, o.ScopeSeparator)
	d.RefreshGrantType, d.RefreshMethod = cmp.Or(d.RefreshGrantType, o.RefreshGrantType), cmp.Or(d.RefreshMethod, o.RefreshMethod)
	d.FieldNames, d.ErrorCodes = mergedMap(o.FieldNames, d.FieldNames), mergedMap(o.ErrorCodes, d.ErrorCodes)
	for _, path := range []struct {
		own      *string
		fallback string
	}{
		{&d.AccessTokenPath, o.AccessTokenPath},
		{&d.RefreshTokenPath, o.RefreshTokenPath},
		{&d.ScopePath, o.ScopePath},
		{&d.RefreshExpiresInPath, o.RefreshExpiresInPath},
		{&d.ErrorPath, o.ErrorPath},
		{&d.ExpiresAtPath, o.ExpiresAtPath},
	} {
		*path.own = cmp.Or(*path.own, path.fallback)
	}
	if d.ExpiresInPath == "" && d.ExpiresInUnit == "" {
		d.ExpiresInPath, d.ExpiresInUnit = o.ExpiresInPath, o.ExpiresInUnit
	}
	if d.AccessTokenHeader == "" && d.AuthorizationScheme == "" {
		d.AccessTokenHeader, d.AuthorizationScheme = o.AccessTokenHeader, o.AuthorizationScheme
	}
	return d
}

func mergedMap(defaults, own map[string]string) map[string]string {
	if len(defaults) == 0 {
		return own
	}
	out := maps.Clone(defaults)
	maps.Copy(out, own)
	return out
}

func (p Provider) filledFrom(d Provider) Provider {
	if p.Recovery == "" {
		p.Recovery, p.RotationGrace = d.Recovery, d.RotationGrace
	}
	if p.OldAccessToken == "" {
		p.OldAccessToken, p.OldAccessTokenLeeway = d.OldAccessToken, d.OldAccessTokenLeeway
	}
	if p.MintLimit == 0 {
		p.MintLimit, p.MintPeriod = d.MintLimit, d.MintPeriod
	}
	p.NotBefore = cmp.Or(p.NotBefore, d.NotBefore)
	p.IdleLifetime = cmp.Or(p.IdleLifetime, d.IdleLifetime)
	p.GrantLifetime = cmp.Or(p.GrantLifetime, d.GrantLifetime)
	p.RevocationEndpoint = cmp.Or(p.RevocationEndpoint, d.RevocationEndpoint)
	return p
}

func (r RefreshPolicy) filledFrom(d RefreshPolicy) RefreshPolicy {
	r.RefreshBefore = cmp.Or(r.RefreshBefore, d.RefreshBefore)
	r.DefaultLifetime = cmp.Or(r.DefaultLifetime, d.DefaultLifetime)
	r.Mode = cmp.Or(r.Mode, d.Mode)
	r.KeepAlive = cmp.Or(r.KeepAlive, d.KeepAlive)
	return r
}
