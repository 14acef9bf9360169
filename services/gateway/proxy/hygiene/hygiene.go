package hygiene

import (
	"encoding/base64"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// own begins the names of headers that the proxy itself speaks with.
const own = "Freshet-"

// hopByHop are about one connection only: RFC 9110 section 7.6.1, and what proxies in the field still send.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate",
		"Proxy-Authorization", "Http2-Settings":
		return true
	}
	return false
}

// ofCaller are between the caller and us: who it is, what its browser holds for our host, and the ways by which it came.
func ofCaller(name string) bool {
	switch name {
	case "Authorization", "X-Api-Key", "Cookie", "Cookie2", "Host", "Content-Length", "Forwarded", "Via", "X-Real-Ip", "True-Client-Ip",
		"Cf-Connecting-Ip", "Origin", "Referer", "Expect", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Original-Url",
		"X-Rewrite-Url", "Dpop":
		return true
	}
	for _, prefix := range []string{own, "X-Forwarded-", "Grpc-Metadata-", "Access-Control-", "Sec-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Request returns the headers that a caller's call goes on with, and defaults for those that it does not have. The values are shared with
// from.
func Request(from http.Header, defaults map[string]string) http.Header {
	named := connectionHeaders(from)
	out := make(http.Header, len(from)+len(defaults))
	for name, values := range from {
		if hopByHop(name) || ofCaller(name) || named[name] || strings.Contains(name, "_") { // _ is - to some servers
			continue
		}
		out[name] = values
	}
	for name, value := range defaults {
		if _, given := out[http.CanonicalHeaderKey(name)]; !given {
			out.Set(name, value)
		}
	}
	if _, given := out["User-Agent"]; !given {
		out["User-Agent"] = nil // that of net/http is nobody's
	}
	if _, given := out["Accept-Encoding"]; !given {
		out.Set("Accept-Encoding", "identity") // else net/http asks for gzip, and unpacks it
	}
	return out
}

// ofHost are about the API's own host: on ours they would set its cookies, open it to other origins, or move it elsewhere.
func ofHost(name string) bool {
	switch name {
	case "Set-Cookie", "Set-Cookie2", "Strict-Transport-Security", "Alt-Svc", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Clear-Site-Data",
		"Refresh", "Service-Worker-Allowed", "Nel", "Report-To", "Reporting-Endpoints", "Authentication-Info", "Proxy-Authentication-Info", "Dpop-Nonce",
		"Content-Security-Policy", "Content-Security-Policy-Report-Only", "X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile":
		return true
	}
	return strings.HasPrefix(name, own) || strings.HasPrefix(name, "Access-Control-")
}

// Response puts the headers of an API's answer into those of ours: without those of the one connection and of its host, and without any that
// holds one of the secrets. Should a browser show the answer, it is a page without rights and without an origin.
func Response(to, from http.Header, secrets ...*Secrets) {
	named := connectionHeaders(from)
	for name, values := range from {
		if hopByHop(name) || ofHost(name) || named[name] || slices.ContainsFunc(secrets, func(s *Secrets) bool { return s.In(values) }) {
			continue
		}
		to[name] = values
	}
	to.Set("X-Content-Type-Options", "nosniff")
	to.Set("Content-Security-Policy", "sandbox; default-src 'none'")
}

// connectionHeaders are those that the header Connection names.
func connectionHeaders(h http.Header) map[string]bool {
	var out map[string]bool
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			if out == nil {
				out = map[string]bool{}
			}
			out[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return out
}

// minSecret is the length from which a text is looked for: shorter ones are found everywhere.
const minSecret = 4

// Secrets are texts that must not come back.
type Secrets struct{ forms []string }

// NewSecrets returns the secrets in what puts a credential on a request.
func NewSecrets(values ...string) *Secrets {
	s := &Secrets{}
	for _, value := range values {
		s.add(value)
		scheme, rest, found := strings.Cut(value, " ") // "Bearer …", "Basic …"
		if !found {
			continue
		}
		s.add(rest)
		if decoded, err := base64.StdEncoding.DecodeString(rest); err == nil && strings.EqualFold(scheme, "Basic") {
			_, password, _ := strings.Cut(string(decoded), ":")
			s.add(password)
		}
	}
	return s
}

func (s *Secrets) add(text string) {
	for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text)} {
		if len(form) >= minSecret {
			s.forms = append(s.forms, form)
		}
	}
}

// In reports whether one of the values holds a secret, in a spelling that headers have.
func (s *Secrets) In(values []string) bool {
	for _, value := range values {
		for _, form := range s.forms {
			if strings.Contains(value, form) {
				return true
			}
		}
	}
	return false
}
