package pattern

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// valueKey is the normal form of a scalar: two scalars match exactly when their keys are equal. Its first byte keeps the kinds
// apart.
type valueKey string

// scalarKey returns the normal form of a string, number or literal token.
func scalarKey(kind rawjson.Kind, token []byte) valueKey {
	switch kind {
	case rawjson.String:
		return stringKey(rawjson.Text(token))
	case rawjson.Number:
		return numberKey(string(token))
	default:
		return valueKey("l" + string(token))
	}
}

// stringKey compares strings byte by byte, except IP addresses, which EventBridge compares as addresses: "::1" equals
// "0:0:0:0:0:0:0:1".
func stringKey(s string) valueKey {
	if len(s) <= 45 && strings.Count(s, ":") >= 2 { // the longest spelling of an address; IPv4 has one spelling only
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return valueKey("s" + a.String())
		}
	}
	return valueKey("s" + s)
}

// numberKey compares numbers by value where binary64 carries their value, so that 300, 300.0 and 3e2 are equal, and by their text
// otherwise, so that 9007199254740993 is not rounded onto its neighbour. A decimal such as 0.1 counts as carried when it is the
// shortest text of the nearest binary64.
func numberKey(text string) valueKey {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return valueKey("t" + text)
	}
	exact := decimal(text)
	if exact == "" || exact != decimal(strconv.FormatFloat(f, 'e', -1, 64)) {
		return valueKey("t" + text)
	}
	return valueKey("n" + exact)
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
