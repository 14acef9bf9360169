package signature_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/signature"
	"github.com/freshet-io/freshet/services/internal/seal"
)

var body = []byte(`{"test": 2432232314}`)

// TestExample is the example of the specification's reference libraries.
func TestExample(t *testing.T) {
	key, err := signature.Parse(seal.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	require.NoError(t, err)
	header := http.Header{}
	signature.Sign(header, []signature.Key{key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), body)
	require.Equal(t, http.Header{
		"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}, header)
}

// TestVerifiedByTheOfficialLibrary: receivers that know any of the active keys accept the request; others do not.
func TestVerifiedByTheOfficialLibrary(t *testing.T) {
	var keys []signature.Key
	for range 3 {
		key, err := signature.Generate(signature.HMACSHA256)
		require.NoError(t, err)
		keys = append(keys, key)
	}
	header := http.Header{}
	signature.Sign(header, keys[:2], "01M81WMTD242W591Q2P47Z13HZ", time.Now(), body)
	for i, key := range keys {
		receiver, err := standardwebhooks.NewWebhook(key.Secret().Reveal())
		require.NoError(t, err)
		if i < 2 {
			require.NoError(t, receiver.Verify(body, header))
			require.Error(t, receiver.Verify([]byte("{}"), header))
		} else {
			require.Error(t, receiver.Verify(body, header))
		}
	}
}

func TestEd25519(t *testing.T) {
	key, err := signature.Generate(signature.Ed25519)
	require.NoError(t, err)
	shared, err := signature.Generate(signature.HMACSHA256)
	require.NoError(t, err)
	again, err := signature.Parse(key.Secret())
	require.NoError(t, err)
	require.Equal(t, key, again)

	now := time.Unix(1614265330, 0)
	header := http.Header{}
	signature.Sign(header, []signature.Key{shared, key}, "id", now, body)
	parts := strings.Split(header.Get("Webhook-Signature"), " ")
	require.Len(t, parts, 2)
	require.True(t, strings.HasPrefix(parts[0], "v1,"))
	encoded, ok := strings.CutPrefix(parts[1], "v1a,")
	require.True(t, ok)
	signed, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.Public(), "whpk_"))
	require.NoError(t, err)
	content := "id." + strconv.FormatInt(now.Unix(), 10) + "." + string(body)
	require.True(t, ed25519.Verify(public, []byte(content), signed))
	require.Empty(t, shared.Public())
}

func TestParse(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	whole := ed25519.NewKeyFromSeed(seed)
	text := base64.StdEncoding.EncodeToString
	fromSeed, err := signature.Parse(seal.NewSecret("whsk_" + text(seed)))
	require.NoError(t, err)
	fromWhole, err := signature.Parse(seal.NewSecret("whsk_" + text(whole)))
	require.NoError(t, err)
	require.Equal(t, fromSeed, fromWhole)
	unpadded, err := signature.Parse(seal.NewSecret("whsec_" + strings.TrimRight(text(make([]byte, 25)), "=")))
	require.NoError(t, err)
	require.Equal(t, signature.HMACSHA256, unpadded.Algorithm())

	mixed := append([]byte(nil), whole...)
	mixed[40]++
	for _, bad := range []string{
		"", "secret", "whsec_", "whsec_" + text(make([]byte, 23)), "whsec_" + text(make([]byte, 65)), "whsec_!!!!", "whsk_" + text(seed[:31]),
		"whsk_" + text(mixed), "whpk_" + text(seed),
	} {
		_, err := signature.Parse(seal.NewSecret(bad))
		require.ErrorIs(t, err, signature.ErrKey, bad)
	}
	_, err = signature.Generate(0)
	require.ErrorIs(t, err, signature.ErrKey)
}

// TestWithoutKeys: nothing is added.
func TestWithoutKeys(t *testing.T) {
	header := http.Header{}
	signature.Sign(header, nil, "id", time.Now(), body)
	require.Empty(t, header)
}
