package rawjson_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

func TestWideInteger(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"a":9223372036854775807,"b":-9223372036854775808}`, `{"a":92233720368547758080000.0,"b":[9e99, 1E+400]}`,
		`{"99999999999999999999":"99999999999999999999 \" 99999999999999999999"}`, `{"a":[true,null,1]}`, ``, ` {"a":1} `,
	} {
		_, found := rawjson.WideInteger([]byte(text))
		require.False(t, found, text)
	}
	for text, want := range map[string]string{
		`{"a":9223372036854775808}`: "9223372036854775808", `{"a":[{"b":"x"},-9223372036854775809]}`: "-9223372036854775809",
		`[1.5,123456789012345678901234567890]`: "123456789012345678901234567890",
	} {
		got, found := rawjson.WideInteger([]byte(text))
		require.True(t, found, text)
		require.Equal(t, want, string(got))
	}
}
