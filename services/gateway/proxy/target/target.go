package target

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Prefix begins the proxy's paths.
const Prefix = "/proxy/v1/"

// Template is the form of the proxy's paths, for names of spans and metrics.
const Template = Prefix + "{name=projects/*/connections/*}/{path=**}"

// Call is what a path of the proxy names.
type Call struct {
	// Connection is the resource name of the connection.
	Connection string
	// Token is the resource name of the token: the connection's, or that of one of its grants.
	Token string
	// Path is what follows, as it was sent: without a leading slash, percent-encoded.
	Path string
	// Slashes: segments of the path have slashes within, encoded as %2F, which only some APIs should be sent.
	Slashes bool
}

// RefusedError says why a call is not made. It holds nothing of the path.
type RefusedError struct{ Description string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Description }

// isProjectID is ^[a-z0-9][a-z0-9-]{0,62}$.
func isProjectID(id string) bool {
	return id != "" && len(id) <= 63 && id[0] != '-' && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// isResourceID is ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$.
func isResourceID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsRune("._-", rune(id[0])) && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}

// Parse reads a path of the proxy, percent-encoded as it was sent. ok is false for one that names no connection.
//
// The error is a *[RefusedError].
func Parse(escaped string) (call Call, ok bool, err error) {
	rest, ok := strings.CutPrefix(escaped, Prefix)
	parts := strings.SplitN(rest, "/", 5)
	if !ok || len(parts) < 4 || parts[0] != "projects" || parts[2] != "connections" ||
		!isProjectID(parts[1]) || !isResourceID(parts[3]) {
		return Call{}, false, nil
	}
	call.Connection = rest[:len(parts[0])+len(parts[1])+len(parts[2])+len(parts[3])+3]
	call.Token = call.Connection + "/token"
	if len(parts) == 5 {
		call.Path = parts[4]
	}
	if after, of := strings.CutPrefix(call.Path, "grants/"); of {
		grant, path, _ := strings.Cut(after, "/")
		if !isResourceID(grant) {
			return Call{}, false, nil
		}
		call.Token, call.Path = call.Connection+"/grants/"+grant+"/token", path
	}
	call.Slashes, err = checkPath(call.Path)
	return call, true, err
}

// checkPath refuses what some server could take for a path elsewhere, and reports slashes within segments.
func checkPath(path string) (slashes bool, err error) {
	for more := true; more; {
		var segment string
		if segment, path, more = strings.Cut(path, "/"); segment == "" && more {
			return false, &RefusedError{"the path has an empty segment"}
		}
		text, err := url.PathUnescape(segment)
		if err != nil {
			return false, &RefusedError{"the path is not validly percent-encoded"}
		}
		if strings.Contains(text, "/") {
			slashes = true
		}
		if err := checkParts(text); err != nil {
			return false, err
		}
		// Once more, for servers that decode twice.
		if again, err := url.PathUnescape(text); err == nil && again != text {
			if strings.Count(again, "/") > strings.Count(text, "/") {
				return false, errSlash
			}
			if err := checkParts(again); err != nil {
				return false, err
			}
		}
	}
	return slashes, nil
}

// checkParts checks a segment, or each of those that it is to servers that decode it before they split the path.
func checkParts(segment string) error {
	for part := range strings.SplitSeq(segment, "/") {
		if part == "" && segment != "" {
			return &RefusedError{"the path has a segment that begins or ends with a slash, or has two in a row"}
		}
		if err := checkSegment(part); err != nil {
			return err
		}
	}
	return nil
}

// errSlash refuses slashes within segments; of calls that the connection's API takes, only those that are encoded twice.
var errSlash = &RefusedError{"the path has a slash within a segment, encoded as %2F"}

// CheckSlashes refuses a call with slashes within segments.
func (c Call) CheckSlashes() error {
	if c.Slashes {
		return errSlash
	}
	return nil
}

func checkSegment(text string) error {
	name, _, _ := strings.Cut(text, ";") // what follows is a parameter to some servers
	switch {
	case name == "." || name == "..":
		return &RefusedError{"the path has a segment . or .."}
	case strings.Contains(text, `\`):
		return &RefusedError{"the path has a backslash"}
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &RefusedError{"the path has a control character"}
	default:
		return nil
	}
}

// URL puts a call's path behind a base URL. A host, unless empty, replaces that of the base; it must be one of hosts, and the path is then
// behind its root. The query is passed on as it is.
//
// The error is a *[RefusedError], or that the base is no URL.
func URL(base string, hosts []string, host, path, query string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("target: the base of the API is no URL")
	}
	root := strings.TrimRight(u.EscapedPath(), "/")
	if host != "" && !strings.EqualFold(host, u.Host) {
		if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
			return nil, &RefusedError{"the host is none of the connection's"}
		}
		u.Host, root = host, ""
	}
	u.RawPath = root
	if path != "" || root == "" {
		u.RawPath = root + "/" + path
	}
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return nil, &RefusedError{"the path is not validly percent-encoded"}
	}
	u.RawQuery, u.Fragment, u.RawFragment = query, "", ""
	return u, nil
}

// SameOrigin reports whether a reference, such as a Location header's, leads to the scheme, host and port of a URL.
func SameOrigin(of *url.URL, reference string) bool {
	if strings.ContainsAny(reference, "\\\t\r\n") { // read in other ways by browsers
		return false
	}
	to, err := of.Parse(strings.TrimSpace(reference))
	return err == nil && to.User == nil && origin(to) == origin(of)
}

func origin(u *url.URL) [3]string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return [3]string{u.Scheme, strings.ToLower(u.Hostname()), port}
}

// Without removes the parameters of the given names from a query and leaves the others as they were written.
func Without(query string, names []string) string {
	if query == "" || len(names) == 0 {
		return query
	}
	kept := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		text, err := url.QueryUnescape(key)
		return err != nil || slices.Contains(names, text)
	})
	return strings.Join(kept, "&")
}
