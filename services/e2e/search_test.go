package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// search looks for secrets in the forms in which programs usually spill them.
type search struct{ needles map[string]string } // text by a name that is no secret

// fragment is the length of the pieces in which long secrets are looked for: a database splits long values over pages.
const fragment = 32

// add looks for a secret too.
func (s *search) add(name, secret string) {
	if s.needles == nil {
		s.needles = map[string]string{}
	}
	pieces := []string{secret}
	if len(secret) > 2*fragment { // of a JWT, only the signature is in no other token
		end := secret[len(secret)-2*fragment:]
		pieces = append(pieces, end[:fragment], end[fragment:])
	}
	for _, piece := range pieces {
		for form, text := range forms(piece) {
			s.needles[name+", "+form] = text
		}
	}
}

// in returns the names of what is found in a text.
func (s *search) in(text []byte) []string {
	var found []string
	for name, needle := range s.needles {
		if bytes.Contains(text, []byte(needle)) {
			found = append(found, name)
		}
	}
	return found
}

// forms are the spellings of a secret.
func forms(secret string) map[string]string {
	out := map[string]string{
		"raw":                  secret,
		"form-encoded":         url.QueryEscape(secret),
		"path-encoded":         url.PathEscape(secret),
		"hexadecimal":          hex.EncodeToString([]byte(secret)),
		"hexadecimal in upper": strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	quoted, _ := json.Marshal(secret) // a string always can be
	out["JSON"] = within(quoted)
	quoted, _ = json.Marshal(out["JSON"]) // JSON texts are sent within JSON too
	out["JSON in JSON"] = within(quoted)
	form := url.QueryEscape(secret) // as RFC 6749 section 2.3.1 wants it in HTTP Basic
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		// What stands before it decides how it is cut into groups of three bytes.
		for _, before := range []string{"", "1", "22"} {
			out[name+" after "+before] = inBase64(encoding, before, secret)
			out[name+" of the form after "+before] = inBase64(encoding, before, form)
		}
	}
	return out
}

// within is what stands within a JSON string.
func within(quoted []byte) string { return string(quoted[1 : len(quoted)-1]) }

// inBase64 returns the part of an encoding that depends on the secret alone, not on what stands before or after it.
func inBase64(encoding *base64.Encoding, before, secret string) string {
	all := before + secret
	all = all[:len(all)/3*3]
	text := encoding.EncodeToString([]byte(all))
	if before != "" {
		text = text[4:]
	}
	return text
}

// TestSearch shows that what the canary test looks for would be found.
func TestSearch(t *testing.T) {
	long := "eyJhbGciOiJFUzI1NiJ9." + strings.Repeat("x", 60) + "." + strings.Repeat("signature", 9)
	for _, hidden := range []string{secret(), long} {
		var s search
		s.add("it", hidden)
		encoded := url.QueryEscape(hidden)
		quoted, err := json.Marshal(map[string]string{"field": hidden})
		require.NoError(t, err)
		for _, text := range []string{
			hidden, "before" + hidden + "after", encoded, url.PathEscape(hidden), string(quoted),
			hex.EncodeToString([]byte("a" + hidden)), strings.ToUpper(hex.EncodeToString([]byte(hidden))),
			base64.StdEncoding.EncodeToString([]byte(hidden)), base64.URLEncoding.EncodeToString([]byte("u:" + hidden)),
			base64.StdEncoding.EncodeToString([]byte("client:" + encoded)), base64.RawURLEncoding.EncodeToString([]byte("ab:" + hidden + "more")),
		} {
			require.NotEmpty(t, s.in([]byte("noise "+text+" noise")), "%q", text)
		}
		require.Empty(t, s.in([]byte("noise without it: "+hidden[:len(hidden)/4])))
	}
	var s search
	s.add("it", long)
	require.NotEmpty(t, s.in([]byte("page 1 "+long[:len(long)-20]+" page 2 "+long[len(long)-20:])), "split over pages")
}
