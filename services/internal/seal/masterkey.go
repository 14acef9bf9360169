package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
)

// ErrMasterKeyCorrupt means that a text is not a master key. Errors that wrap
// it say which part is wrong and never repeat the text.
var ErrMasterKeyCorrupt = errors.New("seal: not a valid master key")

// masterKey is the master key's text, a JSON object of two Tink keysets in
// clear:
//
//	{"aead": <keyset that seals>, "prf": <keyset that derives internal keys>}
//
// They are separate so that a key never serves two algorithms, and so that the
// sealing key can be rotated without ending every page token and internal RPC
// token. Whoever holds the text can open every secret.
type masterKey struct {
	AEAD json.RawMessage `json:"aead"`
	PRF  json.RawMessage `json:"prf"`
}

// GenerateMasterKey returns the text of a new master key: for a file, an
// environment variable or a secret store.
//
// It seals with XAES-256-GCM (https://c2sp.org/XAES-256-GCM): AES-256-GCM with a
// key of its own and a 192-bit random nonce for every message. Plain AES-GCM
// with random nonces must stop after 2^32 messages per key (NIST SP 800-38D
// §8.3), which a large installation that rotates short-lived tokens reaches in
// weeks.
func GenerateMasterKey() ([]byte, error) {
	sealing, err := generateKeyset(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, err
	}
	deriving, err := generateKeyset(prf.HKDFSHA256PRFKeyTemplate())
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(masterKey{AEAD: sealing, PRF: deriving}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("seal: encode master key: %w", err)
	}
	return append(text, '\n'), nil
}

// ParseMasterKey reads a master key's text: {"aead":…,"prf":…}, each a Tink
// keyset in JSON with one primary and any number of older keys. Errors are
// [ErrMasterKeyCorrupt].
func ParseMasterKey(keysetJSON []byte) (*Sealer, error) {
	var parts masterKey
	decoder := json.NewDecoder(bytes.NewReader(keysetJSON))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&parts) != nil || decoder.Decode(new(json.RawMessage)) != io.EOF {
		return nil, fmt.Errorf(`%w: want one JSON object {"aead": <Tink keyset>, "prf": <Tink keyset>}`, ErrMasterKeyCorrupt)
	}

	sealing, err := readKeyset("aead", parts.AEAD)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(sealing)
	if err != nil {
		return nil, fmt.Errorf(`%w: "aead" is not a keyset of AEAD keys`, ErrMasterKeyCorrupt)
	}

	deriving, err := readKeyset("prf", parts.PRF)
	if err != nil {
		return nil, err
	}
	set, err := prf.NewPRFSet(deriving)
	if err != nil {
		return nil, fmt.Errorf(`%w: "prf" is not a keyset of PRF keys`, ErrMasterKeyCorrupt)
	}

	sealer := &Sealer{aead: primitive, prf: set}
	// Some PRFs (AES-CMAC) cannot give 32 bytes: find out now, not in a request.
	if _, err := sealer.DeriveKey("probe"); err != nil {
		return nil, fmt.Errorf(`%w: "prf" has a primary key that cannot derive %d bytes; use HKDF-SHA256`, ErrMasterKeyCorrupt, derivedKeySize)
	}
	return sealer, nil
}

// generateKeyset returns a keyset of one new key as JSON.
func generateKeyset(template *tinkpb.KeyTemplate) (json.RawMessage, error) {
	handle, err := keyset.NewHandle(template)
	if err != nil {
		return nil, fmt.Errorf("seal: generate key: %w", err)
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		return nil, fmt.Errorf("seal: encode key: %w", err)
	}
	return text.Bytes(), nil
}

// readKeyset reads the keyset of one part. The libraries' errors are dropped
// because they may quote what they read.
func readKeyset(part string, text json.RawMessage) (*keyset.Handle, error) {
	if len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return nil, fmt.Errorf("%w: %q is missing", ErrMasterKeyCorrupt, part)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: %q is not a Tink keyset", ErrMasterKeyCorrupt, part)
	}
	return handle, nil
}
