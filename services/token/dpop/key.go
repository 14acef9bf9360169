package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Algorithm is the JOSE name of a signature algorithm (RFC 7518 section 3.1, RFC 8037).
type Algorithm string

// The algorithms. RFC 9449 section 4.2 wants an asymmetric one; servers say which they take in dpop_signing_alg_values_supported and in
// the parameter algs of their challenges.
const (
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"
	RS256 Algorithm = "RS256"
	PS256 Algorithm = "PS256"
)

// rsaBits is what RFC 7518 sections 3.3 and 3.5 ask for.
const rsaBits = 2048

// Errors. They never have any part of a key.
var (
	// ErrAlgorithm means that there is no such algorithm.
	ErrAlgorithm = errors.New("dpop: unknown algorithm")
	// ErrKey means that a stored key cannot be used.
	ErrKey = errors.New("dpop: the key cannot be used")
)

// Key is a key pair. The zero Key is none.
type Key struct {
	// Private is the private key as a JWK (RFC 7517), with its algorithm.
	Private seal.Secret
	// Thumbprint of the public key: base64url of SHA-256, RFC 7638; the value of jkt in bound tokens (RFC 9449 section 6.1).
	Thumbprint string
	Algorithm  Algorithm
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.Private.IsZero() }

// NewKey makes a key pair. Errors: ErrAlgorithm.
func NewKey(algorithm Algorithm) (Key, error) {
	private, err := generate(algorithm)
	if err != nil {
		return Key{}, err
	}
	jwk := jose.JSONWebKey{Key: private, Algorithm: string(algorithm), Use: "sig"}
	text, err := jwk.MarshalJSON()
	if err != nil {
		return Key{}, ErrKey
	}
	return ParseKey(seal.NewSecret(string(text)))
}

func generate(algorithm Algorithm) (crypto.PrivateKey, error) {
	switch algorithm {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case RS256, PS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, fmt.Errorf("%w %q", ErrAlgorithm, algorithm)
	}
}

// ParseKey returns the key pair of a private key that NewKey made. Errors: ErrKey.
func ParseKey(private seal.Secret) (Key, error) {
	jwk, err := parse(private)
	if err != nil {
		return Key{}, err
	}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, ErrKey
	}
	return Key{
		Private: private, Thumbprint: base64.RawURLEncoding.EncodeToString(sum), Algorithm: Algorithm(jwk.Algorithm),
	}, nil
}

func parse(private seal.Secret) (*jose.JSONWebKey, error) {
	var jwk jose.JSONWebKey
	// The library's errors are not known to be free of the key.
	if jwk.UnmarshalJSON([]byte(private.Reveal())) != nil || !jwk.Valid() || jwk.IsPublic() || jwk.Algorithm == "" {
		return nil, ErrKey
	}
	return &jwk, nil
}
