package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Page sizes of every List method.
const (
	DefaultSize = 50
	MaxSize     = 250
)

// ErrInvalidToken means that a page token is not one that this installation
// gave for this request: it was changed, cut, or belongs to another method,
// parent, filter or master key. The caller starts again without a token.
var ErrInvalidToken = errors.New("page: invalid page token: send the next_page_token of the same request, or none")

const (
	macSize = 16 // bytes of HMAC-SHA256 that a token carries; RFC 2104 §5 asks for at least half
	version = 1  // first byte of the payload
	// maxToken bounds the work that a hostile token can ask for. Our cursors are
	// a time and an id or two.
	maxToken = 4096
)

// encoding is strict about unused bits, so that a token has one spelling.
func encoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// Codec encodes and decodes page tokens. It is safe for concurrent use.
//
// A token is base64url(mac ‖ payload). The payload is a version byte and the
// cursor's values, each after its length; the mac authenticates payload and
// scope under the codec's key. A caller who decodes a token sees sort keys of a
// row that it has just been sent, so tokens are not encrypted.
type Codec struct {
	key []byte
}

// NewCodec returns a codec that signs with key: 32 bytes, kept secret, the same
// in every replica.
func NewCodec(key []byte) *Codec {
	return &Codec{key: append([]byte(nil), key...)}
}

// Encode returns the token for the page after cursor, the sort keys of the last
// row sent. scope says which request the token is good for: the method, the
// parent and the filter, joined. Without a cursor there is no next page, and
// the token is "".
func (c *Codec) Encode(scope string, cursor ...string) string {
	if len(cursor) == 0 {
		return ""
	}
	payload := []byte{version}
	for _, value := range cursor {
		payload = binary.AppendUvarint(payload, uint64(len(value)))
		payload = append(payload, value...)
	}
	return encoding().EncodeToString(append(c.mac(scope, payload), payload...))
}

// Decode returns the cursor of a token that [Codec.Encode] returned for the
// same scope. The empty token asks for the first page: its cursor is nil. Any
// other text is [ErrInvalidToken].
func (c *Codec) Decode(scope, token string) ([]string, error) {
	if token == "" {
		return nil, nil
	}
	// The decoder skips line breaks; a token has none.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, ErrInvalidToken
	}
	raw, err := encoding().DecodeString(token)
	if err != nil || len(raw) <= macSize {
		return nil, ErrInvalidToken
	}
	mac, payload := raw[:macSize], raw[macSize:]
	if !hmac.Equal(mac, c.mac(scope, payload)) || payload[0] != version {
		return nil, ErrInvalidToken
	}
	return values(payload[1:])
}

// values splits the payload after its version byte. It trusts nothing although
// the mac was right: a key that leaks must not become a crash.
func values(rest []byte) ([]string, error) {
	var cursor []string
	for len(rest) > 0 {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return nil, ErrInvalidToken
		}
		rest = rest[n:]
		cursor = append(cursor, string(rest[:length]))
		rest = rest[length:]
	}
	if len(cursor) == 0 {
		return nil, ErrInvalidToken
	}
	return cursor, nil
}

// mac authenticates payload for scope. The scope's length comes first, so that
// no text can move from one to the other.
func (c *Codec) mac(scope string, payload []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write(binary.AppendUvarint(nil, uint64(len(scope))))
	h.Write([]byte(scope))
	h.Write(payload)
	return h.Sum(nil)[:macSize]
}

// Size returns the number of rows for a requested page size: [DefaultSize] for
// 0, [MaxSize] for anything larger (AIP-158 says coerce). Negative sizes are
// refused by request validation; here they count as 0.
func Size(requested int32) int {
	switch {
	case requested <= 0:
		return DefaultSize
	case requested > MaxSize:
		return MaxSize
	default:
		return int(requested)
	}
}
