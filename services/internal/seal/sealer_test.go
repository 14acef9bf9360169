package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"github.com/freshet-io/freshet/services/internal/seal"
)

const resource = "projects/p/connections/c#client_secret"

func newSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	text, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	sealer, err := seal.ParseMasterKey(text)
	require.NoError(t, err)
	return sealer
}

func TestSealRoundTrip(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	for _, plaintext := range [][]byte{[]byte(canary), {}, {0}, bytes.Repeat([]byte("x"), 1<<16)} {
		sealed, err := sealer.Seal(plaintext, resource)
		require.NoError(t, err)
		if len(plaintext) > 1 {
			require.NotContains(t, string(sealed), string(plaintext))
		}
		opened, err := sealer.Open(sealed, resource)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plaintext, opened))
	}
}

func TestSealIsRandomized(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	first, err := sealer.Seal([]byte(canary), resource)
	require.NoError(t, err)
	second, err := sealer.Seal([]byte(canary), resource)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	sealed, err := sealer.Seal([]byte(canary), resource)
	require.NoError(t, err)

	refused := func(s *seal.Sealer, ciphertext []byte, associatedData string) {
		t.Helper()
		opened, err := s.Open(ciphertext, associatedData)
		require.ErrorIs(t, err, seal.ErrUnsealable)
		require.Nil(t, opened)
		require.NotContains(t, err.Error(), canary)
	}
	refused(sealer, sealed, resource+"x")
	refused(sealer, sealed, "projects/q/connections/c#client_secret")
	refused(newSealer(t), sealed, resource)
	refused(sealer, nil, resource)
	refused(sealer, []byte(canary), resource)
	refused(sealer, append(slices.Clone(sealed), 0), resource)
	for i := range sealed {
		tampered := slices.Clone(sealed)
		tampered[i] ^= 0x01
		refused(sealer, tampered, resource)
		refused(sealer, sealed[:i], resource)
	}
}

func TestAssociatedDataIsRequired(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	_, err := sealer.Seal([]byte(canary), "")
	require.ErrorIs(t, err, seal.ErrNoAssociatedData)
	_, err = sealer.Open([]byte("x"), "")
	require.ErrorIs(t, err, seal.ErrNoAssociatedData)
}

func TestDeriveKey(t *testing.T) {
	t.Parallel()
	text, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	one, err := seal.ParseMasterKey(text)
	require.NoError(t, err)
	same, err := seal.ParseMasterKey(text)
	require.NoError(t, err)

	key := func(s *seal.Sealer, label string) []byte {
		t.Helper()
		k, err := s.DeriveKey(label)
		require.NoError(t, err)
		require.Len(t, k, 32)
		return k
	}
	require.Equal(t, key(one, "page-tokens"), key(same, "page-tokens"))
	require.NotEqual(t, key(one, "page-tokens"), key(one, "rpc"))
	require.NotEqual(t, key(one, "page-tokens"), key(newSealer(t), "page-tokens"))
	_, err = one.DeriveKey("")
	require.ErrorIs(t, err, seal.ErrNoLabel)
}

// keysetText renders a keyset as the master key file holds it.
func keysetText(t *testing.T, handle *keyset.Handle) json.RawMessage {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)))
	return out.Bytes()
}

func masterKeyText(t *testing.T, parts map[string]json.RawMessage) []byte {
	t.Helper()
	text, err := json.Marshal(parts)
	require.NoError(t, err)
	return text
}

func handleOf(t *testing.T, template *tinkpb.KeyTemplate) *keyset.Handle {
	t.Helper()
	handle, err := keyset.NewHandle(template)
	require.NoError(t, err)
	return handle
}

func TestRotation(t *testing.T) {
	t.Parallel()
	deriving := keysetText(t, handleOf(t, prf.HKDFSHA256PRFKeyTemplate()))
	// A plain AES-256-GCM keyset, as another tool may have made it.
	first := handleOf(t, aead.AES256GCMKeyTemplate())
	before, err := seal.ParseMasterKey(masterKeyText(t, map[string]json.RawMessage{
		"aead": keysetText(t, first), "prf": deriving,
	}))
	require.NoError(t, err)
	old, err := before.Seal([]byte(canary), resource)
	require.NoError(t, err)

	manager := keyset.NewManagerFromHandle(first)
	added, err := manager.Add(aead.XAES256GCM192BitNonceKeyTemplate())
	require.NoError(t, err)
	require.NoError(t, manager.SetPrimary(added))
	both, err := manager.Handle()
	require.NoError(t, err)
	after, err := seal.ParseMasterKey(masterKeyText(t, map[string]json.RawMessage{
		"aead": keysetText(t, both), "prf": deriving,
	}))
	require.NoError(t, err)

	opened, err := after.Open(old, resource)
	require.NoError(t, err)
	require.Equal(t, canary, string(opened))

	fresh, err := after.Seal([]byte(canary), resource)
	require.NoError(t, err)
	_, err = before.Open(fresh, resource)
	require.ErrorIs(t, err, seal.ErrUnsealable, "the new primary seals")

	keyBefore, err := before.DeriveKey("page-tokens")
	require.NoError(t, err)
	keyAfter, err := after.DeriveKey("page-tokens")
	require.NoError(t, err)
	require.Equal(t, keyBefore, keyAfter, "rotating the sealing key keeps derived keys")
}

func TestParseMasterKeyRefuses(t *testing.T) {
	t.Parallel()
	good, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	var parts map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(good, &parts))
	text := func(aeadPart, prfPart json.RawMessage) string {
		return string(masterKeyText(t, map[string]json.RawMessage{"aead": aeadPart, "prf": prfPart}))
	}
	cases := map[string]struct{ text, says string }{
		"empty":           {"", "want one JSON object"},
		"not JSON":        {canary, "want one JSON object"},
		"truncated":       {string(good[:len(good)/2]), "want one JSON object"},
		"trailing brace":  {string(good) + "}", "want one JSON object"},
		"trailing text":   {string(good) + canary, "want one JSON object"},
		"unknown part":    {`{"aead":{},"prf":{},"` + canary + `":1}`, "want one JSON object"},
		"wrong type":      {`["` + canary + `"]`, "want one JSON object"},
		"no parts":        {`{}`, `"aead" is missing`},
		"null part":       {`{"aead":null}`, `"aead" is missing`},
		"no prf":          {text(parts["aead"], json.RawMessage("null")), `"prf" is missing`},
		"aead not keyset": {`{"aead":{"` + canary + `":1}}`, `"aead" is not a Tink keyset`},
		"aead empty":      {`{"aead":{}}`, `"aead" is not a Tink keyset`},
		"prf not keyset":  {text(parts["aead"], json.RawMessage(`{"key":"`+canary+`"}`)), `"prf" is not a Tink keyset`},
		"swapped":         {text(parts["prf"], parts["aead"]), `"aead" is not a keyset of AEAD keys`},
		"MAC as AEAD":     {text(keysetText(t, handleOf(t, mac.HMACSHA256Tag256KeyTemplate())), parts["prf"]), `"aead" is not a keyset of AEAD keys`},
		"AEAD as PRF":     {text(parts["aead"], parts["aead"]), `"prf" is not a keyset of PRF keys`},
		"short PRF":       {text(parts["aead"], keysetText(t, handleOf(t, prf.AESCMACPRFKeyTemplate()))), "cannot derive 32 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sealer, err := seal.ParseMasterKey([]byte(c.text))
			require.ErrorIs(t, err, seal.ErrMasterKeyCorrupt)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, sealer)
			require.NotContains(t, err.Error(), canary)
		})
	}
}

func TestSealerDoesNotPrintItsKeys(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		require.Equal(t, "[redacted]", fmt.Sprintf(verb, sealer), verb)
		require.Equal(t, "[redacted]", fmt.Sprintf(verb, *sealer), verb)
	}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "sealer", sealer)
	require.Contains(t, out.String(), "sealer=[redacted]")
}
