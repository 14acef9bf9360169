package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is a signature algorithm by its name in the contract: that of RFC 7518 section 3.1, and EDDSA for that of RFC 8037.
type Algorithm string

// The algorithms.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EDDSA"
)

// minRSABits is what RFC 7518 sections 3.3 and 3.5 require.
const minRSABits = 2048

// CheckSigning says what is wrong with a key that is to sign with an algorithm; with the empty one, that of a JWK, or else the first that
// fits the key, is meant. Errors continue a sentence that begins with the field's name.
func CheckSigning(text string, algorithm Algorithm) error {
	key, meant, err := signing(text)
	if err != nil {
		return err
	}
	fitting, err := fit(key)
	if err != nil {
		return err
	}
	switch {
	case algorithm != "" && !slices.Contains(fitting, algorithm):
		return fmt.Errorf("does not fit the algorithm %s: with this key there are %s", algorithm, list(fitting))
	case algorithm == "" && meant != "" && !slices.Contains(fitting, meant):
		return fmt.Errorf("does not fit the algorithm that the JWK names in its member alg: with this key there are %s", list(fitting))
	default:
		return nil
	}
}

// signing reads a private key, and what algorithm it says it is for.
func signing(text string) (key crypto.Signer, meant Algorithm, err error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		if key, err = private(text); errors.Is(err, ErrNoKey) {
			err = ErrNoSigningKey
		}
		return key, "", err
	}
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON([]byte(text)) != nil { // whose error may quote the key
		return nil, "", ErrNoSigningKey
	}
	key, ok := jwk.Key.(crypto.Signer)
	switch {
	case jwk.IsPublic():
		return nil, "", ErrPublic
	case !ok:
		return nil, "", ErrUnsupported
	case !jwk.Valid():
		return nil, "", ErrNoSigningKey
	case jwk.Use != "" && jwk.Use != "sig":
		return nil, "", errors.New("is a JWK that is not for signing, by its member use")
	}
	if jwk.Algorithm == string(jose.EdDSA) {
		return key, EdDSA, nil // the contract spells it in upper case
	}
	return key, Algorithm(jwk.Algorithm), nil
}

// fit returns the algorithms that a key can sign with, the default first.
func fit(key crypto.Signer) ([]Algorithm, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("is an RSA key of %d bits; at least %d are required (RFC 7518 section 3.3)", bits, minRSABits)
		}
		return []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512}, nil
	case *ecdsa.PrivateKey:
		switch key.Curve {
		case elliptic.P256():
			return []Algorithm{ES256}, nil
		case elliptic.P384():
			return []Algorithm{ES384}, nil
		case elliptic.P521():
			return []Algorithm{ES512}, nil
		}
	case ed25519.PrivateKey:
		return []Algorithm{EdDSA}, nil
	}
	return nil, ErrUnsupported
}

func list(algorithms []Algorithm) string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}
