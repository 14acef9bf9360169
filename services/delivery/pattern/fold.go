package pattern

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// folded is a string to be found in any case. As in EventBridge, it is the pattern's characters that are taken in lower and in upper
// case, with Unicode's full mappings and no language: ß stands for ß and SS, but ss does not stand for ß.
type folded struct {
	spellings [][2]string // of each character, lower and upper case
	key       string      // what appendFold makes of every string that is meant; "" if it does not make the same of all
}

func newFolded(s string) *folded {
	f := &folded{}
	lower, upper := cases.Lower(language.Und), cases.Upper(language.Und)
	var key []byte
	common := true
	for _, r := range s {
		l, u := lower.String(string(r)), upper.String(string(r))
		f.spellings = append(f.spellings, [2]string{l, u})
		n := len(key)
		key = appendFold(key, []byte(l))
		common = common && bytes.Equal(key[n:], appendFold(nil, []byte(u)))
	}
	if common {
		f.key = string(key)
	}
	return f
}

// cutPrefix returns what follows the string. No spelling of a character begins with its other, so that the first that fits is the one.
func (f *folded) cutPrefix(s []byte) (rest []byte, ok bool) {
	for _, spelling := range f.spellings {
		switch {
		case len(s) >= len(spelling[0]) && string(s[:len(spelling[0])]) == spelling[0]:
			s = s[len(spelling[0]):]
		case len(s) >= len(spelling[1]) && string(s[:len(spelling[1])]) == spelling[1]:
			s = s[len(spelling[1]):]
		default:
			return nil, false
		}
	}
	return s, true
}

func (f *folded) isSuffix(s []byte) bool {
	for _, v := range slices.Backward(f.spellings) {
		lower, upper := v[0], v[1]
		switch {
		case suffix(lower).ends(s):
			s = s[:len(s)-len(lower)]
		case suffix(upper).ends(s):
			s = s[:len(s)-len(upper)]
		default:
			return false
		}
	}
	return true
}

// appendFold appends a form in which strings that differ in case mostly agree; it is made character by character. It serves to find
// candidates.
func appendFold(to, s []byte) []byte {
	for len(s) > 0 {
		if c := s[0]; c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			to, s = append(to, c), s[1:]
			continue
		}
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			to, s = append(to, s[0]), s[1:]
			continue
		}
		to, s = utf8.AppendRune(to, unicode.ToLower(unicode.ToUpper(r))), s[n:]
	}
	return to
}
