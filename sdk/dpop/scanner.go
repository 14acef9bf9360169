package dpop

import "strings"

// scanner is what is left of a header's value.
type scanner string

// skip drops the characters of set, and reports whether there were any.
func (s *scanner) skip(set string) bool {
	rest := strings.TrimLeft(string(*s), set)
	skipped := len(rest) < len(*s)
	*s = scanner(rest)
	return skipped
}

// accept drops one character if it comes next, and reports whether it did.
func (s *scanner) accept(c byte) bool {
	if *s == "" || (*s)[0] != c {
		return false
	}
	*s = (*s)[1:]
	return true
}

// take returns the characters that come next as long as they are wanted.
func (s *scanner) take(wanted func(byte) bool) string {
	n := 0
	for n < len(*s) && wanted((*s)[n]) {
		n++
	}
	taken := string((*s)[:n])
	*s = (*s)[n:]
	return taken
}

// token68 drops a token68 if one stands alone before the next comma (RFC 9110
// section 11.2).
func (s *scanner) token68() {
	ahead := *s
	if ahead.take(isToken68Char) == "" {
		return
	}
	ahead.skip("=")
	ahead.skip(" \t")
	if ahead == "" || ahead[0] == ',' {
		*s = ahead
	}
}

// value returns a token or the content of a quoted string (RFC 9110 section
// 5.6). ok is false if neither comes next.
func (s *scanner) value() (text string, ok bool) {
	if !s.accept('"') {
		text = s.take(isTokenChar)
		return text, text != ""
	}
	var content strings.Builder
	for *s != "" {
		c := (*s)[0]
		*s = (*s)[1:]
		switch {
		case c == '"':
			return content.String(), true
		case c == '\\' && *s != "":
			c = (*s)[0]
			*s = (*s)[1:]
		}
		content.WriteByte(c)
	}
	return "", false
}

// isTokenChar is tchar of RFC 9110 section 5.6.2.
func isTokenChar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isToken68Char is what a token68 consists of, before its padding.
func isToken68Char(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~+/", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
