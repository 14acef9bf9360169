package connection

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Connect is what end users see who connect their accounts, and where they may be sent afterwards.
type Connect struct {
	ApplicationName string // who asks; empty: the project
	ReturnURLs      []string
}

func (c Connect) equal(o Connect) bool {
	return c.ApplicationName == o.ApplicationName && slices.Equal(c.ReturnURLs, o.ReturnURLs)
}

// anyPath ends a return URL behind which there may be any path.
const anyPath = "/*"

// AllowsReturn reports whether an end user may be sent to a URL in the end. Nothing is forgiven: a URL that browsers might read in
// another way is not allowed.
func (c Connect) AllowsReturn(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || checkBrowserURL(raw) != nil || u.Fragment != "" || strings.Contains(raw, "#") {
		return false
	}
	path := u.EscapedPath()
	for _, allowed := range c.ReturnURLs {
		a, err := url.Parse(allowed)
		if err != nil || a.Scheme != u.Scheme || !strings.EqualFold(a.Host, u.Host) {
			continue
		}
		prefix, below := strings.CutSuffix(a.EscapedPath(), anyPath)
		switch {
		case !below && samePath(path, a.EscapedPath()):
			return true
		case below && (samePath(path, prefix) || strings.HasPrefix(path, prefix+"/")) && !climbs(u):
			return true
		}
	}
	return false
}

// samePath takes an empty path for that of the root (RFC 9110 section 4.2.3).
func samePath(a, b string) bool {
	return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") && (a == b || len(a)+len(b) == 1)
}

// climbs reports whether a path has segments that lead upwards, in whatever spelling, or hides slashes.
func climbs(u *url.URL) bool {
	escaped := strings.ToLower(u.EscapedPath())
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") {
		return true
	}
	return slices.ContainsFunc(strings.Split(u.Path, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}

// checkBrowserURL wants a URL that a browser may be sent to: https, or http to a loopback address.
func checkBrowserURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || hasControl(raw) || strings.ContainsAny(raw, "\\ "):
		return fmt.Errorf("must be an absolute URL without user, such as https://app.example.com/connected")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())):
		return fmt.Errorf("must be https; http only to a loopback address")
	default:
		return nil
	}
}

func isLoopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkConnect applies the rules for what belongs to ConnectService.
func (s Settings) checkConnect() []Violation {
	var v []Violation
	for i, raw := range s.Connect.ReturnURLs {
		field := indexed("connect.return_urls", i)
		if err := checkBrowserURL(raw); err != nil {
			v = append(v, Violation{field, err.Error()})
			continue
		}
		u, err := url.Parse(raw)
		if err != nil || strings.ContainsAny(raw, "?#") || climbs(u) || strings.Contains(strings.TrimSuffix(raw, anyPath), "*") {
			v = append(v, Violation{field, "must have no query, no fragment, no dot segments, and a * only as a last segment of its own"})
		}
	}
	return v
}

// checkAuthorize applies the rules for authorization requests.
func (a OAuth2) checkAuthorize() []Violation {
	var v []Violation
	if a.GrantType != CodeGrant {
		return unused(!a.Authorize.equal(Authorize{}) && a.Preset.ID == "", "oauth2.authorization_endpoint", "AUTHORIZATION_CODE")
	}
	if e := a.Authorize.Endpoint; e != "" {
		if err := checkBrowserURL(e); err != nil || strings.Contains(e, "#") {
			v = append(v, Violation{"oauth2.authorization_endpoint", "must be an https URL without user and fragment; http only to a loopback address"})
		}
	}
	return append(v, CheckAuthorizationParameters("oauth2.authorization_parameters", a.Authorize.Parameters)...)
}

// CheckAuthorizationParameters refuses parameters that are the protocol's own.
func CheckAuthorizationParameters(field string, parameters map[string]string) []Violation {
	own := []string{
		"client_id", "client_secret", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "request", "request_uri",
		"response_type", "scope", "state",
	}
	var v []Violation
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if slices.Contains(own, name) {
			v = append(v, Violation{keyed(field, name), "is a parameter of the protocol itself, which is sent according to the connection's other fields"})
		}
	}
	return v
}
