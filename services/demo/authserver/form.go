package authserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxFormBytes bounds a request body: far above any real token request.
const maxFormBytes = 64 << 10

// parseForm reads the body as RFC 6749 §3.2 and appendix B want it: form encoded, every parameter
// at most once (those of RFC 8707 and RFC 8693 excepted), an empty value the same as none. What
// could be read is returned beside the error, for the record.
func parseForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("Content-Type must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFormBytes))
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return nil, &oauthError{code: errorInvalidRequest, description: "the body is too large", status: http.StatusRequestEntityTooLarge}
		}
		return nil, invalidRequest("the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("the body is not form encoded")
	}
	for name, values := range form {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return form, invalidRequest("parameter " + printable(name) + " is given more than once")
		}
	}
	for _, name := range []string{"client_secret", "refresh_token", "client_assertion", "token"} {
		if r.URL.Query().Has(name) {
			return form, invalidRequest("parameter " + name + " must not be in the query")
		}
	}
	return form, nil
}

// printable keeps to the characters RFC 6749 §5.2 allows in error_description.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return '?'
		}
		return c
	}, s)
}

// Fingerprint names a secret without revealing it: the first 16 hexadecimal digits of its SHA-256.
func Fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:8])
}
