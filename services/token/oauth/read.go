package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Read implements token.Exchanger.
//
// A token that can be used is never thrown away because another field is odd: everything but the access token has a
// reading for every spelling, and a default.
func (c *Client) Read(answer token.Answer, settings token.OAuth2, _ token.Grant) (token.Issued, error) {
	f, shape := parse(answer)
	if answer.HTTPStatus >= 200 && answer.HTTPStatus <= 299 {
		if access := f.text("access_token"); usable(access) {
			return issued(answer, settings, f, access), nil
		}
	}
	return token.Issued{}, refused(answer, settings, f, shape)
}

func issued(answer token.Answer, settings token.OAuth2, f fields, access string) token.Issued {
	i := token.Issued{
		AccessToken:  seal.NewSecret(access),
		RefreshToken: seal.NewSecret(f.text("refresh_token")),
		TokenType:    tokenType(f.text("token_type")),
		Scopes:       f.scopes("scope"),
		IssueTime:    answer.StartTime,
	}
	if len(i.Scopes) == 0 { // RFC 6749 section 5.1: identical to what was asked for
		i.Scopes = slices.Clone(settings.Scopes)
	}
	i.ExpireTime, i.ExpirySource = expiry(answer.StartTime, answer.EndTime, f["expires_in"], access, settings.Policy.DefaultLifetime)
	return i
}

// usable reports whether a text can be sent as a token: RFC 6750 section 2.1 allows fewer characters, but servers do
// not keep to it; what must not be is white space and control characters, which break a header.
func usable(access string) bool {
	return access != "" && !strings.ContainsFunc(access, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// tokenType normalises the types that mean Bearer. RFC 6749 section 5.1: the value is case insensitive.
func tokenType(text string) string {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "bearer", "bearertoken", "bearer token", "bearer_token":
		return "Bearer"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "Bearer" // not an authentication scheme (RFC 9110 section 11.1)
	}
	return text
}

// shape is what kind of document an answer is.
type shape int

const (
	shapeOther shape = iota
	shapeEmpty
	shapeJSON
	shapeForm
	shapeHTML
)

// fields are the members of an answer, as encoding/json decodes them with numbers kept as text.
type fields map[string]any

// parse reads an answer's body by what it is, not by what Content-Type says it is.
func parse(answer token.Answer) (fields, shape) {
	body := bytes.TrimSpace(bytes.TrimPrefix(answer.Body, []byte("\xef\xbb\xbf")))
	media, _, _ := mime.ParseMediaType(answer.ContentType)
	switch {
	case len(body) == 0:
		return nil, shapeEmpty
	case body[0] == '{':
		if f, ok := parseJSON(body); ok {
			return f, shapeJSON
		}
	case body[0] == '<' || media == "text/html":
		return nil, shapeHTML
	default:
		if f, ok := parseForm(string(body)); ok {
			return f, shapeForm
		}
	}
	return nil, shapeOther
}

func parseJSON(body []byte) (fields, bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var f fields
	if decoder.Decode(&f) != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return f, errors.Is(err, io.EOF)
}

// parseForm accepts a form only if it has a member that a token response has: almost any text is a form.
func parseForm(body string) (fields, bool) {
	values, err := url.ParseQuery(body)
	if err != nil || !values.Has("access_token") && !values.Has("error") {
		return nil, false
	}
	f := make(fields, len(values))
	for name := range values {
		f[name] = values.Get(name)
	}
	return f, true
}

// text returns a member that should be a string: also a number is taken for one. Anything else is absent.
func (f fields) text(name string) string {
	switch v := f[name].(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// scopes returns a member that is a list of scopes: separated by spaces as RFC 6749 section 3.3 says, or by commas, or an array.
func (f fields) scopes(name string) []string {
	separated := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' || r == '\r' })
	}
	switch v := f[name].(type) {
	case string:
		return separated(v)
	case []any:
		var scopes []string
		for _, element := range v {
			if text, ok := element.(string); ok {
				scopes = append(scopes, separated(text)...)
			}
		}
		return scopes
	default:
		return nil
	}
}

// isError reports whether the answer has a member that says that it is an error.
func (f fields) isError() bool { return f.text("error") != "" && f.text("error") != "0" }

// statusText names a status for people.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "unknown status"
}
