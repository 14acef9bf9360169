package rawjson_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

func TestMemberKeepsTheText(t *testing.T) {
	doc := []byte(` { "a" : 1.50 , "b\u0062":[ 1, {"x":"]}\""} ] ,"a": -0e1 , "o":{ } } `)
	for name, want := range map[string]string{"a": "-0e1", "bb": `[ 1, {"x":"]}\""} ]`, "o": "{ }"} {
		got, ok := rawjson.Member(doc, name)
		require.True(t, ok, name)
		require.Equal(t, want, string(got))
	}
	_, ok := rawjson.Member(doc, "none")
	require.False(t, ok)
	_, ok = rawjson.Member([]byte(`[1]`), "a")
	require.False(t, ok)
}

func TestElement(t *testing.T) {
	doc := []byte(`[ "a", [2] , null]`)
	for index, want := range map[int]string{0: `"a"`, 1: `[2]`, 2: "null", -1: "null", -3: `"a"`} {
		got, ok := rawjson.Element(doc, index)
		require.True(t, ok, index)
		require.Equal(t, want, string(got))
	}
	for _, index := range []int{3, -4} {
		_, ok := rawjson.Element(doc, index)
		require.False(t, ok, index)
	}
	_, ok := rawjson.Element([]byte(`{}`), 0)
	require.False(t, ok)
}

// FuzzReader compares with encoding/json where the text is valid, and makes sure that the reader stays within any other.
func FuzzReader(f *testing.F) {
	f.Add(`{"a":[1,2,{"b":"\"\\"}],"c":null}`)
	f.Add(`{"a":"`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, text string) {
		rawjson.Element([]byte(text), -1)
		rawjson.Member([]byte(text), "a")
		var want map[string]json.RawMessage
		if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &want) != nil || want == nil { // API texts are valid UTF-8
			return
		}
		for name, value := range want {
			got, ok := rawjson.Member([]byte(text), name)
			require.True(t, ok, name)
			require.Equal(t, string(value), string(got))
		}
	})
}
