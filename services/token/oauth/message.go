package oauth

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/freshet-io/freshet/services/token"
)

// Bounds of what is repeated from an answer.
const (
	maxCode        = 64
	maxDescription = 300
)

// message says for people what the server answered.
func message(answer token.Answer, d *document, secrets []string) string {
	status := fmt.Sprintf("the authorization server answered %d %s", answer.HTTPStatus, statusText(answer.HTTPStatus))
	if code := d.errorCode(); code != "" {
		status += ": " + shorten(clean(code, secrets), maxCode)
		if description := d.errorDescription(); description != "" {
			status += " (" + shorten(clean(description, secrets), maxDescription) + ")"
		}
		return status
	}
	switch {
	case answer.HTTPStatus >= 300 && answer.HTTPStatus <= 399:
		return status + ", a redirect; token requests are not redirected"
	case d.shape == shapeHTML:
		return status + " with a web page; is this the token endpoint?"
	case answer.HTTPStatus > 299:
		return status
	case d.shape == shapeEmpty:
		return status + " with an empty body"
	case d.shape == shapeOther:
		return status + " with a body that is neither JSON nor a form"
	default:
		return status + " without a usable " + shorten(clean(orDefault(d.dialect.AccessTokenPath, "access_token"), secrets), maxCode)
	}
}

// statusText names a status for people.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "unknown status"
}

const redacted = "[redacted]"

// clean takes secrets and control characters out of a text that somebody else wrote.
func clean(text string, secrets []string) string {
	// The longest first: one that is part of another would leave the other's rest.
	for _, secret := range slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		if len(secret) >= 4 { // a shorter one would riddle the text, and is none
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	text = jwtShape.ReplaceAllString(text, redacted)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// jwtShape is that of a signed JWT: assertions are made for one request, so that nobody knows afterwards what was sent.
var jwtShape = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){1,4}`)

// shorten cuts a text to so many bytes, at a character.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
