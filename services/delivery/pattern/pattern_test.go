package pattern_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// conformance is a line of a file of cases.
type conformance struct {
	Pattern, Event json.RawMessage
	Match, Invalid bool
	Note           string
}

// runCases runs a file of conformance cases: a pattern, an event, whether it matches or is invalid, and what that shows.
func runCases(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	lines := bufio.NewScanner(file)
	n := 0
	for lines.Scan() {
		n++
		var c conformance
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c), "line %d", n)
		t.Run(fmt.Sprintf("%d %s", n, c.Note), func(t *testing.T) {
			p, err := pattern.Compile(string(c.Pattern))
			if c.Invalid {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Match, p.Match(c.Event), "%s on %s", c.Pattern, c.Event)
			requireExplained(t, p, c.Event)
		})
	}
	require.NoError(t, lines.Err())
	require.NotZero(t, n)
}

func TestCases(t *testing.T) { runCases(t, "testdata/cases.jsonl") }

// TestSharedCases runs the cases that lie beside a checkout, where there are some.
func TestSharedCases(t *testing.T) {
	const shared = "../../../../shared/pattern_cases.jsonl"
	if _, err := os.Stat(shared); errors.Is(err, os.ErrNotExist) {
		return
	}
	runCases(t, shared)
}

func TestInvalidPatterns(t *testing.T) {
	for text, says := range map[string]string{
		``:                                    "it is not JSON",
		`{"a":["x"]`:                          "it is not JSON",
		`["x"]`:                               "must be a JSON object",
		`"x"`:                                 "must be a JSON object",
		`{}`:                                  "empty objects",
		`{"a":{"b":{}}}`:                      "at a.b: empty objects",
		`{"a":[]}`:                            "at a: empty arrays",
		`{"a":"x"}`:                           `at a: "x" must be an object or an array`,
		`{"a":{"b":5}}`:                       "at a.b: 5 must be an object or an array",
		`{"a":[["x"]]}`:                       "at a: arrays inside",
		`{"a":[{}]}`:                          "at a: a match object must hold one operator",
		`{"a":[{"Prefix":"y"}]}`:              `at a: "Prefix" is not an operator; there are prefix`,
		`{"a":[{"prefix":"x","suffix":"y"}]}`: "at a: a match object must hold one operator",

		`{"a":[{"prefix":1}]}`:                         `at a.prefix: prefix takes a string or {"equals-ignore-case": string}, not 1`,
		`{"a":[{"prefix":["x"]}]}`:                     "at a.prefix: prefix takes a string",
		`{"a":[{"suffix":{"prefix":"x"}}]}`:            "at a.suffix: suffix takes a string",
		`{"a":[{"suffix":{"equals-ignore-case":[]}}]}`: "at a.suffix: suffix takes a string",
		`{"d":{"a":[{"equals-ignore-case":["x"]}]}}`:   "at d.a.equals-ignore-case: equals-ignore-case takes a string, not",
		`{"a":[{"exists":null}]}`:                      "at a.exists: exists takes true or false, not null",
		`{"a":[{"exists":1}]}`:                         "at a.exists: exists takes true or false, not 1",

		`{"a":[{"wildcard":["x"]}]}`:                   "at a.wildcard: wildcard takes a string",
		`{"a":[{"wildcard":"x**"}]}`:                   "at a.wildcard: consecutive *",
		`{"a":[{"wildcard":"x\\"}]}`:                   "at a.wildcard: a backslash in a wildcard must be followed by",
		`{"a":[{"wildcard":"\\x"}]}`:                   "at a.wildcard: a backslash in a wildcard must be followed by",
		`{"a":[{"wildcard":"*a*a*a*a*a*a*a*a*a*a*"}]}`: "at a: the wildcards are too complex: more than 10",
		`{"a":[{"wildcard":"*1*2*3*4*5*6"},{"anything-but":{"wildcard":"*a*b*c*d*e*f"}}]}`: "at a: the wildcards are too complex",

		`{"a":[{"anything-but":[]}]}`:                                    "at a.anything-but: anything-but takes a string, a number",
		`{"a":[{"anything-but":null}]}`:                                  "at a.anything-but: anything-but takes",
		`{"a":[{"anything-but":["x",1]}]}`:                               "at a.anything-but: anything-but takes",
		`{"a":[{"anything-but":[true]}]}`:                                "at a.anything-but: anything-but takes",
		`{"a":[{"anything-but":{}}]}`:                                    "at a.anything-but: anything-but takes",
		`{"a":[{"anything-but":{"numeric":["<",1]}}]}`:                   `at a.anything-but.numeric: anything-but takes prefix, suffix`,
		`{"a":[{"anything-but":{"suffix":""}}]}`:                         "at a.anything-but.suffix: suffix inside anything-but must not be empty",
		`{"a":[{"anything-but":{"prefix":[]}}]}`:                         "at a.anything-but.prefix: prefix inside anything-but takes a string or an array",
		`{"a":[{"anything-but":{"prefix":["x",1]}}]}`:                    "an array of strings, not 1",
		`{"a":[{"anything-but":{"suffix":{"equals-ignore-case":"x"}}}]}`: "at a.anything-but.suffix: suffix inside anything-but takes",
		`{"a":[{"anything-but":{"wildcard":"**"}}]}`:                     "at a.anything-but.wildcard: consecutive *",

		`{"a":[{"numeric":5}]}`:                                                                   "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":[]}]}`:                                                                  "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":["<"]}]}`:                                                               "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":["<","5"]}]}`:                                                           "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":["!=",5]}]}`:                                                            "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":["<",5,">",1]}]}`:                                                       "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":[">",1,"=",5]}]}`:                                                       "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":[">",1,">",5]}]}`:                                                       "at a.numeric: numeric takes an array",
		`{"a":[{"numeric":[">=",5,"<=",5]}]}`:                                                     "at a.numeric: the lower bound 5 must be less than the upper bound 5",
		`{"a":[{"numeric":["<",9007199254740993]}]}`:                                              "at a.numeric: 9007199254740993 cannot be compared",
		`{"a":[{"regexp":"x"}]}`:                                                                  `at a: "regexp" is not an operator`,
		`{"a":[{"freshet:regexp":7}]}`:                                                            "at a.freshet:regexp: freshet:regexp takes a string, a regular expression, not 7",
		`{"a":[{"freshet:regexp":"x("}]}`:                                                         "at a.freshet:regexp: it is not a regular expression: missing closing ): `x(`",
		`{"a":[{"freshet:regexp":"x)(y"}]}`:                                                       "at a.freshet:regexp: it is not a regular expression: unexpected )",
		`{"a":[{"freshet:regexp":"(?=x)"}]}`:                                                      "at a.freshet:regexp: it is not a regular expression: invalid or unsupported Perl syntax",
		`{"a":[{"freshet:regexp":"(x{100}y){3}"}]}`:                                               "at a.freshet:regexp: the regular expression is too complex",
		`{"a":[{"anything-but":{"freshet:regexp":"x"}}]}`:                                         "anything-but takes prefix",
		`{"a":[{"freshet:regexp":"` + strings.Repeat("x", 257) + `"}]}`:                           "the regular expression has 257 characters; at most 256",
		`{"a":[{"freshet:date":"2026-01-01T00:00:00Z"}]}`:                                         "at a.freshet:date: freshet:date takes an array",
		`{"a":[{"freshet:date":["<",5]}]}`:                                                        "at a.freshet:date: freshet:date takes an array",
		`{"a":[{"freshet:date":["<","2026-01-01"]}]}`:                                             `at a.freshet:date: "2026-01-01" is not a time as in RFC 3339`,
		`{"a":[{"freshet:date":["=","2026-02-28T0:00:00Z"]}]}`:                                    "is not a time as in RFC 3339",
		`{"a":[{"freshet:date":["=","2026-02-28T00:00:00,5Z"]}]}`:                                 "is not a time as in RFC 3339",
		`{"a":[{"freshet:date":["=","2026-02-28T00:00:00+24:00"]}]}`:                              "is not a time as in RFC 3339",
		`{"a":[{"freshet:date":["=","2026-02-29T00:00:00Z"]}]}`:                                   "is not a time as in RFC 3339",
		`{"a":[{"freshet:date":["<","2026-01-01T00:00:00Z",">","2025-01-01T00:00:00Z"]}]}`:        "freshet:date takes an array",
		`{"a":[{"freshet:date":[">=","2026-01-01T00:00:00Z","<=","2026-01-01T01:00:00+01:00"]}]}`: "the lower bound \"2026-01-01T00:00:00Z\" must be before the upper bound",

		`{"a":[{"cidr":10}]}`:                          `at a.cidr: cidr takes a network such as "10.0.0.0/8"`,
		`{"a":[{"cidr":"10.0.0.1"}]}`:                  "at a.cidr: cidr takes a network",
		`{"a":[{"cidr":"10.0.0.0/33"}]}`:               "at a.cidr: cidr takes a network",
		`{"a":[{"cidr":"::1/128"}]}`:                   "at a.cidr: the mask must be less than 128",
		`{"$or":"x"}`:                                  "at $or: $or takes an array of two or more objects",
		`{"$or":[{"a":["x"]}]}`:                        "at $or: $or takes an array of two or more objects",
		`{"$or":[{"a":["x"]},"b"]}`:                    "at $or[1]: $or takes an array of two or more objects",
		`{"d":{"$or":[{"a":["x"]},{"b":"y"}]}}`:        `at d.$or[1].b: "y" must be`,
		`{"$or":[{"a":["x"]},{}]}`:                     "at $or[1]: empty objects",
		`{"$or":[{"a":["x"]},{"b":{"prefix":["y"]}}]}`: `at $or[1].b.prefix: "prefix" is reserved`,
		manyBranches(10, 3):                            "at k2.$or: the branches of $or have more than 1000 combinations",
	} {
		if strings.HasPrefix(text, `{"k0"`) {
			_, err := pattern.Compile(text)
			require.NoError(t, err, "1000 combinations are allowed")
			text = manyBranches(11, 3)
		}
		_, err := pattern.Compile(text)
		require.ErrorContains(t, err, says, text)
		var syntax *pattern.SyntaxError
		require.ErrorAs(t, err, &syntax)
	}
	_, err := pattern.Compile(strings.Repeat(`{"a":`, 200) + `["x"]` + strings.Repeat(`}`, 200))
	require.ErrorContains(t, err, "deeper than 100 levels")
}

// manyBranches is a pattern with so many $or of so many branches each.
func manyBranches(branches, times int) string {
	var p strings.Builder
	for i := range times {
		fmt.Fprintf(&p, `,"k%d":{"$or":[`, i)
		for b := range branches {
			fmt.Fprintf(&p, `{"b%d":["x"]},`, b)
		}
		text := strings.TrimSuffix(p.String(), ",")
		p.Reset()
		p.WriteString(text + "]}")
	}
	return "{" + p.String()[1:] + "}"
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

// TestIndexLooksUp checks each kind of anchor: of many rules that differ in it, an event leads to the right ones.
func TestIndexLooksUp(t *testing.T) {
	for name, c := range map[string]struct {
		value func(i int) string
		event string
		want  []int
	}{
		"text":        {func(i int) string { return fmt.Sprintf(`"v%d"`, i) }, `"v17"`, []int{17}},
		"number":      {func(i int) string { return fmt.Sprint(i) }, `17.0`, []int{17}},
		"large":       {func(i int) string { return fmt.Sprint(uint64(1)<<63 + 1 + uint64(i)) }, fmt.Sprint(uint64(1)<<63 + 18), []int{17}},
		"address":     {func(i int) string { return fmt.Sprintf(`"2001:db8::%x"`, i) }, `"2001:DB8:0::11"`, []int{17}},
		"prefix":      {func(i int) string { return fmt.Sprintf(`{"prefix":"%d-"}`, i) }, `"17-x"`, []int{17}},
		"prefixes":    {func(i int) string { return fmt.Sprintf(`{"prefix":%q}`, strings.Repeat("x", i)) }, `"xx"`, []int{0, 1, 2}},
		"suffix":      {func(i int) string { return fmt.Sprintf(`{"suffix":"-%d"}`, i) }, `"x-17"`, []int{17}},
		"any case":    {func(i int) string { return fmt.Sprintf(`{"equals-ignore-case":"É%d"}`, i) }, `"é17"`, []int{17}},
		"prefix, any": {func(i int) string { return fmt.Sprintf(`{"prefix":{"equals-ignore-case":"K%d-"}}`, i) }, `"k17-x"`, []int{17}},
		"suffix, any": {func(i int) string { return fmt.Sprintf(`{"suffix":{"equals-ignore-case":"-ß%d"}}`, i) }, `"x-SS17"`, []int{17}},
		"numeric":     {func(i int) string { return fmt.Sprintf(`{"numeric":[">",%d,"<=",%d]}`, i, i+2) }, `17.5`, []int{16, 17}},
		"cidr":        {func(i int) string { return fmt.Sprintf(`{"cidr":"10.%d.0.0/16"},{"cidr":"fd00:%x::/32"}`, i, i) }, `"fd00:11::1"`, []int{17}},
		"wildcard":    {func(i int) string { return fmt.Sprintf(`{"wildcard":"%d-*z"},{"wildcard":"*-%d"}`, i, i) }, `"17-18"`, []int{18}},
		"middle":      {func(i int) string { return fmt.Sprintf(`{"wildcard":"*-%d-*"}`, i) }, `"x-17-18-"`, []int{17, 18}},
		"regexp":      {func(i int) string { return fmt.Sprintf(`{"freshet:regexp":"%d-[a-z]+"}`, i) }, `"17-x"`, []int{17}},
		"regexps":     {func(i int) string { return fmt.Sprintf(`{"freshet:regexp":"(a|b)-?%d.*"}`, i) }, `"b17-x"`, []int{1, 17}},
		"date": {func(i int) string {
			return fmt.Sprintf(`{"freshet:date":[">","2026-01-%02dT00:00:00.5Z","<=","2026-01-%02dT00:00:00.5Z"]}`, i%28+1, i%28+3)
		}, `"2026-01-18T01:00:00.5+01:00"`, []int{15, 16}},
		"or absent": {func(i int) string { return fmt.Sprintf(`"v%d",{"exists":false}`, i) }, `"v17"`, []int{17}},
	} {
		t.Run(name, func(t *testing.T) {
			var entries []pattern.Entry
			for i := range 40 {
				p, err := pattern.Compile(fmt.Sprintf(`{"source":["shop"],"k":[%s]}`, c.value(i)))
				require.NoError(t, err)
				entries = append(entries, pattern.Entry{ID: pattern.RuleID(fmt.Sprint(i)), Pattern: p})
			}
			var want []pattern.RuleID
			for _, i := range c.want {
				want = append(want, pattern.RuleID(fmt.Sprint(i)))
			}
			require.Equal(t, want, pattern.NewIndex(entries).Match([]byte(`{"source":"shop","k":[`+c.event+`]}`)))
		})
	}
}

// TestHostileChoices makes sure that neither many arrays side by side nor keys given twice make the search explode.
func TestHostileChoices(t *testing.T) {
	for name, element := range map[string]string{
		"side by side": `"k%[1]d":[{"a":1},{"b":1}]`,
		"twice":        `"k%[1]d":[{"a":1},{"b":1}],"k%[1]d":[{"b":1},{"a":1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			var fields, event []string
			for i := range 100 {
				fields = append(fields, fmt.Sprintf(`"k%d":{"a":[1],"b":[1]}`, i))
				event = append(event, fmt.Sprintf(element, i))
			}
			fields = append(fields, `"z":{"a":[1],"b":[1]}`)
			event = append(event, `"z":[{"a":1},{"b":1}]`)
			p, err := pattern.Compile("{" + strings.Join(fields, ",") + "}")
			require.NoError(t, err)
			require.False(t, p.Match([]byte("{"+strings.Join(event, ",")+"}")))
		})
	}
}
