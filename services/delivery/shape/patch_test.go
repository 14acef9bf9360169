package shape_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

// TestMergePatch has the cases of RFC 7396, appendix A, whose patches are objects or not, and what is kept byte for byte.
func TestMergePatch(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{` { "n" : 1.50 , "z":{ "k":[ 1 ] }, "x":1e2 } `, ` { "x" : null , "y" : 12345678901234567890 } `, `{"n":1.50,"z":{ "k":[ 1 ] },"y":12345678901234567890}`},
		{`{"a\u0062":1}`, `{"ab":2,"ab":3}`, `{"a\u0062":3}`},
	} {
		require.Equal(t, c[2], string(shape.MergePatch([]byte(c[0]), []byte(c[1]))), "%s and %s", c[0], c[1])
	}
}
