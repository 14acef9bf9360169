package rawjson_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

func TestCheckObject(t *testing.T) {
	for text, depth := range map[string]int{
		`{}`: 1, `{"a":1}`: 1, ` {"a":[{"b":[]}]} `: 4, `{"a":"[[[","b":{}}`: 2,
		`{"\u00e9\"\\\/\b\f\n\r\t":[-0,0.5e+7,1E-2,true,false,null," "]}`: 2, "{\"\xff\":\"\x7f\"}": 1,
	} {
		got, ok := rawjson.CheckObject(text)
		require.True(t, ok, text)
		require.Equal(t, rawjson.Facts{Depth: depth}, got, text)
		inBytes, ok := rawjson.CheckObject([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, got, inBytes, text)
	}
	for _, text := range []string{
		``, ` `, `[]`, `"x"`, `1`, `null`, `{`, `}`, `{"a":1}x`, `{'a':1}`, `{"a":01}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":[1,]}`, `{"a":[1}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{"a":"\`, "{\"a\":\"\n\"}", `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":.5}`, `{"a":+1}`, `{"a":nul}`,
		`{"a":tru`, `{"a":1 2}`, `{} {}`, `{"a":NaN}`, "{\"a\":1}\x00",
	} {
		_, ok := rawjson.CheckObject(text)
		require.False(t, ok, text)
	}
	for depth, valid := range map[int]bool{1000: true, 10_000: true, 10_001: false, 1_000_000: false} {
		got, ok := rawjson.CheckObject(strings.Repeat(`{"a":`, depth-1) + `{}` + strings.Repeat(`}`, depth-1))
		require.Equal(t, valid, ok, depth)
		if valid {
			require.Equal(t, depth, got.Depth)
		}
	}
}

func TestWideIntegers(t *testing.T) {
	for text, wide := range map[string]bool{
		`{"a":9223372036854775807,"b":-9223372036854775808}`: false, `{"a":92233720368547758080000.0,"b":[9e99, 1E+400]}`: false,
		`{"99999999999999999999":"99999999999999999999 \" 99999999999999999999"}`: false, `{"a":[true,null,1]}`: false,
		`{"a":9223372036854775808}`: true, `{"a":[{"b":"x"},-9223372036854775809], "b":1}`: true,
		`{"a":[1.5,123456789012345678901234567890]}`: true,
	} {
		got, ok := rawjson.CheckObject(text)
		require.True(t, ok, text)
		require.Equal(t, wide, got.Wide, text)
	}
}

// FuzzCheckObject compares with encoding/json.
func FuzzCheckObject(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2,{"b":"\"\\\u00e9"}],"c":null}`, `{"a":-0.5e+7, "b" :12345678901234567890}`, `{"a":"`, ` [true] `, `{"a":{"a":{}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := rawjson.CheckObject(text)
		want := json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{")
		require.Equal(t, want, ok)
		if ok {
			require.Equal(t, naiveFacts(t, text), got)
		}
	})
}

func naiveFacts(t *testing.T, text string) (facts rawjson.Facts) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return facts
		}
		switch v := token.(type) {
		case json.Delim:
			if strings.ContainsRune("{[", rune(v)) {
				depth++
			} else {
				depth--
			}
			facts.Depth = max(facts.Depth, depth)
		case json.Number:
			if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil && !strings.ContainsAny(v.String(), ".eE") {
				facts.Wide = true
			}
		}
		require.GreaterOrEqual(t, depth, 0)
	}
}

func BenchmarkCheckObject(b *testing.B) {
	text := `{"id":12345,"customer":{"name":"someone","tags":["a","b"]},"pad":"` + strings.Repeat("x", 900) + `"}`
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		rawjson.CheckObject(text)
	}
}
