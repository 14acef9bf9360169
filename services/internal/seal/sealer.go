package seal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Errors of a [Sealer].
var (
	// ErrUnsealable means that a ciphertext does not open: it was sealed under a
	// key this master key does not hold, for other associated data, or it was
	// changed. Which of them is not told, and cannot be.
	ErrUnsealable = errors.New("seal: the sealed value does not open with this master key and resource name")
	// ErrNoAssociatedData means that a caller tried to seal or open without
	// saying for which resource.
	ErrNoAssociatedData = errors.New("seal: associated data is empty: give the resource name")
	// ErrNoLabel means that a caller tried to derive a key for no purpose.
	ErrNoLabel = errors.New("seal: the label of a derived key is empty")
)

// derivedKeySize is the length of the keys of DeriveKey, in bytes.
const derivedKeySize = 32

// derivePrefix separates our labels from any other use of the same PRF key.
const derivePrefix = "freshet/derive/v1/"

// Sealer seals secrets under a master key. Its methods are safe for concurrent
// use. It prints as "[redacted]".
//
// The primary key of the master key seals; each of its enabled keys opens. A
// master key is therefore rotated by adding a new primary, keeping the old key
// until nothing is sealed under it, and deleting it then.
type Sealer struct {
	aead tink.AEAD
	prf  *prf.Set
}

// Seal encrypts plaintext so that it opens only with the same associatedData:
// the resource name, followed by the purpose when a resource has several
// secrets ("projects/p/connections/c#client_secret"). A sealed value that is
// moved to another row does not open there.
//
// The result is a Tink ciphertext: it starts with the id of the sealing key
// and is different on every call.
func (s *Sealer) Seal(plaintext []byte, associatedData string) ([]byte, error) {
	if associatedData == "" {
		return nil, ErrNoAssociatedData
	}
	sealed, err := s.aead.Encrypt(plaintext, []byte(associatedData))
	if err != nil {
		return nil, fmt.Errorf("seal: encrypt for %q: %w", associatedData, err)
	}
	return sealed, nil
}

// Open returns the plaintext of a value that [Sealer.Seal] returned for the
// same associatedData, or an error that is [ErrUnsealable].
func (s *Sealer) Open(ciphertext []byte, associatedData string) ([]byte, error) {
	if associatedData == "" {
		return nil, ErrNoAssociatedData
	}
	plaintext, err := s.aead.Decrypt(ciphertext, []byte(associatedData))
	if err != nil {
		// The library's text adds nothing that may be told.
		return nil, fmt.Errorf("%w (%q)", ErrUnsealable, associatedData)
	}
	return plaintext, nil
}

// DeriveKey returns a 32-byte key for an internal purpose that label names,
// such as "page-tokens". The same master key and label always give the same
// key; keys of different labels, and the sealing keys, tell nothing about each
// other: they come from a separate key through HKDF-SHA256 (RFC 5869).
//
// A new primary in the master key's "prf" part changes every derived key.
func (s *Sealer) DeriveKey(label string) ([]byte, error) {
	if label == "" {
		return nil, ErrNoLabel
	}
	key, err := s.prf.ComputePrimaryPRF([]byte(derivePrefix+label), derivedKeySize)
	if err != nil {
		return nil, fmt.Errorf("seal: derive key %q: %w", label, err)
	}
	return key, nil
}

// Format implements [fmt.Formatter]: no verb reaches the key material.
func (s Sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (s Sealer) LogValue() slog.Value { return slog.StringValue(redacted) }
