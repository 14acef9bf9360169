package signature

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Algorithm is how a key signs. The numbers are those of the API and of the store.
type Algorithm int

// The algorithms.
const (
	HMACSHA256 Algorithm = 1 // a shared secret
	Ed25519    Algorithm = 2 // the receiver has the public key only
)

// Prefixes of keys as text, and the bounds of a shared secret in bytes, as in the specification.
const (
	prefixSecret  = "whsec_"
	prefixPrivate = "whsk_"
	prefixPublic  = "whpk_"
	minSecret     = 24
	maxSecret     = 64
	newSecret     = 32
)

// ErrKey is returned for a key that cannot be used. Its text says what is allowed and holds nothing of the key.
var ErrKey = errors.New("not a signing key")

// Key is a key that signs.
type Key struct {
	algorithm Algorithm
	shared    []byte
	private   ed25519.PrivateKey
}

// Generate returns a new key.
func Generate(algorithm Algorithm) (Key, error) {
	switch algorithm {
	case HMACSHA256:
		shared := make([]byte, newSecret)
		_, err := rand.Read(shared)
		return Key{algorithm: algorithm, shared: shared}, err
	case Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return Key{algorithm: algorithm, private: private}, err
	}
	return Key{}, fmt.Errorf("%w: algorithm %d", ErrKey, algorithm)
}

// Parse reads a key: whsec_ and the base64 of 24 to 64 bytes, or whsk_ and the base64 of an ed25519 key, its seed alone or with the public
// key behind it; ErrKey.
func Parse(text seal.Secret) (Key, error) {
	secret := text.Reveal()
	if encoded, ok := strings.CutPrefix(secret, prefixSecret); ok {
		shared, err := decode(encoded)
		if err != nil || len(shared) < minSecret || len(shared) > maxSecret {
			return Key{}, fmt.Errorf("%w: want %s and the base64 of %d to %d bytes", ErrKey, prefixSecret, minSecret, maxSecret)
		}
		return Key{algorithm: HMACSHA256, shared: shared}, nil
	}
	encoded, ok := strings.CutPrefix(secret, prefixPrivate)
	if !ok {
		return Key{}, fmt.Errorf("%w: want %s… or %s…", ErrKey, prefixSecret, prefixPrivate)
	}
	private, err := decode(encoded)
	if err == nil && len(private) == ed25519.SeedSize {
		return Key{algorithm: Ed25519, private: ed25519.NewKeyFromSeed(private)}, nil
	}
	if err != nil || len(private) != ed25519.PrivateKeySize ||
		!ed25519.PrivateKey(private).Equal(ed25519.NewKeyFromSeed(private[:ed25519.SeedSize])) {
		return Key{}, fmt.Errorf("%w: want %s and the base64 of an ed25519 seed, or of seed and public key", ErrKey, prefixPrivate)
	}
	return Key{algorithm: Ed25519, private: private}, nil
}

// decode reads base64 with or without padding.
func decode(text string) ([]byte, error) {
	return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
}

// Algorithm returns how the key signs.
func (k Key) Algorithm() Algorithm { return k.algorithm }

// Secret returns the key as text, as Parse reads it.
func (k Key) Secret() seal.Secret {
	if k.algorithm == Ed25519 {
		return seal.NewSecret(prefixPrivate + base64.StdEncoding.EncodeToString(k.private))
	}
	return seal.NewSecret(prefixSecret + base64.StdEncoding.EncodeToString(k.shared))
}

// Public returns what receivers verify with, as text; empty for a shared secret.
func (k Key) Public() string {
	if k.algorithm != Ed25519 {
		return ""
	}
	public, _ := k.private.Public().(ed25519.PublicKey)
	return prefixPublic + base64.StdEncoding.EncodeToString(public)
}
