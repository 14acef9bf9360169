package catalog

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Kinds of values that stand in URLs.
const (
	KindSegment = "SEGMENT" // one label of a host name, or one segment of a path
	KindHost    = "HOST"    // a host name, with a port if need be
	KindURL     = "URL"     // an https URL, which a template may begin with
)

// Value is what stands for a name in a URL.
type Value struct {
	Kind string // empty: KindSegment
	Text string
}

func placeholder() *regexp.Regexp { return regexp.MustCompile(`\{([^{}]*)\}`) }

// names are those that a template has values put in for.
func names(template string) []string {
	var out []string
	for _, m := range placeholder().FindAllStringSubmatch(template, -1) {
		out = append(out, m[1])
	}
	return out
}

// Render puts values into a URL. A value cannot change what the URL is made of: whatever pattern an entry has for it, a segment holds no
// slash, question mark, colon or at sign, and a host nothing but a name and a port.
func Render(template string, values map[string]Value) (string, error) {
	var failed error
	text := placeholder().ReplaceAllStringFunc(template, func(m string) string {
		name := m[1 : len(m)-1]
		value, ok := values[name]
		if !ok {
			failed = fmt.Errorf("there is no value for {%s}", name)
			return m
		}
		if err := value.check(); err != nil {
			failed = fmt.Errorf("{%s} %w", name, err)
		}
		if value.Kind == KindURL {
			return strings.TrimRight(value.Text, "/")
		}
		return value.Text
	})
	if failed != nil {
		return "", failed
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is no URL", text)
	}
	return text, nil
}

// check keeps a value to its kind.
func (v Value) check() error {
	switch v.Kind {
	case KindHost:
		return checkHost(v.Text)
	case KindURL:
		u, err := url.Parse(v.Text)
		if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || checkHost(u.Host) != nil {
			return fmt.Errorf("must be an https URL without user, query and fragment")
		}
		return nil
	default:
		if !isSegment(v.Text) {
			return fmt.Errorf("may have letters, digits, hyphens, underscores, tildes and single dots, at most 253")
		}
		return nil
	}
}

// isSegment reports whether a text is harmless as a label of a host name and as a segment of a path.
func isSegment(text string) bool {
	for _, r := range text {
		if !isAlphanumeric(r) && !strings.ContainsRune("-_.~", r) {
			return false
		}
	}
	return text != "" && len(text) <= 253 && !strings.HasPrefix(text, ".") && !strings.HasSuffix(text, ".") && !strings.Contains(text, "..")
}

// checkHost wants a host name, with or without a port.
func checkHost(text string) error {
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("must have a port from 1 to 65535, or none")
		}
		host = h
	}
	for label := range strings.SplitSeq(host, ".") {
		bad := strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' })
		if label == "" || len(label) > 63 || bad || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("must be a host name, such as login.example.com")
		}
	}
	if len(host) > 253 {
		return fmt.Errorf("must be a host name of at most 253 characters")
	}
	return nil
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
