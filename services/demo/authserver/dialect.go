package authserver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Dialect is how token requests have to deviate from RFC 6749; the zero value does not.
type Dialect struct {
	// Method is that of token requests; empty means POST. With GET the parameters are in the query.
	Method string
	// JSON wants a JSON object instead of a form.
	JSON bool
	// Names are the names of parameters here, by their names in RFC 6749.
	Names map[string]string
	// ScopeSeparator is between scopes; empty means a space.
	ScopeSeparator string
}

// read returns the parameters of a token request by their names in RFC 6749.
func (d Dialect) read(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	var form url.Values
	var refusal *oauthError
	switch {
	case d.Method == http.MethodGet:
		form = r.URL.Query()
	case d.JSON:
		form, refusal = parseJSON(w, r)
	default:
		form, refusal = parseForm(w, r)
	}
	for name, here := range d.Names {
		if form.Has(name) {
			return form, invalidRequest("parameter " + name + " has another name here")
		}
		if form.Has(here) {
			form[name] = form[here]
			delete(form, here)
		}
	}
	if d.ScopeSeparator != "" && form.Has("scope") {
		form.Set("scope", strings.ReplaceAll(form.Get("scope"), d.ScopeSeparator, " "))
	}
	return form, refusal
}

// parseJSON reads a body that is a JSON object of strings and lists of strings.
func parseJSON(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	if r.Header.Get("Content-Type") != "application/json" {
		return nil, invalidRequest("Content-Type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFormBytes))
	if err != nil {
		return nil, invalidRequest("the body could not be read")
	}
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return nil, invalidRequest("the body is not a JSON object")
	}
	form := url.Values{}
	for name, value := range members {
		switch v := value.(type) {
		case string:
			form.Set(name, v)
		case []any:
			for _, element := range v {
				if text, ok := element.(string); ok {
					form.Add(name, text)
				}
			}
		default:
			return form, invalidRequest("parameter " + printable(name) + " is not a string")
		}
	}
	return form, nil
}
