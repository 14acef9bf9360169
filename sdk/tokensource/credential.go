package tokensource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// credentialOf returns what puts the token on a request. A server that names no
// fields means the Authorization header of RFC 6750 section 2.1.
func credentialOf(token *tokenv1.Token) *tokenv1.HttpCredential {
	c := token.GetCredential()
	if len(c.GetHeaders())+len(c.GetQuery())+len(c.GetBody()) > 0 || token.GetAccessToken() == "" {
		return c
	}
	scheme := token.GetTokenType()
	if scheme == "" {
		scheme = "Bearer"
	}
	return &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{
		{Key: "Authorization", Value: scheme + " " + token.GetAccessToken()},
	}}
}

// outgoing is a caller's request, from which authenticated copies are made.
type outgoing struct {
	request *http.Request
	used    bool   // the caller's body has been given away
	read    bool   // it was read into body, to add members
	content []byte // the caller's body, if read
}

// with returns a copy of the request that carries the credential.
func (o *outgoing) with(token *tokenv1.Token) (*http.Request, error) {
	c := credentialOf(token)
	r := o.request.WithContext(o.request.Context()) // shallow: what changes below is copied
	if r.Header = o.request.Header.Clone(); r.Header == nil {
		r.Header = make(http.Header)
	}
	for _, h := range c.GetHeaders() {
		r.Header.Set(h.GetKey(), h.GetValue())
	}
	if len(c.GetQuery()) > 0 {
		to := *o.request.URL
		to.RawQuery = appendQuery(to.RawQuery, c.GetQuery())
		r.URL = &to
	}
	if len(c.GetBody()) == 0 || !o.hasBody() {
		var err error
		r.Body, err = o.body()
		return r, err
	}
	return r, o.addMembers(r, c.GetBody())
}

func (o *outgoing) hasBody() bool {
	return o.request.Body != nil && o.request.Body != http.NoBody
}

// replayable reports whether a second copy can be made.
func (o *outgoing) replayable() bool {
	return !o.used || o.read || !o.hasBody() || o.request.GetBody != nil
}

// body returns a reader of the caller's body.
func (o *outgoing) body() (io.ReadCloser, error) {
	switch {
	case !o.hasBody():
		return o.request.Body, nil
	case o.read:
		return io.NopCloser(bytes.NewReader(o.content)), nil
	case !o.used:
		o.used = true
		return o.request.Body, nil
	default:
		body, err := o.request.GetBody()
		if err != nil {
			return nil, fmt.Errorf("tokensource: body for the retry: %w", err)
		}
		return body, nil
	}
}

// addMembers gives r the caller's body with the credential's members in it.
func (o *outgoing) addMembers(r *http.Request, members []*tokenv1.HttpCredentialField) error {
	if !o.read {
		body, err := o.body()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			return fmt.Errorf("tokensource: reading the body: %w", err)
		}
		o.content, o.read = content, true
	}
	content, err := mergeMembers(r.Header.Get("Content-Type"), o.content, members)
	if err != nil {
		return err
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	r.Body = io.NopCloser(bytes.NewReader(content))
	r.ContentLength = int64(len(content))
	r.TransferEncoding = nil
	r.Header.Del("Content-Length")
	return nil
}

// mergeMembers adds members to a JSON object. The other members keep their
// spelling, numbers included, but not their order.
func mergeMembers(contentType string, content []byte, members []*tokenv1.HttpCredentialField) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil || (mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json")) {
		return nil, fmt.Errorf("tokensource: content type %q: the credential has body members, which need a JSON body", contentType)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(content, &object); err != nil || object == nil {
		return nil, errors.New("tokensource: body is no JSON object: the credential has body members, which need one")
	}
	merged := make(map[string]any, len(object)+len(members))
	for key, value := range object {
		merged[key] = value
	}
	for _, m := range members {
		merged[m.GetKey()] = m.GetValue()
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(merged); err != nil {
		return nil, fmt.Errorf("tokensource: writing the body: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// appendQuery appends parameters and leaves what the caller wrote as it is.
func appendQuery(query string, parameters []*tokenv1.HttpCredentialField) string {
	for _, p := range parameters {
		if query != "" {
			query += "&"
		}
		query += url.QueryEscape(p.GetKey()) + "=" + url.QueryEscape(p.GetValue())
	}
	return query
}

// protected reports whether nobody on the way can read a request to u.
func protected(u *url.URL) bool {
	return u.Scheme == "https" || isLoopback(u.Hostname())
}

// isLoopback reports whether host is this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// redirected reports whether a redirect led the request away from the origin
// that the application named, on the way at any rate: there the credential must
// not go. [http.Client] links each request to the response that caused it.
func redirected(r *http.Request) bool {
	for hop := r; hop.Response != nil && hop.Response.Request != nil; {
		hop = hop.Response.Request
		if origin(hop.URL) != origin(r.URL) {
			return true
		}
	}
	return false
}

// origin is that of RFC 6454 section 4: scheme, host, port.
func origin(u *url.URL) [3]string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return [3]string{u.Scheme, strings.ToLower(u.Hostname()), port}
}
