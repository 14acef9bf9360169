package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Detail is the JSON object that the request becomes. A body that is a JSON object is it, byte for byte, unless headers are to be kept.
// Otherwise it is {"headers": {…}, "body": …} with the named headers that the request has, in lower case, and without "headers" if none
// are to be kept. body is the JSON of the body; of a body that is no JSON its text; and where it is no text either, bodyBase64 takes
// its place.
func (r Request) Detail(headers []string) []byte {
	body := bytes.TrimSpace(r.Body)
	valid := json.Valid(body)
	if valid && body[0] == '{' && len(headers) == 0 {
		return body
	}
	var b bytes.Buffer
	b.WriteByte('{')
	if len(headers) > 0 {
		kept := map[string]string{}
		for _, name := range headers {
			if values := r.Header.Values(name); len(values) > 0 {
				kept[strings.ToLower(http.CanonicalHeaderKey(name))] = strings.Join(values, ", ")
			}
		}
		b.WriteString(`"headers":`)
		write(&b, kept)
		b.WriteByte(',')
	}
	switch {
	case valid:
		b.WriteString(`"body":`)
		b.Write(body)
	case utf8.Valid(r.Body):
		b.WriteString(`"body":`)
		write(&b, string(r.Body))
	default:
		b.WriteString(`"bodyBase64":`)
		write(&b, base64.StdEncoding.EncodeToString(r.Body))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Document is what JSON paths of a webhook lead into: {"headers": {…}, "body": …}, with the headers that may be kept.
func (r Request) Document(s *Signature) []byte {
	var names []string
	for name := range r.Header {
		if !s.Secrets(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"-"} // so that there is the member, although empty
	}
	return r.Detail(names)
}

func write(b *bytes.Buffer, v any) {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // texts cannot fail
	b.Truncate(b.Len() - 1)
}
