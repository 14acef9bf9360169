package pattern_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// FuzzMatch compares the matcher with a naive reading of the rules (naive_test.go), alone and in an index with other patterns.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":["x"]}`, `{"a":"x"}`},
		{`{"a":{"b":[1,2.50]}}`, `{"a":[{"b":1},{"b":[2.5]}]}`},
		{`{"a":{"b":[1],"c":[null,true]}}`, `{"a":[{"b":1,"c":false},{"b":1,"c":null}]}`},
		{`{"a.b":["::1"]}`, `{"a":{"b":"0:0:0:0:0:0:0:1"}}`},
		{`{"a":["x"],"a.b":["y"]}`, `{"a":["x",{"b":"y"}]}`},
		{`{"a":[{"prefix":"x"},{"suffix":{"equals-ignore-case":"ß"}}]}`, `{"a":["zSS"]}`},
		{`{"a":[{"wildcard":"a*b*\\*"},{"anything-but":{"wildcard":["x*","*y"]}}]}`, `{"a":"xaby"}`},
		{`{"a":[{"numeric":[">=",1,"<",2]},{"cidr":"10.0.0.0/8"}],"b":[{"exists":false}]}`, `{"a":[1.5,"10.1.1.1"],"b":[]}`},
		{`{"a":{"b":[{"exists":false},1],"c":[{"exists":false}],"d":[{"anything-but":[1,2]}]}}`, `{"a":[{"b":1,"d":3},{"c":2,"d":1},{"d":4}]}`},
		{`{"$or":[{"a":[1]},{"b":[{"equals-ignore-case":"k"}],"c":[{"prefix":{"equals-ignore-case":"x"}}]}]}`, `{"b":"K","c":"Xy"}`},
		{`{"a.b":[1],"a":{"c":[{"exists":false},2]}}`, `{"a":[{"b":1,"c":3},{"b":1}],"a.b":1,"a.c":[[2]]}`},
		{`{"a":[{"freshet:regexp":"o(r|d)+-[0-9]{2,}"},{"freshet:regexp":"(?i)x|yy?$"}]}`, `{"a":["ord-12","X"]}`},
		{`{"a":[{"freshet:date":[">=","2026-02-28T23:59:59.5Z","<","2027-01-01T00:00:00+01:00"]}]}`, `{"a":"2026-12-31T22:59:59-00:30"}`},
	} {
		f.Add(seed[0], seed[1])
	}
	others := []string{
		`{"a":["x"]}`, `{"b":[{"prefix":"x"}]}`, `{"a":{"b":[{"numeric":["<",3]}]}}`, `{"a":[{"suffix":"y"}],"c":[{"exists":false}]}`,
		`{"a":[{"freshet:regexp":"x.*"}]}`, `{"a":[{"freshet:date":["<","2026-07-01T00:00:00Z"]}]}`,
	}
	f.Fuzz(func(t *testing.T, patternText, event string) {
		p, err := pattern.Compile(patternText)
		if err != nil || len(event) > 400 || len(patternText) > 400 || !utf8.ValidString(event) || !utf8.ValidString(patternText) {
			return
		}
		want, ok := naive(patternText, event)
		if !ok {
			return
		}
		require.Equal(t, want, p.Match([]byte(event)), "%s on %s", patternText, event)
		requireExplained(t, p, []byte(event))
		entries := []pattern.Entry{{ID: "p", Pattern: p}}
		for _, text := range others {
			other, err := pattern.Compile(text)
			require.NoError(t, err)
			entries = append(entries, pattern.Entry{ID: pattern.RuleID(text), Pattern: other})
		}
		x := pattern.NewIndex(append(entries, pattern.Entry{ID: "q", Pattern: p}))
		for range 2 { // what was read is used again
			matched := x.Match([]byte(event))
			for i, e := range entries {
				alone, _ := naive(patternOf(e, patternText), event)
				require.Equal(t, alone, contains(matched, e.ID), "%d of %s on %s", i, patternText, event)
			}
			require.Equal(t, want, contains(matched, "q"))
		}
	})
}

func patternOf(e pattern.Entry, fuzzed string) string {
	if e.ID == "p" {
		return fuzzed
	}
	return string(e.ID)
}

func contains(ids []pattern.RuleID, id pattern.RuleID) bool {
	return slices.Contains(ids, id)
}

// FuzzCompile makes sure that no text is too strange.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`{"a":[{"prefix":"x"}]}`, `{"a":{"b":["x",1,null]}}`, `{"a":[{"numeric":[">",1,"<=",2]},{"cidr":"::/1"}]}`,
		`{"a":[{"anything-but":{"wildcard":["a*"]}},{"exists":false}]}`, `{"$or":[{"a":["x"]},{"b":[{"suffix":{"equals-ignore-case":"y"}}]}]}`,
		`{"a":[{"freshet:regexp":"^x(y|[^z]+)*\\\\d{3}$"},{"freshet:date":["=","0000-01-01T00:00:00+23:59"]}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pattern.Compile(text)
		if err != nil {
			var syntax *pattern.SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.NotEmpty(t, syntax.Reason)
			return
		}
		p.Match([]byte(text))
	})
}
