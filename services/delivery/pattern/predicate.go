package pattern

import (
	"bytes"
	"math"
	"net/netip"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// predicate is one of the values in an array of a pattern.
type predicate interface {
	holds(v *value) bool
}

type (
	text        string                    // an exact string
	address     struct{ netip.Addr }      // an exact string that spells an IP address: EventBridge compares these as addresses
	number      struct{ numeral }         // an exact number
	literal     string                    // true, false or null
	prefix      string                    // a string that begins so
	suffix      string                    // a string that ends so
	network     netip.Prefix              // a string that spells an address in it
	anything    struct{}                  // any scalar
	anythingBut struct{ not []predicate } // any scalar that none of these holds for
	foldEqual   struct{ *folded }         // a string in any case
	foldPrefix  struct{ *folded }
	foldSuffix  struct{ *folded }
)

// exact is the predicate of a bare value.
func exact(kind rawjson.Kind, token []byte) predicate {
	switch kind {
	case rawjson.String:
		s := content(token)
		if a := parseAddress(s); a.IsValid() {
			return address{a}
		}
		return text(s)
	case rawjson.Number:
		return number{parseNumber(token)}
	default:
		return literal(token)
	}
}

func (t text) holds(v *value) bool { return v.kind == rawjson.String && string(v.text) == string(t) }

func (a address) holds(v *value) bool { return v.kind == rawjson.String && v.ip() == a.Addr }

func (n number) holds(v *value) bool { return v.kind == rawjson.Number && v.number().equal(n.numeral) }

func (l literal) holds(v *value) bool {
	return v.kind == rawjson.Literal && string(v.text) == string(l)
}

func (p prefix) holds(v *value) bool {
	return v.kind == rawjson.String && len(v.text) >= len(p) && string(v.text[:len(p)]) == string(p)
}

func (s suffix) holds(v *value) bool {
	return v.kind == rawjson.String && s.ends(v.text)
}

func (s suffix) ends(text []byte) bool {
	return len(text) >= len(s) && string(text[len(text)-len(s):]) == string(s)
}

func (n network) holds(v *value) bool {
	return v.kind == rawjson.String && v.ip().IsValid() && netip.Prefix(n).Contains(v.ip())
}

func (anything) holds(*value) bool { return true }

func (b anythingBut) holds(v *value) bool {
	for _, not := range b.not {
		if not.holds(v) {
			return false
		}
	}
	return true
}

func (f foldEqual) holds(v *value) bool {
	if v.kind != rawjson.String {
		return false
	}
	rest, ok := f.cutPrefix(v.text)
	return ok && len(rest) == 0
}

func (f foldPrefix) holds(v *value) bool {
	if v.kind != rawjson.String {
		return false
	}
	_, ok := f.cutPrefix(v.text)
	return ok
}

func (f foldSuffix) holds(v *value) bool { return v.kind == rawjson.String && f.isSuffix(v.text) }

// numbers is an interval.
type numbers struct {
	low, high         float64
	openLow, openHigh bool
}

func everyNumber() numbers { return numbers{low: math.Inf(-1), high: math.Inf(1)} }

// restrict narrows the interval by a comparison; false if there is no such.
func (i *numbers) restrict(comparison string, bound float64) bool {
	switch comparison {
	case "=":
		i.low, i.high = bound, bound
	case "<", "<=":
		i.high, i.openHigh = bound, comparison == "<"
	case ">", ">=":
		i.low, i.openLow = bound, comparison == ">"
	default:
		return false
	}
	return true
}

// holds is false for numbers that binary64 does not carry: they cannot be compared.
func (i numbers) holds(v *value) bool {
	if v.kind != rawjson.Number {
		return false
	}
	n := v.number()
	return n.exact && (i.low < n.value || i.low == n.value && !i.openLow) && (n.value < i.high || n.value == i.high && !i.openHigh)
}

// wildcard is a string in which * stands for anything.
type wildcard struct {
	parts []string // the literal text between the *; at least two
}

// parseWildcard returns what is wrong, if something is. A wildcard without * is a text.
func parseWildcard(s string) (p predicate, fault string) {
	parts := []string{""}
	add := func(c byte) { parts[len(parts)-1] += string(c) }
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i++; i == len(s) || s[i] != '*' && s[i] != '\\' {
				return nil, `a backslash in a wildcard must be followed by * or \`
			}
			add(s[i])
		case '*':
			if i > 0 && s[i-1] == '*' && !escaped(s, i-1) {
				return nil, "consecutive * in a wildcard are not allowed: one stands for any text"
			}
			parts = append(parts, "")
		default:
			parts[len(parts)-1] += s[i : i+1]
		}
	}
	if len(parts) == 1 {
		return text(parts[0]), ""
	}
	return wildcard{parts}, ""
}

// escaped tells whether an odd number of backslashes is before s[i].
func escaped(s string, i int) bool {
	n := 0
	for i--; i >= 0 && s[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

func (w wildcard) holds(v *value) bool {
	head, tail := w.parts[0], w.parts[len(w.parts)-1]
	if !prefix(head).holds(v) || len(v.text) < len(head)+len(tail) || !suffix(tail).holds(v) {
		return false
	}
	rest := v.text[len(head) : len(v.text)-len(tail)]
	for _, part := range w.parts[1 : len(w.parts)-1] {
		i := bytes.Index(rest, []byte(part))
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}
