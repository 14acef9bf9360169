package httpsend

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/freshet-io/freshet/services/internal/seal"
)

const (
	redacted = "[redacted]"
	// minSecret is the length from which a text is looked for: shorter ones are found everywhere.
	minSecret = 4
)

// redactor returns a function that removes secrets from a text that a destination sent: destinations echo requests.
func redactor(secrets []seal.Secret) func(string) string {
	var pairs []string
	add := func(text string) {
		for _, form := range spellings(text) {
			if len(form) >= minSecret {
				pairs = append(pairs, form, redacted)
			}
		}
	}
	for _, s := range secrets {
		text := s.Reveal()
		add(text)
		scheme, rest, found := strings.Cut(text, " ") // "Bearer …", "Basic …"
		if !found {
			continue
		}
		add(rest)
		if decoded, err := base64.StdEncoding.DecodeString(rest); err == nil && strings.EqualFold(scheme, "Basic") {
			add(string(decoded))
			_, password, _ := strings.Cut(string(decoded), ":")
			add(password)
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// spellings are the forms in which a text comes back: as it was, as part of a URL or a form, in JSON, in a page.
func spellings(text string) []string {
	return []string{text, url.QueryEscape(text), url.PathEscape(text), inJSON(text, false), inJSON(text, true), inASCII(inJSON(text, false)), html.EscapeString(text)}
}

// inJSON is the text within a JSON string. Encoders differ in whether they escape what means something in HTML.
func inJSON(text string, escapeHTML bool) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(escapeHTML)
	_ = encoder.Encode(text) // a string always can be
	return strings.TrimSuffix(strings.TrimPrefix(out.String(), `"`), "\"\n")
}

// inASCII is a text of a JSON string as encoders write it that use nothing but ASCII.
func inASCII(text string) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		if unit < utf8.RuneSelf {
			out.WriteByte(byte(unit))
		} else {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}

// excerpt cuts a text to n bytes and replaces what is not text.
func excerpt(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < 0x20, r == 0x7f:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
