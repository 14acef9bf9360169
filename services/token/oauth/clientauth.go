package oauth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// sendsSecret reports whether a way of authentication sends the client secret.
func sendsSecret(a token.ClientAuthentication) bool {
	switch a {
	case token.ClientSecretBasic, token.ClientSecretBasicRaw, token.ClientSecretPost:
		return true
	default:
		return false
	}
}

// showsCertificate reports whether the client shows a certificate: to authenticate by it, or because the server wants one besides the secret.
func showsCertificate(s *token.OAuth2) bool {
	return s.ClientAuthentication == token.TLSClientAuth || s.ClientAuthentication == token.SelfSignedTLS || s.ClientCertificate.Chain != ""
}

// clientFields returns the fields of a request that authenticate the client, or name it where that is done elsewhere.
func clientFields(s *token.OAuth2, secret seal.Secret, now time.Time) (parameters, error) {
	var p parameters
	switch s.ClientAuthentication {
	case token.ClientSecretBasic, token.ClientSecretBasicRaw: // in a header
	case token.ClientSecretPost:
		p.add("client_id", s.ClientID)
		p.add("client_secret", secret.Reveal())
	case token.PrivateKeyJWT:
		assertion, err := clientAssertion(s, now)
		if err != nil {
			return nil, err
		}
		p.add("client_id", s.ClientID) // optional in RFC 7521 section 4.2, and asked for by some
		p.add("client_assertion_type", typeJWTBearer)
		p.add("client_assertion", assertion)
	case token.SignedClientSecret:
		signed, err := clientAssertion(s, now)
		if err != nil {
			return nil, err
		}
		p.add("client_id", s.ClientID)
		p.add("client_secret", signed)
	case token.TLSClientAuth, token.SelfSignedTLS, token.NoClientAuth:
		p.add("client_id", s.ClientID) // RFC 8705 section 2, RFC 6749 section 3.2.1
	default:
		return nil, fmt.Errorf("client authentication %q is not supported", s.ClientAuthentication)
	}
	return p, nil
}

// authorize sets the header that authenticates the client, if it does so by one.
func authorize(header http.Header, s *token.OAuth2, secret seal.Secret) {
	switch s.ClientAuthentication {
	case token.ClientSecretBasic:
		header.Set("Authorization", "Basic "+basic(s.ClientID, secret.Reveal()))
	case token.ClientSecretBasicRaw:
		header.Set("Authorization", "Basic "+basicRaw(s.ClientID, secret.Reveal()))
	default:
	}
}

// basic encodes id and secret as forms do before they are joined, as RFC 6749 section 2.3.1 wants it.
func basic(id, secret string) string { return basicRaw(url.QueryEscape(id), url.QueryEscape(secret)) }

// basicRaw joins id and secret as they are (RFC 7617 section 2), for servers that do not decode them.
func basicRaw(id, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
}
