package webhook

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Scheme is how a request proves its sender. The numbers are those of the API and of the store.
type Scheme int

// The schemes.
const (
	// Standard is Standard Webhooks with HMAC: webhook-id, webhook-timestamp, webhook-signature
	// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
	Standard Scheme = 1
	// GitHub is X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 of the body>
	// (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
	GitHub Scheme = 2
	// Stripe is Stripe-Signature: t=<time>,v1=<hex of HMAC-SHA256 of time.body> (https://docs.stripe.com/webhooks#verify-manually).
	Stripe Scheme = 3
	// SharedSecret is a header that holds the secret itself.
	SharedSecret Scheme = 4
	// HMAC is a header that holds an HMAC, all of it configurable.
	HMAC Scheme = 5
)

// Algorithm is a hash for HMAC. The numbers are those of the API and of the store.
type Algorithm int

// The algorithms. The zero value is SHA256.
const (
	SHA256 Algorithm = 1
	SHA1   Algorithm = 2
	SHA512 Algorithm = 3
)

// Encoding is how a signature is written. The numbers are those of the API and of the store.
type Encoding int

// The encodings. The zero value is Hex.
const (
	Hex    Encoding = 1
	Base64 Encoding = 2
)

// Bounds of a [Signature].
const (
	DefaultTolerance = 5 * time.Minute
	minSecret        = 8
	// secretPrefix begins the secrets of Standard Webhooks; what follows is base64.
	secretPrefix = "whsec_"
)

// What a signed content is made of.
const (
	placeTimestamp = "{timestamp}"
	placeBody      = "{body}"
)

// Signature says how requests prove their sender. Fields that a scheme does not name are empty.
type Signature struct {
	Scheme Scheme
	// Secret and Previous are those that are accepted; Previous may be empty.
	Secret, Previous seal.Secret
	// Header holds the secret or the signature; of SharedSecret and HMAC.
	Header string
	// Prefix is what stands before it in the header, such as "Bearer " or "sha256="; of SharedSecret and HMAC.
	Prefix string
	// The rest is of HMAC.
	Algorithm Algorithm
	Encoding  Encoding
	// TimestampHeader holds when the request was signed, in Unix seconds. Empty: it does not say.
	TimestampHeader string
	// Content is what is signed: {body}, or with a timestamp both {timestamp} and {body}, such as "v0:{timestamp}:{body}".
	Content string
	// Tolerance is how far the time may be off, for schemes that have one. Zero: DefaultTolerance.
	Tolerance time.Duration
}

// Equal tells whether both accept the same, with the same secrets.
func (s *Signature) Equal(o *Signature) bool {
	return s.Scheme == o.Scheme && s.Secret.Equal(o.Secret) && s.Previous.Equal(o.Previous) && s.Header == o.Header &&
		s.Prefix == o.Prefix && s.Algorithm == o.Algorithm && s.Encoding == o.Encoding && s.TimestampHeader == o.TimestampHeader &&
		s.Content == o.Content && s.Tolerance == o.Tolerance
}

// Fault says what is wrong with a [Signature]: the field and why.
type Fault struct{ Field, Reason string }

// Check returns what is wrong.
func (s *Signature) Check() []Fault {
	var faults []Fault
	note := func(field, format string, args ...any) {
		faults = append(faults, Fault{field, fmt.Sprintf(format, args...)})
	}
	if s.Secret.IsZero() {
		note("secret", "is required")
	}
	for field, secret := range map[string]seal.Secret{"secret": s.Secret, "previous_secret": s.Previous} {
		if secret.IsZero() {
			continue
		}
		if s.Scheme == Standard {
			if _, err := standardKey(secret); err != nil {
				note(field, "must be whsec_ and base64, as Standard Webhooks has it")
			}
		} else if len(secret.Reveal()) < minSecret {
			note(field, "must have at least %d characters", minSecret)
		}
	}
	named := s.Scheme == SharedSecret || s.Scheme == HMAC
	switch {
	case named && s.Header == "":
		note("header", "is required with this scheme")
	case !named && (s.Header != "" || s.Prefix != ""):
		note("header", "header and prefix go only with SHARED_SECRET and HMAC")
	}
	if s.Scheme != HMAC && (s.Algorithm != 0 || s.Encoding != 0 || s.TimestampHeader != "" || s.Content != "") {
		note("scheme", "algorithm, encoding, timestamp_header and signed_content go only with HMAC")
		return faults
	}
	return append(faults, s.checkContent()...)
}

func (s *Signature) checkContent() []Fault {
	if s.Scheme != HMAC {
		return nil
	}
	content := s.content()
	switch {
	case strings.Count(content, placeBody) != 1:
		return []Fault{{"signed_content", "must have {body} once"}}
	case s.TimestampHeader == "" && strings.Contains(content, placeTimestamp):
		return []Fault{{"timestamp_header", "is required where signed_content has {timestamp}"}}
	case s.TimestampHeader != "" && strings.Count(content, placeTimestamp) != 1:
		return []Fault{{"signed_content", "must have {timestamp} once: a time that is not signed proves nothing"}}
	}
	return nil
}

func (s *Signature) content() string {
	switch {
	case s.Content != "":
		return s.Content
	case s.TimestampHeader != "":
		return placeTimestamp + "." + placeBody
	}
	return placeBody
}

func (s *Signature) tolerance() time.Duration {
	if s.Tolerance <= 0 {
		return DefaultTolerance
	}
	return s.Tolerance
}

// Remember is how long a request can come again with a proof that still holds. Zero: for ever, as it has no time.
func (s *Signature) Remember() time.Duration {
	if s.Scheme == Standard || s.Scheme == Stripe || s.Scheme == HMAC && s.TimestampHeader != "" {
		return 2 * s.tolerance() // its time may be as far in the future
	}
	return 0
}

// Secrets tells whether a header holds what must not be kept.
func (s *Signature) Secrets(header string) bool {
	switch http.CanonicalHeaderKey(header) {
	case "Authorization", "Proxy-Authorization", "Cookie", http.CanonicalHeaderKey(s.Header):
		return true
	}
	return false
}

// standardKey is the key in a secret of Standard Webhooks.
func standardKey(secret seal.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(secret.Reveal(), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minSecret {
		return nil, ErrRefused
	}
	return key, nil
}
