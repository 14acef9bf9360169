package seal_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
)

const canary = "s3cr3t-canary"

// holder has the secret in every position a struct can have it.
type holder struct {
	Name     string
	Exported seal.Secret
	hidden   seal.Secret
	Pointer  *seal.Secret
	List     []seal.Secret
	Map      map[string]seal.Secret
	Any      any
}

type xmlHolder struct{ S seal.Secret }

func newHolder() holder {
	secret := seal.NewSecret(canary)
	return holder{
		Name: "c", Exported: secret, hidden: secret, Pointer: &secret,
		List: []seal.Secret{secret}, Map: map[string]seal.Secret{"k": secret}, Any: secret,
	}
}

func TestSecretIsRedactedByFmt(t *testing.T) {
	t.Parallel()
	secret := seal.NewSecret(canary)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%t", "%c", "%20s", "%p"} {
		for _, value := range []any{secret, newHolder(), []any{secret}, errors.Join(fmt.Errorf("failed: %v", secret))} {
			text := fmt.Sprintf(verb, value)
			require.NotContains(t, text, canary, verb)
			require.NotContains(t, text, fmt.Sprintf("%x", canary), verb)
			require.NotContains(t, text, fmt.Sprintf("%X", canary), verb)
		}
		if verb != "%p" { // fmt prints the type's name and never asks the value
			require.Equal(t, "[redacted]", fmt.Sprintf(verb, secret), verb)
		}
	}
	require.Equal(t, `"[redacted]"`, fmt.Sprintf("%q", secret))
	require.Equal(t, "[redacted]", fmt.Sprintf("%v", &secret))
	require.Equal(t, "[redacted]", fmt.Sprint(secret))
	require.Equal(t, "[redacted]", secret.String())
	require.Equal(t, "[redacted]", secret.GoString())
}

func TestEmptySecretRendersEmpty(t *testing.T) {
	t.Parallel()
	for _, secret := range []seal.Secret{{}, seal.NewSecret("")} {
		require.True(t, secret.IsZero())
		require.Empty(t, secret.Reveal())
		require.Empty(t, secret.Fingerprint())
		require.Empty(t, fmt.Sprintf("%v%+v%#v%s%x", secret, secret, secret, secret, secret))
		require.Equal(t, `""`, fmt.Sprintf("%q", secret))
		text, err := json.Marshal(secret)
		require.NoError(t, err)
		require.Equal(t, `""`, string(text))
	}
}

func TestSecretIsRedactedBySlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		out.Reset()
		secret, held := seal.NewSecret(canary), newHolder()
		log := slog.New(handler).With("with", secret)
		log.Info("m", "plain", secret, "pointer", &secret, "holder", held, "holder_pointer", &held,
			slog.Group("g", "inner", secret), "error", fmt.Errorf("cannot use %v", secret))
		require.NotContains(t, out.String(), canary)
		require.Contains(t, out.String(), "[redacted]")
	}
}

func TestSecretIsRedactedByMarshalling(t *testing.T) {
	t.Parallel()
	held := newHolder()
	text, err := json.Marshal(held)
	require.NoError(t, err)
	require.NotContains(t, string(text), canary)
	require.Contains(t, string(text), `"Exported":"[redacted]"`)

	text, err = json.Marshal(map[string]any{"s": held.Exported})
	require.NoError(t, err)
	require.JSONEq(t, `{"s":"[redacted]"}`, string(text))

	text, err = held.Exported.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(text))

	text, err = xml.Marshal(xmlHolder{held.Exported})
	require.NoError(t, err)
	require.NotContains(t, string(text), canary)
}

func TestSecretCannotBeUnmarshalled(t *testing.T) {
	t.Parallel()
	var into struct{ S seal.Secret }
	require.Error(t, json.Unmarshal([]byte(`{"S":"[redacted]"}`), &into))
}

func TestSecretReveals(t *testing.T) {
	t.Parallel()
	secret := seal.NewSecret(canary)
	require.Equal(t, canary, secret.Reveal())
	require.False(t, secret.IsZero())
	require.Equal(t, canary, newHolder().hidden.Reveal())
}

func TestSecretEqual(t *testing.T) {
	t.Parallel()
	a, b := seal.NewSecret(canary), seal.NewSecret(canary)
	require.True(t, a.Equal(b))
	require.False(t, a.Equal(seal.NewSecret(canary+"x")))
	require.False(t, a.Equal(seal.NewSecret("S3cr3t-canary")))
	require.False(t, a.Equal(seal.Secret{}))
	require.True(t, seal.NewSecret("").Equal(seal.Secret{}))
	require.False(t, reflect.TypeFor[seal.Secret]().Comparable())
	require.Equal(t, a, b, "deep comparison in tests compares texts")
}

func TestSecretFingerprint(t *testing.T) {
	t.Parallel()
	// SHA-256 of "abc" is ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 … (FIPS 180-4 example).
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223", seal.NewSecret("abc").Fingerprint())
	require.NotEqual(t, seal.NewSecret("abd").Fingerprint(), seal.NewSecret("abc").Fingerprint())
}
