package pattern

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// Bounds of what an [Explanation] repeats of an event.
const (
	maxSeen     = 20  // values of a field
	maxSeenText = 256 // bytes of a value
)

// Verdict says what a field finds in an event.
type Verdict int

// The verdicts. Fits, Absent and Undecided do not keep a pattern from matching, the others do.
const (
	// Fits: one of the event's values is one of those wanted.
	Fits Verdict = iota + 1
	// Absent: the field may be absent, and is.
	Absent
	// Undecided: the field must be absent, and has values in some elements of an array only: it depends on the element that the other
	// fields choose.
	Undecided
	// Missing: the event has no value there.
	Missing
	// Mismatch: the event has values there, none of those wanted.
	Mismatch
	// Present: the field must be absent, and is there.
	Present
	// Replaced: the field counts nowhere, because a later one of the same path replaced it.
	Replaced
)

// passes tells whether the field alone lets the pattern match.
func (v Verdict) passes() bool { return v == Fits || v == Absent || v == Undecided }

// Explanation says why an event matches a pattern, or why not.
type Explanation struct {
	Match bool
	// Fields are those of the pattern in the order in which they are written.
	Fields []FieldExplanation
	// Alternatives are the ways through the pattern's $or, one without $or. The event matches if it matches one of them.
	Alternatives []Alternative
}

// FieldExplanation is what an event has for one field of a pattern.
type FieldExplanation struct {
	// Place is where it is written: keys joined by dots, branches of $or as $or[0]. Path is the event's field.
	Place, Path string
	Verdict     Verdict
	// Seen are the first 20 of the values that the event has there, as JSON, each cut at 256 bytes; Count is how many there are.
	Seen  []string
	Count int
	Tests []Test
}

// Test is one element of a field's array of values.
type Test struct {
	// Operator is its name: equals for a bare value.
	Operator string
	// Text is the element as it is written.
	Text string
	// Holds: one of the event's values satisfies it; for {"exists": false}: there is none.
	Holds bool
}

// Alternative is one choice of a branch of each $or.
type Alternative struct {
	Match bool
	// Branches are the chosen ones, from outside in, as they are written in places.
	Branches []string
	// Failed are the places of the fields that do not let it match. Empty although it does not match: each field fits, but no one choice
	// of array elements has them all together, or has one and lacks another that must be absent.
	Failed []string
}

// Explain judges an event, JSON text, field by field. Its Match is that of [Pattern.Match].
func (p *Pattern) Explain(event []byte) Explanation {
	x := newReading(len(p.index.lookups), len(p.index.clauses))
	readable := json.Valid(event) && x.read(event, p.index.root)
	e := Explanation{}
	verdicts := map[*field]Verdict{}
	used := map[*field]bool{}
	for _, c := range p.clauses {
		for _, f := range c {
			used[f] = true
		}
	}
	for _, f := range p.leaves {
		explained := x.explain(slot{f, p.index.root.number(f.path)}, used[f])
		verdicts[f] = explained.Verdict
		e.Fields = append(e.Fields, explained)
	}
	for i, c := range p.clauses {
		a := Alternative{Match: readable && x.satisfied(p.index.clauses[i].fields, -1)}
		for _, f := range p.leaves { // in the order of writing
			if !slices.Contains(c, f) {
				continue
			}
			for _, branch := range f.branches {
				if !slices.Contains(a.Branches, branch) {
					a.Branches = append(a.Branches, branch)
				}
			}
			if !verdicts[f].passes() {
				a.Failed = append(a.Failed, f.place)
			}
		}
		e.Match = e.Match || a.Match
		e.Alternatives = append(e.Alternatives, a)
	}
	return e
}

// number is that of the field at a path.
func (n *node) number(path string) int {
	for key := range strings.SplitSeq(path, ".") {
		if n = n.next[key]; n == nil {
			return noField
		}
	}
	return n.field
}

// explain says what there is for a field.
func (x *reading) explain(f slot, used bool) FieldExplanation {
	e := FieldExplanation{Place: f.place, Path: f.path}
	var values []value
	if f.number != noField {
		values = x.values[f.number]
	}
	e.Count = len(values)
	for i := range values[:min(len(values), maxSeen)] {
		e.Seen = append(e.Seen, values[i].json())
	}
	e.Tests = f.tests(values)
	e.Verdict = f.verdict(values)
	if !used {
		e.Verdict = Replaced
	}
	return e
}

func (f *field) verdict(values []value) Verdict {
	outside := false // of every array
	for i := range values {
		if f.holds(&values[i]) {
			return Fits
		}
		outside = outside || values[i].where == 0
	}
	switch {
	case len(values) == 0 && f.absent:
		return Absent
	case len(values) == 0:
		return Missing
	case !f.absent || outside && len(f.values) > 0:
		return Mismatch
	case outside:
		return Present
	}
	return Undecided
}

// tests are the elements of the field's array, in their order. Each has its predicate in f.values, but for {"exists": false}.
func (f *field) tests(values []value) []Test {
	var tests []Test
	next := 0
	r := rawjson.NewReader([]byte(f.text))
	for r.Enter(); r.More(); {
		o := operand{r.Kind(), r.Value()}
		t := Test{Operator: "equals", Text: string(o.text)}
		if o.kind == rawjson.Object {
			name, inner, _ := o.only()
			t.Operator = name
			if name == "exists" && string(inner.text) == "false" {
				t.Holds = len(values) == 0
				tests = append(tests, t)
				continue
			}
		}
		for i := range values {
			t.Holds = t.Holds || f.values[next].holds(&values[i])
		}
		next++
		tests = append(tests, t)
	}
	return tests
}

// json is the value as JSON text, cut where it is long.
func (v *value) json() string {
	if v.kind != rawjson.String {
		return cut(string(v.text))
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(string(v.text)) // a string cannot fail
	return cut(string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

// cut shortens a text to whole characters.
func cut(s string) string {
	if len(s) <= maxSeenText {
		return s
	}
	n := maxSeenText
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
