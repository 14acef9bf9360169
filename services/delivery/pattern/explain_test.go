package pattern_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// requireExplained checks that an explanation is that of the verdict.
func requireExplained(t require.TestingT, p *pattern.Pattern, event []byte) {
	e := p.Explain(event)
	require.Equal(t, p.Match(event), e.Match, "%s", event)
	places := map[string]pattern.Verdict{}
	for _, f := range e.Fields {
		places[f.Place] = f.Verdict
		require.NotEmpty(t, f.Tests)
		require.LessOrEqual(t, len(f.Seen), 20)
		fits := f.Verdict == pattern.Fits || f.Verdict == pattern.Absent
		for _, test := range f.Tests {
			if f.Verdict != pattern.Replaced && test.Holds {
				require.True(t, fits, "%s holds at %s", test.Text, f.Place)
			}
		}
	}
	matched := false
	for _, a := range e.Alternatives {
		matched = matched || a.Match
		require.False(t, a.Match && len(a.Failed) > 0, "%v of %s", a.Failed, event)
		for _, place := range a.Failed {
			require.Contains(t, places, place)
		}
	}
	require.Equal(t, e.Match, matched)
}

// TestExplainAgrees: whatever the pattern and the event, the explanation is that of the verdict.
func TestExplainAgrees(t *testing.T) {
	keys := rapid.SampledFrom([]string{"a", "b", "c", "a.b"})
	scalars := rapid.SampledFrom([]string{`"x"`, `"xy"`, `"X"`, `1`, `2.50`, `true`, `null`, `""`, `"10.0.0.7"`})
	wanted := rapid.OneOf(scalars, rapid.SampledFrom([]string{
		`{"prefix":"x"}`, `{"suffix":{"equals-ignore-case":"Y"}}`, `{"anything-but":["x","xy"]}`, `{"anything-but":2.5}`,
		`{"numeric":[">",1]}`, `{"exists":true}`, `{"exists":false}`, `{"wildcard":"x*"}`, `{"cidr":"10.0.0.0/8"}`,
	}))
	var event, object func(*rapid.T, int) string
	event = func(t *rapid.T, depth int) string {
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		switch {
		case depth == 0 || kind == 0:
			return scalars.Draw(t, "scalar")
		case kind == 1:
			var elements []string
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				elements = append(elements, event(t, depth-1))
			}
			return "[" + strings.Join(elements, ",") + "]"
		default:
			return object(t, depth-1)
		}
	}
	object = func(t *rapid.T, depth int) string {
		var members []string
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			members = append(members, fmt.Sprintf("%q:%s", keys.Draw(t, "key"), event(t, depth)))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	var fields func(*rapid.T, int) string
	fields = func(t *rapid.T, depth int) string {
		var members []string
		for range rapid.IntRange(1, 3).Draw(t, "fields") {
			key := keys.Draw(t, "field")
			switch kind := rapid.IntRange(0, 4).Draw(t, "form"); {
			case depth > 0 && kind == 0:
				members = append(members, fmt.Sprintf(`"$or":[%s,%s]`, fields(t, depth-1), fields(t, depth-1)))
			case depth > 0 && kind == 1:
				members = append(members, fmt.Sprintf("%q:%s", key, fields(t, depth-1)))
			default:
				values := rapid.SliceOfN(wanted, 1, 3).Draw(t, "values")
				members = append(members, fmt.Sprintf("%q:[%s]", key, strings.Join(values, ",")))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		p, err := pattern.Compile(fields(t, 2))
		require.NoError(t, err)
		requireExplained(t, p, []byte(object(t, 3)))
	})
}

func explain(t *testing.T, text, event string) pattern.Explanation {
	t.Helper()
	p, err := pattern.Compile(text)
	require.NoError(t, err)
	requireExplained(t, p, []byte(event))
	return p.Explain([]byte(event))
}

func TestExplain(t *testing.T) {
	e := explain(t, `{"source":["shop",{"prefix":"x-"}],"detail":{"total":[{"numeric":[">=",100]}],"gift":[{"exists":false}],"who":["me"]}}`,
		`{"source":"shöp","detail":{"total":[99,"<a>"],"gift":null}}`)
	require.False(t, e.Match)
	require.Equal(t, []pattern.FieldExplanation{
		{
			Place: "source", Path: "source", Verdict: pattern.Mismatch, Seen: []string{`"shöp"`}, Count: 1,
			Tests: []pattern.Test{{Operator: "equals", Text: `"shop"`}, {Operator: "prefix", Text: `{"prefix":"x-"}`}},
		},
		{
			Place: "detail.total", Path: "detail.total", Verdict: pattern.Mismatch, Seen: []string{"99", `"<a>"`}, Count: 2,
			Tests: []pattern.Test{{Operator: "numeric", Text: `{"numeric":[">=",100]}`}},
		},
		{
			Place: "detail.gift", Path: "detail.gift", Verdict: pattern.Present, Seen: []string{"null"}, Count: 1,
			Tests: []pattern.Test{{Operator: "exists", Text: `{"exists":false}`}},
		},
		{
			Place: "detail.who", Path: "detail.who", Verdict: pattern.Missing,
			Tests: []pattern.Test{{Operator: "equals", Text: `"me"`}},
		},
	}, e.Fields)
	require.Equal(t, []pattern.Alternative{{Failed: []string{"source", "detail.total", "detail.gift", "detail.who"}}}, e.Alternatives)
}

// TestExplainBranches: each choice of branches is judged, and says which fields of it fail.
func TestExplainBranches(t *testing.T) {
	e := explain(t, `{"a":[1],"$or":[{"b":[1]},{"c":{"$or":[{"d":[1]},{"d":[2],"e":[{"exists":false},3]}]}}]}`, `{"a":1,"c":{"d":2}}`)
	require.True(t, e.Match)
	require.Equal(t, []pattern.Alternative{
		{Branches: []string{"$or[0]"}, Failed: []string{"$or[0].b"}},
		{Branches: []string{"$or[1]", "$or[1].c.$or[0]"}, Failed: []string{"$or[1].c.$or[0].d"}},
		{Match: true, Branches: []string{"$or[1]", "$or[1].c.$or[1]"}},
	}, e.Alternatives)
	require.Equal(t, "c.d", e.Fields[2].Path)
	require.Equal(t, pattern.Absent, e.Fields[4].Verdict)
}

// TestExplainArrays: fields that fit, but not together, are no failed fields.
func TestExplainArrays(t *testing.T) {
	e := explain(t, `{"lines":{"sku":["A"],"qty":[2],"gift":[{"exists":false}]}}`,
		`{"lines":[{"sku":"A","qty":1},{"sku":"B","qty":2,"gift":true}]}`)
	require.Equal(t, []pattern.Alternative{{}}, e.Alternatives)
	require.Equal(t, pattern.Undecided, e.Fields[2].Verdict)
}

// TestExplainReplaced: a field given again counts once, the last; what is repeated of an event is bounded.
func TestExplainReplaced(t *testing.T) {
	long := `{"a":[` + strings.Repeat(`"`+strings.Repeat("ä", 200)+`",`, 30) + `1]}`
	e := explain(t, `{"a":["x"],"a":[1]}`, long)
	require.True(t, e.Match)
	require.Equal(t, pattern.Replaced, e.Fields[0].Verdict)
	require.Equal(t, pattern.Fits, e.Fields[1].Verdict)
	require.Equal(t, 31, e.Fields[1].Count)
	require.Len(t, e.Fields[1].Seen, 20)
	require.Equal(t, `"`+strings.Repeat("ä", 127)+"…", e.Fields[1].Seen[0])
	require.Equal(t, pattern.Missing, explain(t, `{"a":["x"]}`, `[1]`).Fields[0].Verdict)
}
