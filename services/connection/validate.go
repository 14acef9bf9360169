package connection

import (
	"fmt"
	"slices"
	"strings"
)

// Validate returns all that is wrong with the settings, as a *ValidationError. checkURL, unless nil, is asked about the authorization
// server's URLs only when nothing else is wrong, because its answer depends on the operator's rule, not on the connection alone.
func (s Settings) Validate(checkURL func(string) error) error {
	v := s.missingSecrets()
	v = append(v, s.checkSecrets()...)
	v = append(v, s.checkParameters()...)
	v = append(v, s.checkAPIBaseURL()...)
	v = append(v, s.checkProxy()...)
	v = append(v, s.checkConnect()...)
	if s.Kind == KindOAuth2 {
		v = append(v, s.OAuth2.check()...)
	}
	if len(v) > 0 {
		return &ValidationError{Violations: v}
	}
	if checkURL == nil {
		return nil
	}
	for _, e := range s.endpoints() {
		if err := checkURL(e.URL); err != nil {
			v = append(v, Violation{e.Field, err.Error()})
		}
	}
	if len(v) > 0 {
		return &ValidationError{Violations: v, Egress: true}
	}
	return nil
}

// checkParameters applies the rules for names and values of parameters.
func (s Settings) checkParameters() []Violation {
	var v []Violation
	for _, p := range s.places() {
		for _, l := range p.lists() {
			v = append(v, l.check()...)
		}
	}
	credential := s.credentialHeader()
	for i, p := range s.Invocation.Headers {
		if strings.EqualFold(p.Key, credential) {
			v = append(v, Violation{indexed("invocation_parameters.headers", i) + ".key", fmt.Sprintf("%q carries the connection's credential", credential)})
		}
		if s.Kind == KindOAuth2 && s.OAuth2.DPoP != "" && strings.EqualFold(p.Key, "DPoP") {
			v = append(v, Violation{indexed("invocation_parameters.headers", i) + ".key", `"DPoP" carries the proof that oauth2.dpop asks for`})
		}
	}
	return v
}

// credentialHeader is the header that the connection's own credential is sent in.
func (s Settings) credentialHeader() string {
	switch {
	case s.Kind == KindAPIKey:
		return s.APIKey.Name
	case s.Kind == KindOAuth2 && s.OAuth2.Dialect.AccessTokenHeader != "":
		return s.OAuth2.Dialect.AccessTokenHeader
	default:
		return "Authorization"
	}
}

func (l list) check() []Violation {
	var v []Violation
	seen := make(map[string]bool, len(*l.parameters))
	for i, p := range *l.parameters {
		field := indexed(l.field, i)
		switch key := canonicalKey(p.Key, l.header); {
		case p.Key == "":
			v = append(v, Violation{field + ".key", "is required"})
		case hasControl(p.Key):
			v = append(v, Violation{field + ".key", "must have no control characters, such as line breaks"})
		case l.header && !isToken(p.Key):
			v = append(v, Violation{field + ".key", "is no header name: letters, digits and !#$%&'*+-.^_`|~ are allowed (RFC 9110 section 5.6.2)"})
		case l.header && isGovernedHeader(key):
			v = append(v, Violation{field + ".key", fmt.Sprintf("%q is governed by the HTTP client and cannot be set", p.Key)})
		case seen[key]:
			v = append(v, Violation{field + ".key", fmt.Sprintf("%q is given more than once", p.Key)})
		default:
			seen[key] = true
		}
		if hasControl(p.Value.Reveal()) {
			v = append(v, Violation{field + ".value", "must have no control characters, such as line breaks"})
		}
	}
	return v
}

func indexed(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// canonicalKey is what two parameters of one place may not share: header names differ in more than case.
func canonicalKey(key string, header bool) string {
	if header {
		return strings.ToLower(key)
	}
	return key
}

// isGovernedHeader reports whether a header is hop-by-hop (RFC 9110 section 7.6.1) or states what only the HTTP client knows.
func isGovernedHeader(lower string) bool {
	return slices.Contains([]string{
		"connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	}, lower)
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for _, r := range s {
		letterOrDigit := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letterOrDigit && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return s != ""
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
