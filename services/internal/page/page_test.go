package page_test

import (
	"encoding/base64"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/page"
)

const scope = "ListConnections/projects/p/state=ACTIVE"

func newCodec(fill string) *page.Codec {
	return page.NewCodec([]byte(strings.Repeat(fill, 32)))
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	codec := newCodec("k")
	for _, cursor := range [][]string{
		{"01JABC"},
		{"1700000000000000", "projects/p/connections/c"},
		{""},
		{"", "", ""},
		{"\x00\xff", "ünï", strings.Repeat("x", 1000)},
	} {
		token := codec.Encode(scope, cursor...)
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
		decoded, err := codec.Decode(scope, token)
		require.NoError(t, err)
		require.Equal(t, cursor, decoded)
		require.Equal(t, token, newCodec("k").Encode(scope, cursor...), "every replica gives the same token")
	}
}

func TestEndsOfTheList(t *testing.T) {
	t.Parallel()
	codec := newCodec("k")
	cursor, err := codec.Decode(scope, "")
	require.NoError(t, err)
	require.Nil(t, cursor)
	require.Empty(t, codec.Encode(scope))
}

func TestTokenIsBoundToItsRequest(t *testing.T) {
	t.Parallel()
	codec := newCodec("k")
	token := codec.Encode(scope, "a", "b")
	for _, other := range []string{"", "ListDestinations/projects/p/state=ACTIVE", "ListConnections/projects/q/state=ACTIVE", scope + " ", scope[1:]} {
		_, err := codec.Decode(other, token)
		require.ErrorIs(t, err, page.ErrInvalidToken, other)
	}
	_, err := newCodec("other").Decode(scope, token)
	require.ErrorIs(t, err, page.ErrInvalidToken)
}

func TestTamperedTokens(t *testing.T) {
	t.Parallel()
	codec := newCodec("k")
	token := codec.Encode(scope, "a", "b")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)

	refused := func(token string) {
		t.Helper()
		cursor, err := codec.Decode(scope, token)
		require.ErrorIs(t, err, page.ErrInvalidToken)
		require.Nil(t, cursor)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			refused(base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
		}
		refused(token[:i+1])
		refused(base64.RawURLEncoding.EncodeToString(append(slices.Clip(raw), byte(i))))
	}
	for _, text := range []string{
		"x", "next", token + "=", token + "A", " " + token, token + "\n", token[:len(token)-1],
		"ä", strings.Repeat("A", 1<<20), base64.StdEncoding.EncodeToString(make([]byte, 17)),
	} {
		refused(text)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for requested, want := range map[int32]int{
		0: 50, 1: 1, 50: 50, 249: 249, 250: 250, 251: 250, math.MaxInt32: 250, -1: 50, math.MinInt32: 50,
	} {
		require.Equal(t, want, page.Size(requested), requested)
	}
}

func FuzzDecode(f *testing.F) {
	codec := newCodec("k")
	f.Add(scope, codec.Encode(scope, "a", "b"))
	f.Add(scope, codec.Encode("other", "a"))
	f.Add("", "")
	f.Add(scope, "AAAAAAAAAAAAAAAAAAAAAAE")
	f.Fuzz(func(t *testing.T, scope, token string) {
		cursor, err := codec.Decode(scope, token)
		if err != nil {
			require.ErrorIs(t, err, page.ErrInvalidToken)
			require.Nil(t, cursor)
			return
		}
		// What decodes is exactly what this codec would give.
		require.Equal(t, token, codec.Encode(scope, cursor...))
	})
}
