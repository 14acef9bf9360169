package authserver

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"net/http"
	"net/url"
)

// Client authentication methods, as registered for RFC 8414 metadata.
const (
	// AuthBasic is HTTP Basic with form-encoded id and secret (RFC 6749 §2.3.1).
	AuthBasic = "client_secret_basic"
	// AuthPost is client_id and client_secret in the body.
	AuthPost = "client_secret_post"
	// AuthPrivateKeyJWT is a client assertion signed by the client (RFC 7523 §2.2).
	AuthPrivateKeyJWT = "private_key_jwt"
	// AuthTLS is a certificate of an authority that the listener trusts (RFC 8705 §2.1).
	AuthTLS = "tls_client_auth"
	// AuthSelfSignedTLS is the certificate that the client registered (RFC 8705 §2.2).
	AuthSelfSignedTLS = "self_signed_tls_client_auth"
	// AuthNone is a request without client authentication; only for public clients.
	AuthNone = "none"
)

// credentials is what a request claims about its client; nothing of it is verified yet.
type credentials struct {
	method    string
	id        string
	secret    string
	assertion string
	leaf      *x509.Certificate
	key       string // thumbprint of the key that the request proves possession of
	err       *oauthError
}

// readCredentials finds the client's credentials in a request.
func (s *Server) readCredentials(r *http.Request, form url.Values) credentials {
	if len(r.Header.Values("Authorization")) == 0 {
		return readParameters(r, form)
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
	found.id, found.secret = id, secret
	if !s.basicIsRaw(id) {
		found.id, idErr = url.QueryUnescape(id)
		found.secret, secretErr = url.QueryUnescape(secret)
	}
	switch {
	case idErr != nil || secretErr != nil:
		found.err = invalidClient("client id and secret must be form encoded in HTTP Basic")
	case form.Has("client_secret") || form.Has("client_assertion"):
		found.err = invalidRequest("the client authenticates in two ways at once")
	case form.Get("client_id") != "" && form.Get("client_id") != found.id:
		found.err = invalidRequest("client_id differs from the authenticated client")
	}
	return found
}

// readParameters finds credentials that are in the body, or on the connection under it.
func readParameters(r *http.Request, form url.Values) credentials {
	found := credentials{id: form.Get("client_id"), secret: form.Get("client_secret"), assertion: form.Get("client_assertion")}
	certified := r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	switch {
	case found.assertion != "" && found.secret != "":
		found.err = invalidRequest("the client authenticates in two ways at once")
	case found.assertion != "":
		found.method = AuthPrivateKeyJWT
		if form.Get("client_assertion_type") != typeClientAssertion {
			found.err = invalidClient("client_assertion_type must be " + typeClientAssertion)
		}
	case found.secret != "":
		found.method = AuthPost
	case certified && len(r.TLS.VerifiedChains) > 0:
		found.method, found.leaf = AuthTLS, r.TLS.PeerCertificates[0]
	case certified:
		found.method, found.leaf = AuthSelfSignedTLS, r.TLS.PeerCertificates[0]
	default:
		found.method = AuthNone
	}
	return found
}

func (s *Server) basicIsRaw(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, known := s.clients[id]
	return known && client.RawBasic
}

// authenticate returns the registered client that the credentials prove. s.mu must be held.
func (s *Server) authenticate(c credentials) (*Client, *oauthError) {
	if c.err != nil {
		return nil, c.err
	}
	client, known := s.clients[c.id]
	if !known || !s.proves(client, c) {
		return nil, invalidClient("client authentication failed")
	}
	return client, nil
}

// proves reports whether the credentials are those of a client. s.mu must be held.
func (s *Server) proves(client *Client, c credentials) bool {
	switch c.method {
	case AuthNone:
		return client.Public
	case AuthPrivateKeyJWT:
		claims, refusal := s.verifyAssertion(client, c.assertion)
		return refusal == "" && claims.Issuer == client.ID && claims.Subject == client.ID
	case AuthTLS:
		// A certificate that was registered may be one of an authority as well.
		return client.CertificateSubject != "" && c.leaf.Subject.String() == client.CertificateSubject || c.isCertificateOf(client)
	case AuthSelfSignedTLS:
		return c.isCertificateOf(client)
	}
	given := sha256.Sum256([]byte(c.secret))
	match := 0
	for _, secret := range client.Secrets {
		want := sha256.Sum256([]byte(secret))
		match |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return match == 1
}

func (c credentials) isCertificateOf(client *Client) bool {
	return client.Certificate != nil && bytes.Equal(c.leaf.Raw, client.Certificate.Raw)
}
