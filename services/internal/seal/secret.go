package seal

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every rendering of a non-empty Secret gives.
const redacted = "[redacted]"

// Secret is a secret text: a client secret, a password, an API key, an access
// or refresh token. The zero value is the empty secret.
//
// fmt (every verb), log/slog, encoding/json and text marshalling render it as
// "[redacted]", and the empty secret as "". It has no unmarshalling: a decoder
// that meets a Secret fails, so that "[redacted]" can never be read back as a
// value. [Secret.Reveal] is the one way to the text.
//
// Secrets cannot be compared with ==, which would compare identity and leak
// timing; use [Secret.Equal].
type Secret struct {
	// Without ==: two Secrets of equal text hold different pointers.
	_ [0]func()
	// A pointer, because fmt does not call methods on the unexported fields of
	// an enclosing struct: it then prints this address instead of the text.
	text *string
}

// NewSecret returns s as a Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: &s}
}

// Reveal returns the text. Call it only where the text leaves the process: in
// a request, in a sealed row, in an answer whose purpose is the secret.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both texts are the same, in time that depends only on
// their lengths.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// Fingerprint returns the first 16 bytes of the text's SHA-256 as 32 lower-case
// hex digits, and "" for the empty secret. It identifies a token in a log, a
// report or a comparison without revealing it. That holds for texts with the
// entropy of a token; the fingerprint of a password that a person chose can be
// searched for, so do not publish those.
func (s Secret) Fingerprint() string {
	if s.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// String implements [fmt.Stringer].
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString implements [fmt.GoStringer].
func (s Secret) GoString() string { return s.String() }

// Format implements [fmt.Formatter], so that no verb reaches the field: not %x,
// not %d. %q quotes, the others are all the same.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", s.String())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements [json.Marshaler].
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
