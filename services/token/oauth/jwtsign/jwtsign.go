package jwtsign

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Errors of New. They never have any part of the key, and can be shown to people.
var (
	// ErrKey means that there is no usable private key.
	ErrKey = errors.New("the private key cannot be used")
	// ErrAlgorithm means that the algorithm does not fit the key, or is not one of those that are offered.
	ErrAlgorithm = errors.New("the algorithm does not fit the private key")
)

// minRSABits is what RFC 7518 sections 3.3 and 3.5 ask for.
const minRSABits = 2048

// Signer signs with one key.
type Signer struct{ signer jose.Signer }

// New returns a signer for a private key: PEM of PKCS #8, PKCS #1 or SEC 1, or a JWK (RFC 7517).
//
// keyID becomes the header kid; empty: that of a JWK, else none. algorithm is a name of RFC 7518 section 3.1 (RS, PS and ES
// with 256, 384 or 512) or EdDSA of RFC 8037; empty: the alg of a JWK, else RS256, the ES algorithm of the curve, or EdDSA.
//
// Errors are ErrKey and ErrAlgorithm.
func New(privateKey seal.Secret, keyID, algorithm string) (*Signer, error) {
	key, err := parse(privateKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if keyID != "" {
		key.KeyID = keyID
	}
	offered, err := algorithms(key.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	switch {
	case algorithm != "":
		key.Algorithm = algorithm
	case key.Algorithm == "":
		key.Algorithm = string(offered[0])
	}
	if !slices.Contains(offered, jose.SignatureAlgorithm(key.Algorithm)) {
		return nil, fmt.Errorf("%w: it allows %s", ErrAlgorithm, join(offered))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, ErrKey // the library's error is not known to be free of the key
	}
	return &Signer{signer: signer}, nil
}

// Sign returns claims, a JSON object, as a compact JWT.
func (s *Signer) Sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", errors.New("the claims are not JSON")
	}
	signed, err := s.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("%w: signing failed", ErrKey)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("%w: signing failed", ErrKey)
	}
	return text, nil
}

// algorithms returns those that fit a key, the default first.
func algorithms(key any) ([]jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("an RSA key needs at least %d bits", minRSABits)
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, nil
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P256():
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		case elliptic.P384():
			return []jose.SignatureAlgorithm{jose.ES384}, nil
		case elliptic.P521():
			return []jose.SignatureAlgorithm{jose.ES512}, nil
		}
		return nil, errors.New("an EC key needs the curve P-256, P-384 or P-521")
	case ed25519.PrivateKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}, nil
	default:
		return nil, errors.New("it is neither RSA, EC nor Ed25519")
	}
}

func join(names []jose.SignatureAlgorithm) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	return strings.Join(texts, ", ")
}
