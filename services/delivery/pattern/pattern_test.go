package pattern_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// TestCases runs testdata/cases.jsonl: a pattern, an event, whether it matches, and what that shows.
func TestCases(t *testing.T) {
	file, err := os.Open("testdata/cases.jsonl")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		var c struct {
			Pattern, Event json.RawMessage
			Match          bool
			Note           string
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c), "line %d", n)
		t.Run(fmt.Sprintf("%d %s", n, c.Note), func(t *testing.T) {
			p, err := pattern.Compile(string(c.Pattern))
			require.NoError(t, err)
			require.Equal(t, c.Match, p.Match(c.Event), "%s on %s", c.Pattern, c.Event)
		})
	}
	require.NoError(t, lines.Err())
}

func TestInvalidPatterns(t *testing.T) {
	for text, says := range map[string]string{
		``:                                   "it is not JSON",
		`{"a":["x"]`:                         "it is not JSON",
		`["x"]`:                              "must be a JSON object",
		`"x"`:                                "must be a JSON object",
		`{}`:                                 "empty objects",
		`{"a":{"b":{}}}`:                     "at a.b: empty objects",
		`{"a":[]}`:                           "at a: empty arrays",
		`{"a":"x"}`:                          `at a: "x" must be an object or an array`,
		`{"a":{"b":5}}`:                      "at a.b: 5 must be an object or an array",
		`{"a":[["x"]]}`:                      "at a: arrays inside",
		`{"a":[{}]}`:                         "at a: a match object must hold one operator",
		`{"a":["x",{"prefix":"y"}]}`:         "at a: not supported yet: prefix",
		`{"d":{"a":[{"suffix":"y"}]}}`:       "at d.a: not supported yet: suffix",
		`{"a":[{"anything-but":"y"}]}`:       "not supported yet: anything-but",
		`{"a":[{"numeric":[">",1]}]}`:        "not supported yet: numeric",
		`{"a":[{"exists":true}]}`:            "not supported yet: exists",
		`{"a":[{"cidr":"10.0.0.0/8"}]}`:      "not supported yet: cidr",
		`{"a":[{"wildcard":"*"}]}`:           "not supported yet: wildcard",
		`{"a":[{"equals-ignore-case":"y"}]}`: "not supported yet: equals-ignore-case",
		`{"$or":[{"a":["x"]},{"b":["y"]}]}`:  "at $or: not supported yet",
		`{"d":{"$or":[{"a":["x"]}]}}`:        "at d.$or: not supported yet",
		`{"a":[{"Prefix":"y"}]}`:             `at a: "Prefix" is not an operator`,
	} {
		_, err := pattern.Compile(text)
		require.ErrorContains(t, err, says, text)
		var syntax *pattern.SyntaxError
		require.ErrorAs(t, err, &syntax)
	}
	_, err := pattern.Compile(strings.Repeat(`{"a":`, 200) + `["x"]` + strings.Repeat(`}`, 200))
	require.ErrorContains(t, err, "deeper than 100 levels")
}

func TestIndexReturnsEveryMatchInOrder(t *testing.T) {
	var entries []pattern.Entry
	for i, text := range []string{
		`{"source":["shop"]}`, `{"source":["other"]}`, `{"source":["shop","other"],"detail":{"n":[1]}}`, `{"detail":{"n":[1,2]}}`,
	} {
		p, err := pattern.Compile(text)
		require.NoError(t, err)
		entries = append(entries, pattern.Entry{ID: pattern.RuleID(fmt.Sprint(i)), Pattern: p})
	}
	x := pattern.NewIndex(entries)
	require.Equal(t, []pattern.RuleID{"0", "2", "3"}, x.Match([]byte(`{"source":"shop","detail":{"n":1.0}}`)))
	require.Equal(t, []pattern.RuleID{"1"}, x.Match([]byte(`{"source":"other","detail":{"n":3}}`)))
	require.Nil(t, x.Match([]byte(`{"source":"nobody"}`)))
	require.Nil(t, x.Match([]byte(`[]`)))
	require.Nil(t, pattern.NewIndex(nil).Match([]byte(`{"source":"shop"}`)))
}

// TestHostileEvent makes sure that an event cannot make the choice of array elements explode.
func TestHostileEvent(t *testing.T) {
	var patternText, event strings.Builder
	patternText.WriteString(`{"never":["x"]`)
	event.WriteString(`{"never":[{"y":1}]`)
	for i := range 12 {
		fmt.Fprintf(&patternText, `,"k%d":{"a":[1],"b":[1]}`, i)
		fmt.Fprintf(&event, `,"k%d":[%s{"b":1}]`, i, strings.Repeat(`{"a":1},`, 200))
	}
	p, err := pattern.Compile(patternText.String() + `}`)
	require.NoError(t, err)
	require.False(t, p.Match([]byte(event.String()+`}`)))
}
