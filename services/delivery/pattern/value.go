package pattern

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// value is a scalar of an event, where it is, and what has been found out about it.
type value struct {
	kind  rawjson.Kind
	text  []byte // of a string its content, otherwise the token
	where elementID

	counted    bool
	numeric    numeral
	looked     bool
	address    netip.Addr
	folded     []byte
	foldedText bool
}

func newValue(kind rawjson.Kind, token []byte, where elementID) value {
	if kind != rawjson.String {
		return value{kind: kind, text: token, where: where}
	}
	return value{kind: kind, text: content(token), where: where}
}

// content is that of a string token.
func content(token []byte) []byte {
	if len(token) < 2 || bytes.IndexByte(token, '\\') >= 0 {
		return []byte(rawjson.Text(token))
	}
	return token[1 : len(token)-1]
}

func (v *value) number() numeral {
	if !v.counted {
		v.numeric, v.counted = parseNumber(v.text), true
	}
	return v.numeric
}

// ip is the address that a string spells; the zero Addr if it spells none.
func (v *value) ip() netip.Addr {
	if !v.looked {
		v.address, v.looked = parseAddress(v.text), true
	}
	return v.address
}

// fold is what appendFold makes of a string.
func (v *value) fold() []byte {
	if !v.foldedText {
		v.folded, v.foldedText = appendFold(v.folded[:0], v.text), true
	}
	return v.folded
}

// parseAddress reads an IP address without a zone.
func parseAddress(text []byte) netip.Addr {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	if len(text) < 2 || len(text) > longest || !mayBeginAddress(text[0]) {
		return netip.Addr{}
	}
	if bytes.IndexByte(text, ':') < 0 && bytes.Count(text, []byte{'.'}) != 3 {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Zone() != "" {
		return netip.Addr{}
	}
	return a
}

func mayBeginAddress(c byte) bool {
	return c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// numeral is a number as patterns compare it.
type numeral struct {
	value float64
	exact bool   // binary64 carries it
	text  string // as it is written, if not
}

func (n numeral) equal(o numeral) bool {
	return n.exact == o.exact && n.value == o.value && n.text == o.text
}

// parseNumber compares numbers by value where binary64 carries their value, so that 300, 300.0 and 3e2 are equal, and by their text
// otherwise, so that 9007199254740993 is not rounded onto its neighbour. A decimal such as 0.1 counts as carried when it is the
// shortest text of the nearest binary64.
func parseNumber(token []byte) numeral {
	if n, ok := parseSmall(token); ok {
		return numeral{value: n, exact: true}
	}
	text := string(token)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return numeral{text: text}
	}
	if d := decimal(text); d == "" || d != decimal(strconv.FormatFloat(f, 'e', -1, 64)) {
		return numeral{text: text}
	}
	return numeral{value: f, exact: true}
}

// parseSmall reads a whole number of at most 15 digits, which binary64 carries whatever they are.
func parseSmall(token []byte) (n float64, ok bool) {
	digits, negative := bytes.CutPrefix(token, []byte{'-'})
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	var whole int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		whole = whole*10 + int64(c-'0')
	}
	if negative {
		whole = -whole
	}
	return float64(whole), true
}

// decimal spells a number's exact value in one way: sign, digits without outer zeros, and an exponent. It returns "" for an exponent
// beyond any binary64.
func decimal(text string) string {
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	mantissa, exponentText, _ := strings.Cut(strings.ToLower(text), "e")
	exponent := 0
	if exponentText != "" {
		var err error
		if exponent, err = strconv.Atoi(exponentText); err != nil || exponent > 1<<20 || exponent < -1<<20 {
			return ""
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	trimmed = strings.TrimLeft(trimmed, "0")
	if trimmed == "" {
		return "0" // -0 equals 0
	}
	return sign + trimmed + "e" + strconv.Itoa(exponent)
}
