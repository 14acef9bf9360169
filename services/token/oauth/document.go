package oauth

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/url"
	"strings"

	"github.com/freshet-io/freshet/services/token"
)

// shape is what kind of document an answer is.
type shape int

const (
	shapeOther shape = iota
	shapeEmpty
	shapeJSON
	shapeForm
	shapeHTML
)

// document is an answer's body, with the dialect it is read in.
type document struct {
	fields  fields
	shape   shape
	dialect token.Dialect
}

// parse reads an answer's body by what it is, not by what Content-Type says it is.
func parse(answer token.Answer, dialect token.Dialect) document {
	d := document{dialect: dialect}
	body := bytes.TrimSpace(bytes.TrimPrefix(answer.Body, []byte("\xef\xbb\xbf")))
	media, _, _ := mime.ParseMediaType(answer.ContentType)
	switch {
	case len(body) == 0:
		d.shape = shapeEmpty
	case body[0] == '{':
		if f, ok := parseJSON(body); ok {
			d.fields, d.shape = f, shapeJSON
		}
	case body[0] == '<':
		d.shape = shapeHTML
	default:
		if f, ok := parseForm(string(body), dialect); ok {
			d.fields, d.shape = f, shapeForm
		} else if media == "text/html" {
			d.shape = shapeHTML
		}
	}
	return d
}

// plain forgets the dialect's paths for the answer to a refresh that has no token there but one where RFC 6749 section 5.1 has it: Slack
// nests a user's token in the answer to a code only, and a new refresh token that is not read is lost.
func (d *document) plain() {
	if d.dialect.AccessTokenPath == "" || d.accessToken() != "" || text(d.fields["access_token"]) == "" {
		return
	}
	d.dialect.AccessTokenPath, d.dialect.RefreshTokenPath, d.dialect.ScopePath = "", "", ""
	d.dialect.ExpiresInPath, d.dialect.ExpiresAtPath, d.dialect.RefreshExpiresInPath = "", "", ""
}

// parseJSON reads one complete object. What follows it is not looked at: it takes nothing from the token.
func parseJSON(body []byte) (fields, bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var f fields
	return f, decoder.Decode(&f) == nil
}

// parseForm accepts a form only if it has a member that a token response has: almost any text is a form.
func parseForm(body string, dialect token.Dialect) (fields, bool) {
	values, err := url.ParseQuery(body)
	if err != nil || !values.Has(orDefault(dialect.AccessTokenPath, "access_token")) && !values.Has(orDefault(dialect.ErrorPath, "error")) {
		return nil, false
	}
	f := make(fields, len(values))
	for name := range values {
		f[name] = values.Get(name)
	}
	return f, true
}

func (d *document) accessToken() string {
	return text(d.fields.lookup(orDefault(d.dialect.AccessTokenPath, "access_token")))
}

func (d *document) refreshToken() string {
	return text(d.fields.lookup(orDefault(d.dialect.RefreshTokenPath, "refresh_token")))
}

func (d *document) scopes() []string {
	return scopes(d.fields.lookup(orDefault(d.dialect.ScopePath, "scope")), d.dialect.ScopeSeparator)
}

// tokenType is the member beside the access token.
func (d *document) tokenType() string {
	value, _ := d.fields.lookup(sibling(d.dialect.AccessTokenPath, "token_type")).(string)
	return tokenType(value)
}

// errorPath is where the error code is: as the dialect says, else in error, which with some servers is an object about it.
func (d *document) errorPath() string {
	if d.dialect.ErrorPath != "" {
		return d.dialect.ErrorPath
	}
	for _, path := range []string{"error.type", "error.code", "error.status"} {
		if text(d.fields.lookup(path)) != "" {
			return path
		}
	}
	return "error"
}

// errorCode returns the code as the server spells it; empty if the answer has none, or one that says that all is well.
func (d *document) errorCode() string {
	code := text(d.fields.lookup(d.errorPath()))
	switch {
	case strings.Trim(code, "0") == "", strings.EqualFold(code, "ok"), strings.EqualFold(code, "success"):
		return ""
	}
	return code
}

// errorDescription returns what the server says for people, from beside the code.
func (d *document) errorDescription() string {
	for _, name := range []string{"error_description", "error_message", "message", "description"} {
		if said := text(d.fields.lookup(sibling(d.errorPath(), name))); said != "" {
			return said
		}
	}
	return ""
}

// tokenType normalises the types that mean Bearer. RFC 6749 section 5.1: the value is case insensitive.
func tokenType(text string) string {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "bearer", "bearertoken", "bearer token", "bearer_token", "n_a": // the last one is of RFC 8693 section 2.2.1
		return "Bearer"
	case "dpop":
		return "DPoP" // RFC 9449 section 5
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(schemeCharacters, r) }) {
		return "Bearer" // not an authentication scheme
	}
	return text
}

// schemeCharacters are those of an authentication scheme, RFC 9110 sections 5.6.2 and 11.1.
const schemeCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
