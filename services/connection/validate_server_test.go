package connection_test

import (
	"testing"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/keys"
)

// TestValidateServer is about dialect, provider behavior and refresh policy.
func TestValidateServer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit  func(*connection.OAuth2)
		field string // "": valid
		says  string
	}{
		"GET":               {func(a *connection.OAuth2) { a.Dialect.Method = "GET" }, "", ""},
		"GET with JSON":     {func(a *connection.OAuth2) { a.Dialect.Method, a.Dialect.Encoding = "GET", "JSON" }, "oauth2.dialect.encoding", "FORM"},
		"separator":         {func(a *connection.OAuth2) { a.Dialect.ScopeSeparator = "," }, "", ""},
		"control separator": {func(a *connection.OAuth2) { a.Dialect.ScopeSeparator = "\n" }, "oauth2.dialect.scope_separator", "control"},
		"path":              {func(a *connection.OAuth2) { a.Dialect.AccessTokenPath = "data.access_token" }, "", ""},
		"path with a gap":   {func(a *connection.OAuth2) { a.Dialect.ErrorPath = "data..error" }, "oauth2.dialect.error_path", "dots"},
		"renamed": {func(a *connection.OAuth2) {
			a.Dialect.FieldNames = map[string]string{"client_id": "key", "scope": "", "grant_type": ""}
		}, "", ""},
		"renamed unknown": {func(a *connection.OAuth2) { a.Dialect.FieldNames = map[string]string{"clientid": "key"} }, `oauth2.dialect.field_names["clientid"]`, "there are grant_type, "},
		"renamed alike": {func(a *connection.OAuth2) {
			a.Dialect.FieldNames = map[string]string{"client_id": "key", "client_secret": "key"}
		}, `oauth2.dialect.field_names["client_secret"]`, "name of client_id already"},
		"renamed badly": {func(a *connection.OAuth2) { a.Dialect.FieldNames = map[string]string{"client_id": "a\rb"} }, `oauth2.dialect.field_names["client_id"]`, "line breaks"},
		"given a second time": {func(a *connection.OAuth2) {
			a.Dialect.FieldNames = map[string]string{"client_id": "key"}
			a.Token.Body = []connection.Parameter{parameter("key", "x")}
		}, "oauth2.token_parameters.body[0].key", `gives "client_id"`},
		"given instead": {func(a *connection.OAuth2) {
			a.Dialect.FieldNames = map[string]string{"grant_type": ""}
			a.Token.Body = []connection.Parameter{parameter("grant_type", "odd")}
		}, "", ""},
		"exchanged names": {func(a *connection.OAuth2) {
			a.Dialect.FieldNames = map[string]string{"client_id": "client_secret", "client_secret": "client_id"}
			a.Token.Body = []connection.Parameter{parameter("client_id", "x")}
		}, "oauth2.token_parameters.body[0].key", `gives "client_secret"`},
		"error code": {func(a *connection.OAuth2) {
			a.Dialect.ErrorCodes = map[string]string{"E1": "invalid_grant", "429": "slow_down"}
		}, "", ""},
		"error code's sense": {func(a *connection.OAuth2) { a.Dialect.ErrorCodes = map[string]string{"E1": "dead"} }, `oauth2.dialect.error_codes["E1"]`, "invalid_grant"},
		"empty error code":   {func(a *connection.OAuth2) { a.Dialect.ErrorCodes = map[string]string{"": "slow_down"} }, `oauth2.dialect.error_codes[""]`, "empty"},
		"header with scheme": {func(a *connection.OAuth2) {
			a.Dialect.AccessTokenHeader, a.Dialect.AuthorizationScheme = "X-Token", "Odd"
		}, "oauth2.dialect.authorization_scheme", "access_token_header"},
		"governed header": {func(a *connection.OAuth2) { a.Dialect.AccessTokenHeader = "Host" }, "oauth2.dialect.access_token_header", "governed"},
		"proof":           {func(a *connection.OAuth2) { a.DPoP = keys.PS256 }, "", ""},
		"proof with another scheme": {func(a *connection.OAuth2) {
			a.DPoP, a.Dialect.AuthorizationScheme = keys.ES256, "Odd"
		}, "oauth2.dialect.authorization_scheme", "RFC 9449"},
		"proof with another header": {func(a *connection.OAuth2) {
			a.DPoP, a.Dialect.AccessTokenHeader = keys.ES256, "X-Token"
		}, "oauth2.dialect.access_token_header", "RFC 9449"},
		"proof given a second time": {func(a *connection.OAuth2) {
			a.DPoP, a.Token.Headers = keys.ES256, []connection.Parameter{parameter("dpop", "x")}
		}, "oauth2.token_parameters.headers[0].key", "proof"},
		"grace": {func(a *connection.OAuth2) {
			a.Provider.Recovery, a.Provider.RotationGrace = connection.RecoveryGrace, time.Minute
		}, "", ""},
		"no grace":          {func(a *connection.OAuth2) { a.Provider.Recovery = connection.RecoveryGrace }, "oauth2.provider_behavior.rotation_grace", "required"},
		"grace without use": {func(a *connection.OAuth2) { a.Provider.RotationGrace = time.Minute }, "oauth2.provider_behavior.rotation_grace", "UNTIL_SUCCESSOR_USED"},
		"grace until used": {func(a *connection.OAuth2) {
			a.Provider.Recovery, a.Provider.RotationGrace = connection.RecoveryUntilSuccessorUsed, time.Minute
		}, "", ""},
		"until used": {func(a *connection.OAuth2) { a.Provider.Recovery = connection.RecoveryUntilSuccessorUsed }, "", ""},
		"leeway": {func(a *connection.OAuth2) {
			a.Provider.OldAccessToken, a.Provider.OldAccessTokenLeeway = connection.OldTokenLeeway, time.Minute
		}, "", ""},
		"no leeway": {func(a *connection.OAuth2) { a.Provider.OldAccessToken = connection.OldTokenLeeway }, "oauth2.provider_behavior.old_access_token_leeway", "required"},
		"leeway without use": {func(a *connection.OAuth2) {
			a.Provider.OldAccessToken, a.Provider.OldAccessTokenLeeway = connection.OldTokenKilled, time.Minute
		}, "oauth2.provider_behavior.old_access_token_leeway", "LEEWAY"},
		"budget":           {func(a *connection.OAuth2) { a.Provider.MintLimit, a.Provider.MintPeriod = 10, time.Minute }, "", ""},
		"limit alone":      {func(a *connection.OAuth2) { a.Provider.MintLimit = 10 }, "oauth2.provider_behavior.mint_period", "required"},
		"period alone":     {func(a *connection.OAuth2) { a.Provider.MintPeriod = time.Minute }, "oauth2.provider_behavior.mint_period", "mint_limit"},
		"revoking nowhere": {func(a *connection.OAuth2) { a.Refresh.RevokeSuperseded = true }, "oauth2.refresh_policy.revoke_superseded", "revocation_endpoint"},
		"revoking": {func(a *connection.OAuth2) {
			a.Refresh.RevokeSuperseded, a.Provider.RevocationEndpoint = true, "https://as.example/revoke"
		}, "", ""},
		"kept alive": {func(a *connection.OAuth2) { a.Refresh.KeepAlive, a.Provider.IdleLifetime = time.Hour, 2*time.Hour }, "", ""},
		"kept alive too late": {func(a *connection.OAuth2) {
			a.Refresh.KeepAlive, a.Provider.IdleLifetime = 2*time.Hour, 2*time.Hour
		}, "oauth2.refresh_policy.keep_alive", "shorter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := oauth2()
			tc.edit(&s.OAuth2)
			requireViolation(t, s.Validate(nil), tc.field, tc.says)
		})
	}
}
