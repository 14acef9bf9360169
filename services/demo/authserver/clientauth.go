package authserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
)

// Client authentication methods, as registered for RFC 8414 metadata.
const (
	// AuthBasic is HTTP Basic with form-encoded id and secret (RFC 6749 §2.3.1).
	AuthBasic = "client_secret_basic"
	// AuthPost is client_id and client_secret in the body.
	AuthPost = "client_secret_post"
	// AuthNone is a request without client authentication; always refused.
	AuthNone = "none"
)

// credentials is what a request claims about its client; nothing of it is verified yet.
type credentials struct {
	method string
	id     string
	secret string
	err    *oauthError
}

// readCredentials finds the client's credentials in a request.
func readCredentials(r *http.Request, form url.Values) credentials {
	if len(r.Header.Values("Authorization")) == 0 {
		found := credentials{method: AuthPost, id: form.Get("client_id"), secret: form.Get("client_secret")}
		if found.secret == "" {
			found.method = AuthNone
		}
		return found
	}
	found := credentials{method: AuthBasic}
	if len(r.Header.Values("Authorization")) > 1 {
		found.err = invalidRequest("the Authorization header is given more than once")
		return found
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		found.err = invalidClient("the Authorization header is not HTTP Basic")
		return found
	}
	var idErr, secretErr error
	found.id, idErr = url.QueryUnescape(id)
	found.secret, secretErr = url.QueryUnescape(secret)
	switch {
	case idErr != nil || secretErr != nil:
		found.err = invalidClient("client id and secret must be form encoded in HTTP Basic")
	case form.Has("client_secret"):
		found.err = invalidRequest("the client authenticates in two ways at once")
	case form.Get("client_id") != "" && form.Get("client_id") != found.id:
		found.err = invalidRequest("client_id differs from the authenticated client")
	}
	return found
}

// authenticate returns the registered client that the credentials prove. s.mu must be held.
func (s *Server) authenticate(c credentials) (*Client, *oauthError) {
	if c.err != nil {
		return nil, c.err
	}
	client, known := s.clients[c.id]
	if !known || c.method == AuthNone {
		return nil, invalidClient("client authentication failed")
	}
	given := sha256.Sum256([]byte(c.secret))
	match := 0
	for _, secret := range client.Secrets {
		want := sha256.Sum256([]byte(secret))
		match |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	if match != 1 {
		return nil, invalidClient("client authentication failed")
	}
	return client, nil
}
