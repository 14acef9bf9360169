package catalog

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// never is the lifetime of tokens that do not expire: the longest that a policy can have.
const never = 366 * day

// Defaults implements connection.Catalog.
func (c *Catalog) Defaults(ref connection.ProviderRef) (connection.OAuth2, error) {
	entry, err := c.Get(ref.ID)
	if err != nil {
		return connection.OAuth2{}, err
	}
	defaults, err := entry.defaults(ref.Parameters)
	if wrong, ok := errors.AsType[*ParameterError](err); ok {
		return connection.OAuth2{}, wrong.violation()
	}
	return defaults, err
}

// defaults are what the entry says of the settings of a connection with these instance values.
func (e Entry) defaults(given map[string]string) (connection.OAuth2, error) {
	values, err := e.Values(given)
	if err != nil {
		return connection.OAuth2{}, err
	}
	render := func(template string) string {
		if template == "" || err != nil {
			return ""
		}
		var text string
		text, err = Render(template, values)
		return text
	}
	a := connection.OAuth2{
		TokenEndpoint:        render(e.Token.Endpoint),
		ClientAuthentication: connection.ClientAuthentication(e.Auth.ClientAuthentication),
		SigningKey:           connection.SigningKey{Audience: e.Auth.AssertionAudience},
		Audience:             e.Token.Audience,
		Token:                e.Token.Parameters.settings(),
		Authorize: connection.Authorize{
			Endpoint: render(e.Authorize.URL), Issuer: render(e.Authorize.Issuer), PKCE: connection.PKCE(e.Authorize.PKCE),
			Parameters: maps.Clone(e.Authorize.Parameters), PushEndpoint: render(e.Authorize.PAREndpoint),
		},
		Dialect:  e.dialect(),
		Provider: e.provider(),
		Refresh:  e.refreshPolicy(),
	}
	a.Dialect.RefreshEndpoint = render(e.Token.RefreshEndpoint)
	if e.Revoke.Kind != "OTHER" {
		a.Provider.RevocationEndpoint = render(e.Revoke.Endpoint)
	}
	if a.ClientAuthentication == "" {
		a.ClientAuthentication = connection.ClientSecretBasic
	}
	return a, err
}

// Preview is what connections take from the entry, without the URLs that differ between them.
func (e Entry) Preview() (connection.OAuth2, error) {
	a, err := e.defaults(e.samples())
	for template, rendered := range map[string]*string{
		e.Token.Endpoint: &a.TokenEndpoint, e.Token.RefreshEndpoint: &a.Dialect.RefreshEndpoint, e.Revoke.Endpoint: &a.Provider.RevocationEndpoint,
		e.Authorize.URL: &a.Authorize.Endpoint, e.Authorize.PAREndpoint: &a.Authorize.PushEndpoint, e.Authorize.Issuer: &a.Authorize.Issuer,
	} {
		if len(names(template)) > 0 {
			*rendered = ""
		}
	}
	return a, err
}

func (e Entry) dialect() connection.Dialect {
	t, r := e.Token, e.Token.Response
	return connection.Dialect{
		Method: t.Method, Encoding: t.Encoding, ScopeSeparator: t.ScopeSeparator, FieldNames: maps.Clone(t.FieldNames),
		AccessTokenPath: r.AccessToken, RefreshTokenPath: r.RefreshToken, ExpiresInPath: r.ExpiresIn, ExpiresInUnit: r.ExpiresInUnit,
		ExpiresAtPath: r.ExpiresAt, ScopePath: r.Scope, RefreshExpiresInPath: r.RefreshExpiresIn, ErrorPath: r.Error,
		RefreshGrantType: t.RefreshGrant, RefreshMethod: t.RefreshMethod,
		ErrorCodes: maps.Clone(r.ErrorCodes), AuthorizationScheme: e.API.AuthorizationScheme, AccessTokenHeader: e.API.AccessTokenHeader,
	}
}

func (e Entry) provider() connection.Provider {
	p := connection.Provider{
		Recovery:             connection.RotationRecovery(e.Rotation.Recovery),
		RotationGrace:        time.Duration(e.Rotation.Grace),
		OldAccessToken:       connection.OldAccessToken(e.OldAccessToken.Fate),
		OldAccessTokenLeeway: time.Duration(e.OldAccessToken.Leeway),
		NotBefore:            time.Duration(e.Refresh.NotBefore),
		IdleLifetime:         time.Duration(e.Rotation.MaxIdle),
	}
	if e.Rotation.Mode == "NONE" && p.Recovery == "" {
		p.Recovery = connection.RecoveryReusable
	}
	if e.MintBudget.Per == "" || e.MintBudget.Per == "CLIENT" { // another's would hold all grants of a client to what one may have
		p.MintLimit, p.MintPeriod = e.MintBudget.Limit, time.Duration(e.MintBudget.Period)
	}
	if e.Rotation.AnchoredAt != "LAST_REFRESH" {
		p.GrantLifetime = time.Duration(e.Rotation.Absolute)
	}
	return p
}

func (e Entry) refreshPolicy() connection.RefreshPolicy {
	p := connection.RefreshPolicy{
		RefreshBefore:   time.Duration(e.Refresh.Before),
		DefaultLifetime: time.Duration(e.Lifetime.Default),
		KeepAlive:       time.Duration(e.Refresh.KeepAlive),
	}
	if e.Lifetime.Source == "NEVER" {
		p.DefaultLifetime = never
	}
	return p
}

func (p Parameters) settings() connection.Parameters {
	list := func(values map[string]string) []connection.Parameter {
		var out []connection.Parameter
		for _, key := range slices.Sorted(maps.Keys(values)) {
			out = append(out, connection.Parameter{Key: key, Value: seal.NewSecret(values[key])})
		}
		return out
	}
	return connection.Parameters{Headers: list(p.Headers), Query: list(p.Query), Body: list(p.Body)}
}

// settings holds the entry to the rules for connections: what it says must be what a connection could say.
func (l *linter) settings() {
	defaults, err := l.entry.defaults(l.entry.samples())
	if err != nil {
		l.fail("instance", "%v", err)
		return
	}
	for _, v := range defaults.Misfits() {
		l.fail(connectionField(v.Field), "%s", v.Description)
	}
}

// connectionField is the entry's name for a field of a connection's settings, or the connection's where there is none.
func connectionField(field string) string {
	exact := map[string]string{
		"oauth2.provider_behavior.rotation_grace": "rotation.grace", "oauth2.provider_behavior.old_access_token_leeway": "old_access_token.leeway",
		"oauth2.provider_behavior.mint_period": "mint_budget.period", "oauth2.refresh_policy.keep_alive": "refresh.keep_alive",
		"oauth2.dialect.encoding": "token.encoding", "oauth2.dialect.scope_separator": "token.scope_separator",
		"oauth2.dialect.authorization_scheme": "api.authorization_scheme", "oauth2.dialect.access_token_header": "api.access_token_header",
		"oauth2.dialect.access_token_path": "token.response.access_token", "oauth2.dialect.refresh_token_path": "token.response.refresh_token",
		"oauth2.dialect.expires_in_path": "token.response.expires_in", "oauth2.dialect.expires_at_path": "token.response.expires_at",
		"oauth2.dialect.scope_path": "token.response.scope", "oauth2.dialect.error_path": "token.response.error",
		"oauth2.dialect.refresh_token_expires_in_path": "token.response.refresh_token_expires_in",
	}
	if name, ok := exact[field]; ok {
		return name
	}
	for from, to := range map[string]string{
		"oauth2.dialect.field_names": "token.field_names", "oauth2.dialect.error_codes": "token.response.error_codes",
		"oauth2.token_parameters": "token.parameters",
	} {
		if rest, ok := strings.CutPrefix(field, from); ok {
			return to + rest
		}
	}
	return field
}
