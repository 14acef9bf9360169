package dpop

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// proofType is the header typ of a proof, RFC 9449 section 4.2.
const proofType = "dpop+jwt"

// ErrURL means that a proof's URL is not an absolute http or https URL.
var ErrURL = errors.New("dpop: the URL must be absolute, of scheme http or https")

// Claims are what a proof is for. Each proof also has an id of its own.
type Claims struct {
	// Method and URL of the request that it is for. Query and fragment are left out of the proof.
	Method string
	URL    string
	// Nonce is the server's latest; empty: none.
	Nonce string
	// AccessToken is the token that the request carries; zero for token requests.
	AccessToken seal.Secret
	// Time of the proof.
	Time time.Time
}

// Proof returns a proof for one request, RFC 9449 section 4.2, signed with the key. Errors: ErrURL, ErrKey.
func (k Key) Proof(c Claims) (string, error) {
	target, err := Target(c.URL)
	if err != nil {
		return "", err
	}
	claims := map[string]any{"jti": rand.Text(), "htm": c.Method, "htu": target, "iat": c.Time.Unix()}
	if c.Nonce != "" {
		claims["nonce"] = c.Nonce
	}
	if !c.AccessToken.IsZero() {
		sum := sha256.Sum256([]byte(c.AccessToken.Reveal()))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", ErrKey // cannot happen: they are texts and a number
	}
	return k.sign(payload)
}

func (k Key) sign(payload []byte) (string, error) {
	jwk, err := parse(k.Private)
	if err != nil {
		return "", err
	}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(jwk.Algorithm), Key: jwk.Key}
	// The header shows the public key as RFC 9449 section 4.2 has it, without what else the stored JWK says.
	public := jose.JSONWebKey{Key: jwk.Public().Key}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(proofType).WithHeader("jwk", public))
	if err != nil {
		return "", ErrKey
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", ErrKey
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return "", ErrKey
	}
	return text, nil
}

// Target returns the claim htu of a URL: without user, query and fragment, normalized as RFC 3986 sections 6.2.2 and 6.2.3 say, which
// servers do before they compare (RFC 9449 section 4.3). Errors: ErrURL, without the URL, whose query may have secrets.
func Target(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", ErrURL
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	default:
		return "", ErrURL
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + path, nil
}
