package connection

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/connection/keys"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// check applies the rules that span fields of an OAuth 2.0 authorization.
func (a OAuth2) check() []Violation {
	return slices.Concat(
		a.checkPreset(), a.checkAuthorize(), a.checkClient(), a.checkSigningKey(), a.checkCertificate(), a.checkGrant(), a.checkTokenParameters(),
		a.Dialect.check(), a.checkDPoP(), a.Provider.check(), a.Refresh.check(a.Provider),
	)
}

// checkSecrets applies the rules for the texts of secrets that are no keys.
func (s Settings) checkSecrets() []Violation {
	v := s.idleSecrets()
	for _, f := range s.secretFields() {
		if !strings.HasSuffix(f.field, ".private_key") && hasControl(f.value.Reveal()) {
			v = append(v, Violation{f.field, "must have no control characters, such as line breaks"})
		}
	}
	return v
}

// checkClient applies the rules of client authentication that are not about keys.
func (a OAuth2) checkClient() []Violation {
	var v []Violation
	if a.ClientAuthentication == ClientSecretBasicRaw && strings.Contains(a.ClientID, ":") {
		v = append(v, Violation{"oauth2.client_id", "must have no colon with CLIENT_SECRET_BASIC_RAW (RFC 7617 section 2)"})
	}
	if a.showsCertificate() {
		for _, e := range a.Endpoints() {
			if scheme, _, _ := strings.Cut(e.URL, ":"); !strings.EqualFold(scheme, "https") {
				v = append(v, Violation{e.Field, fmt.Sprintf("must be https with %s: the client shows a certificate", a.ClientAuthentication)})
			}
		}
	}
	return v
}

func (a OAuth2) checkSigningKey() []Violation {
	const field = "oauth2.signing_key"
	key := a.SigningKey
	if !a.signs() {
		key.PrivateKey = seal.Secret{}
		return unused(!key.equal(SigningKey{}), field, signers)
	}
	var v []Violation
	if !key.PrivateKey.IsZero() {
		if err := keys.CheckSigning(key.PrivateKey.Reveal(), key.Algorithm); err != nil {
			v = append(v, Violation{field + ".private_key", err.Error()})
		}
	}
	if a.ClientAuthentication.asserts() {
		return v
	}
	for member, value := range map[string]string{"audience": key.Audience, "issuer": key.Issuer} {
		if value != "" {
			v = append(v, Violation{
				field + "." + member,
				"must be empty: it is for PRIVATE_KEY_JWT and SIGNED_CLIENT_SECRET; that of JWT_BEARER is oauth2.assertion." + member,
			})
		}
	}
	return v
}

func (a OAuth2) checkCertificate() []Violation {
	const field = "oauth2.client_certificate"
	certificate := a.ClientCertificate
	if !a.showsCertificate() {
		return unused(certificate.Chain != "", field, "TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH and the ways that send a client secret")
	}
	if certificate.Chain == "" {
		return []Violation{{field + ".certificate_chain", fmt.Sprintf("is required for %s", a.ClientAuthentication)}}
	}
	if err := keys.CheckChain(certificate.Chain); err != nil {
		return []Violation{{field + ".certificate_chain", err.Error()}}
	}
	if certificate.PrivateKey.IsZero() {
		return nil // said already
	}
	if err := keys.CheckPair(certificate.Chain, certificate.PrivateKey.Reveal()); err != nil {
		return []Violation{{field + ".private_key", err.Error()}}
	}
	return nil
}

// checkGrant applies the rules for what only some grants have.
func (a OAuth2) checkGrant() []Violation {
	var v []Violation
	if a.GrantType != CodeGrant {
		v = append(v, unused(a.Code.RedirectURI != "", "oauth2.authorization_code", "AUTHORIZATION_CODE")...)
	}
	if a.GrantType == JWTBearer {
		v = append(v, checkClaims(a.Assertion.Claims)...)
	} else {
		v = append(v, unused(a.Assertion != Assertion{}, "oauth2.assertion", "JWT_BEARER")...)
	}
	if a.GrantType == ExchangeGrant {
		v = append(v, a.Exchange.check()...)
	} else {
		visible := a.Exchange
		visible.SubjectToken, visible.ActorToken = seal.Secret{}, seal.Secret{}
		v = append(v, unused(!visible.equal(Exchange{}), "oauth2.token_exchange", "TOKEN_EXCHANGE")...)
	}
	switch {
	case a.GrantType != PasswordGrant:
		v = append(v, unused(a.ResourceOwner.Username != "", "oauth2.resource_owner", "PASSWORD")...)
	case a.ResourceOwner.Username == "":
		v = append(v, Violation{"oauth2.resource_owner.username", "is required for PASSWORD"})
	}
	return v
}

// check applies RFC 8693 section 2.1.
func (e Exchange) check() []Violation {
	const field = "oauth2.token_exchange"
	var v []Violation
	switch {
	case !e.ActorToken.IsZero() && e.ActorTokenType == "":
		v = append(v, Violation{field + ".actor_token_type", "is required with an actor token (RFC 8693 section 2.1)"})
	case e.ActorToken.IsZero() && e.ActorTokenType != "":
		v = append(v, Violation{field + ".actor_token_type", "must be empty without an actor token (RFC 8693 section 2.1)"})
	}
	for i, resource := range e.Resources {
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			v = append(v, Violation{indexed(field+".resources", i), "must be an absolute URI without a fragment (RFC 8693 section 2.1)"})
		}
	}
	return v
}

// checkClaims wants an object without the claims that are made for each assertion.
func checkClaims(text string) []Violation {
	const field = "oauth2.assertion.claims"
	if text == "" {
		return nil
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &claims); err != nil || claims == nil {
		return []Violation{{field, "must be the JSON text of an object"}}
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti"} {
		if _, given := claims[name]; given {
			return []Violation{{field, fmt.Sprintf("must not have %q: it is set for each assertion, from the other fields of oauth2.assertion", name)}}
		}
	}
	return nil
}

// checkTokenParameters keeps what is added to a token request apart from what is in it anyway.
func (a OAuth2) checkTokenParameters() []Violation {
	const parameters = "oauth2.token_parameters"
	var v []Violation
	taken := a.requestFields()
	for _, l := range []struct {
		field      string
		parameters []Parameter
	}{{parameters + ".query", a.Token.Query}, {parameters + ".body", a.Token.Body}} {
		for i, p := range l.parameters {
			if says := taken[p.Key]; says != "" {
				v = append(v, Violation{indexed(l.field, i) + ".key", fmt.Sprintf("%q %s", p.Key, says)})
			}
		}
	}
	for i, p := range a.Token.Headers {
		switch key := strings.ToLower(p.Key); {
		case key == "dpop" && a.DPoP != "":
			v = append(v, Violation{indexed(parameters+".headers", i) + ".key", `"DPoP" carries the proof that oauth2.dpop asks for`})
		case key == "content-type" || key == "accept":
			v = append(v, Violation{indexed(parameters+".headers", i) + ".key", fmt.Sprintf("%q of a token request is given by RFC 6749", p.Key)})
		case key == "authorization" && a.ClientAuthentication.usesBasic():
			v = append(v, Violation{
				indexed(parameters+".headers", i) + ".key",
				fmt.Sprintf(`"Authorization" carries the client's credentials with %s`, a.ClientAuthentication),
			})
		}
	}
	return v
}

// requestFields returns the names of the fields that token requests have by themselves, each with what to say of one more.
func (a OAuth2) requestFields() map[string]string {
	names := []string{"grant_type", "scope", "client_id", "client_secret", "client_assertion", "client_assertion_type"}
	switch a.GrantType {
	case RefreshToken:
		names = append(names, "refresh_token")
	case CodeGrant:
		names = append(names, "refresh_token", "code", "redirect_uri", "code_verifier")
	case JWTBearer:
		names = append(names, "assertion")
	case ExchangeGrant:
		names = append(names, "subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type")
	case PasswordGrant:
		names = append(names, "username", "password")
	case ClientCredentials:
	}
	says := make(map[string]string, len(names)+2)
	for _, name := range names {
		says[name] = "is a field of the protocol itself, which is sent according to the other fields of oauth2"
	}
	if a.Audience != "" {
		says["audience"] = "is sent because oauth2.audience is set; use one of the two"
	}
	if len(a.Exchange.Resources) > 0 {
		says["resource"] = "is sent because oauth2.token_exchange.resources is set; use one of the two"
	}
	for name := range a.Dialect.FieldNames {
		delete(says, name) // not sent under its own name
	}
	for name, other := range a.Dialect.FieldNames {
		if other != "" {
			says[other] = fmt.Sprintf("is the name that oauth2.dialect.field_names gives %q", name)
		}
	}
	return says
}

// unused is the violation of settings that are given although nothing would be done with them.
func unused(given bool, field, user string) []Violation {
	if !given {
		return nil
	}
	return []Violation{{field, "must be empty: it is for " + user}}
}
