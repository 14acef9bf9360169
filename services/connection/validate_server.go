package connection

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// check applies the rules that span fields of a dialect.
func (d Dialect) check() []Violation {
	const field = "oauth2.dialect"
	var v []Violation
	if d.Method == http.MethodGet && d.Encoding == "JSON" {
		v = append(v, Violation{field + ".encoding", "must be FORM with the method GET, whose fields are query parameters"})
	}
	if hasControl(d.ScopeSeparator) {
		v = append(v, Violation{field + ".scope_separator", "must be no control character"})
	}
	for _, path := range []struct{ name, value string }{
		{"access_token_path", d.AccessTokenPath},
		{"refresh_token_path", d.RefreshTokenPath},
		{"expires_in_path", d.ExpiresInPath},
		{"expires_at_path", d.ExpiresAtPath},
		{"scope_path", d.ScopePath},
		{"refresh_token_expires_in_path", d.RefreshExpiresInPath},
		{"error_path", d.ErrorPath},
	} {
		if path.value != "" && (hasControl(path.value) || slices.Contains(strings.Split(path.value, "."), "")) {
			v = append(v, Violation{field + "." + path.name, "must be member names separated by dots, such as data.access_token"})
		}
	}
	v = append(v, d.checkFieldNames()...)
	v = append(v, d.checkErrorCodes()...)
	switch {
	case d.AccessTokenHeader != "" && d.AuthorizationScheme != "":
		v = append(v, Violation{field + ".authorization_scheme", "must be empty with access_token_header, which carries the token without a scheme"})
	case isGovernedHeader(strings.ToLower(d.AccessTokenHeader)):
		v = append(v, Violation{field + ".access_token_header", fmt.Sprintf("%q is governed by the HTTP client and cannot be set", d.AccessTokenHeader)})
	}
	return v
}

func (d Dialect) checkFieldNames() []Violation {
	const field = "oauth2.dialect.field_names"
	known := []string{
		"grant_type", "scope", "audience", "client_id", "client_secret", "client_assertion", "client_assertion_type", "refresh_token",
		"code", "redirect_uri", "code_verifier", "assertion", "subject_token", "subject_token_type", "actor_token", "actor_token_type",
		"requested_token_type", "resource", "username", "password",
	}
	var v []Violation
	givenTo := make(map[string]string, len(d.FieldNames))
	for _, name := range slices.Sorted(maps.Keys(d.FieldNames)) {
		other := d.FieldNames[name]
		switch {
		case !slices.Contains(known, name):
			v = append(v, Violation{keyed(field, name), "is no field of a token request; there are " + strings.Join(known, ", ")})
		case hasControl(other):
			v = append(v, Violation{keyed(field, name), "must have no control characters, such as line breaks"})
		case other != "" && givenTo[other] != "":
			v = append(v, Violation{keyed(field, name), fmt.Sprintf("%q is the name of %s already", other, givenTo[other])})
		default:
			givenTo[other] = name
		}
	}
	return v
}

func (d Dialect) checkErrorCodes() []Violation {
	const field = "oauth2.dialect.error_codes"
	meanings := []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"server_error", "temporarily_unavailable", "slow_down",
	}
	var v []Violation
	for _, code := range slices.Sorted(maps.Keys(d.ErrorCodes)) {
		switch {
		case code == "":
			v = append(v, Violation{keyed(field, code), "the code must not be empty"})
		case !slices.Contains(meanings, d.ErrorCodes[code]):
			v = append(v, Violation{keyed(field, code), "must stand for one of " + strings.Join(meanings, ", ")})
		}
	}
	return v
}

// checkDPoP keeps bound tokens in the header and scheme of RFC 9449 section 7.1, without which their proof says nothing.
func (a OAuth2) checkDPoP() []Violation {
	if a.DPoP == "" {
		return nil
	}
	const says = "must be empty with oauth2.dpop: a bound token is sent as RFC 9449 section 7.1 says"
	var v []Violation
	if a.Dialect.AuthorizationScheme != "" {
		v = append(v, Violation{"oauth2.dialect.authorization_scheme", says})
	}
	if a.Dialect.AccessTokenHeader != "" {
		v = append(v, Violation{"oauth2.dialect.access_token_header", says})
	}
	return v
}

// check applies the rules that span fields of a provider's behavior.
func (p Provider) check() []Violation {
	const field = "oauth2.provider_behavior"
	var v []Violation
	says := func(wrong bool, name, description string) {
		if wrong {
			v = append(v, Violation{field + "." + name, description})
		}
	}
	grace := p.Recovery == RecoveryGrace
	says(grace && p.RotationGrace == 0, "rotation_grace", "is required with GRACE")
	says(!grace && p.Recovery != RecoveryUntilSuccessorUsed && p.RotationGrace != 0, "rotation_grace",
		"must be empty: it is for GRACE and UNTIL_SUCCESSOR_USED")
	leeway := p.OldAccessToken == OldTokenLeeway
	says(leeway && p.OldAccessTokenLeeway == 0, "old_access_token_leeway", "is required with LEEWAY")
	says(!leeway && p.OldAccessTokenLeeway != 0, "old_access_token_leeway", "must be empty: it is for LEEWAY")
	says(p.MintLimit > 0 && p.MintPeriod == 0, "mint_period", "is required with mint_limit")
	says(p.MintLimit == 0 && p.MintPeriod != 0, "mint_period", "must be empty without mint_limit")
	return v
}

// check applies the rules for a policy with a provider.
func (r RefreshPolicy) check(p Provider) []Violation {
	const field = "oauth2.refresh_policy"
	var v []Violation
	if r.RevokeSuperseded && p.RevocationEndpoint == "" {
		v = append(v, Violation{field + ".revoke_superseded", "needs oauth2.provider_behavior.revocation_endpoint"})
	}
	if p.IdleLifetime > 0 && r.KeepAlive >= p.IdleLifetime {
		v = append(v, Violation{
			field + ".keep_alive",
			fmt.Sprintf("must be shorter than oauth2.provider_behavior.refresh_token_idle_lifetime, %s, after which the grant is dead", p.IdleLifetime),
		})
	}
	return v
}

// keyed is the path of a map's entry, as protovalidate writes it.
func keyed(field, key string) string { return fmt.Sprintf("%s[%q]", field, key) }
