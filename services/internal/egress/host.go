package egress

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// host is what a URL or a dial names: an address, or a name to look up.
type host struct {
	address netip.Addr // valid if the host is an address
	name    string     // ASCII; empty if the host is an address
}

// parseHost reads a host without brackets and port. It accepts an address only
// in its canonical way of writing. Resolvers, proxies and libraries disagree on
// the others (127.1, 0x7f000001, 0177.0.0.1, 2130706433, 127.0.0.1.), and what
// one of them takes for a name another connects to. As in the WHATWG URL
// standard (https://url.spec.whatwg.org/#ends-in-a-number-checker), a host whose
// last label is a number is meant as an address.
func parseHost(text string) (host, error) {
	if text == "" {
		return host{}, denied(RuleHost, "the host is missing")
	}
	name := text
	if !isASCII(text) {
		// The conversion that net/http makes before it dials. It maps full-width
		// digits and dots too, so its result is what must be judged.
		ascii, err := idna.Lookup.ToASCII(text)
		if err != nil {
			return host{}, denied(RuleHost, "%q is not a valid internationalized name", text)
		}
		name = ascii
	}
	if address, err := netip.ParseAddr(name); err == nil {
		return host{address: address}, nil
	}
	if endsInNumber(name) {
		return host{}, denied(RuleHost, "%q is not a plainly written address; write four decimal numbers without leading zeros, such as 198.51.100.7", text)
	}
	if !validName(name) {
		return host{}, denied(RuleHost, "%q is not a valid host name", text)
	}
	return host{name: name}, nil
}

// endsInNumber reports whether the last label, not counting one trailing dot,
// is decimal, octal or hexadecimal.
func endsInNumber(name string) bool {
	name = strings.TrimSuffix(name, ".")
	last := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// validName checks a name's form: labels of 1–63 letters, digits, hyphens and
// underscores (which private networks use), 253 characters in all (RFC 1035
// §2.3.4), and at most one trailing dot.
func validName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
			if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
