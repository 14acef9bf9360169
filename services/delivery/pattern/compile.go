package pattern

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

const (
	maxDepth   = 100  // how deep a pattern nests
	maxClauses = 1000 // how many combinations of branches of $or there are, as in EventBridge
)

// Pattern is a compiled event pattern. It is immutable.
type Pattern struct {
	clauses []clause // an event matches if it satisfies one of them
	leaves  []*field // as they are written; some may be in no clause because another one replaced them
	index   *Index   // of this pattern alone
}

// clause is a pattern without $or: the event must satisfy each of the fields.
type clause []*field

// field is a leaf of a pattern: the path to it, keys joined by dots, and what the event may have there.
type field struct {
	path     string
	text     string      // the array of values as it is written
	values   []predicate // one of which a value must satisfy
	absent   bool        // or the event has no value there
	place    string      // where it is written, as in a SyntaxError
	branches []string    // of $or that it is in, from outside in, written like place
}

// SyntaxError says what is wrong with a pattern and where.
type SyntaxError struct {
	// Path leads to the place: keys joined by dots, branches of $or as $or[0]. Empty for the pattern as a whole.
	Path string
	// Reason says what is wrong and what is allowed.
	Reason string
}

// Error begins as EventBridge's message does.
func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return "event pattern is not valid: " + e.Reason
	}
	return fmt.Sprintf("event pattern is not valid: at %s: %s", e.Path, e.Reason)
}

// Compile checks a pattern and prepares it. Errors are [*SyntaxError].
func Compile(patternJSON string) (*Pattern, error) {
	text := []byte(patternJSON)
	if !json.Valid(text) {
		return nil, &SyntaxError{Reason: "it is not JSON"}
	}
	r := rawjson.NewReader(text)
	if r.Kind() != rawjson.Object {
		return nil, &SyntaxError{Reason: `it must be a JSON object, for instance {"source":["shop"]}`}
	}
	c := compiler{clauses: []fields{{}}}
	if err := c.object(&r, place{}); err != nil {
		return nil, err
	}
	p := &Pattern{leaves: c.leaves}
	for _, f := range c.clauses {
		p.clauses = append(p.clauses, slices.SortedFunc(maps.Values(f), func(a, b *field) int { return strings.Compare(a.path, b.path) }))
	}
	p.index = NewIndex([]Entry{{Pattern: p}})
	return p, nil
}

// Match tells whether the event, valid JSON text, matches.
func (p *Pattern) Match(event []byte) bool { return len(p.index.Match(event)) > 0 }

// place is where in a pattern the compiler is.
type place struct {
	path   string // of the event's field
	shown  string // the same with the branches of $or, for messages
	nested bool   // path has a key, which may be empty
	depth  int
	inside bool // of a branch of $or

	branches []string // those, as shown
}

func (p place) at(key string) place {
	p.depth++
	if p.nested {
		p.path += "."
	}
	p.path, p.nested = p.path+key, true
	return p.show(key)
}

func (p place) show(key string) place {
	if p.shown != "" {
		p.shown += "."
	}
	p.shown += key
	return p
}

// branch is a branch of the $or at p. It is at the same field of the event.
func (p place) branch(i int) place {
	p.shown += fmt.Sprintf("[%d]", i)
	p.depth++
	p.inside = true
	p.branches = append(slices.Clip(p.branches), p.shown)
	return p
}

func (p place) wrong(format string, args ...any) error {
	return &SyntaxError{Path: p.shown, Reason: fmt.Sprintf(format, args...)}
}

// fields are those of a clause by path: a path given again replaces the former.
type fields map[string]*field

type compiler struct {
	clauses []fields // so far; what follows goes into each
	leaves  []*field
}

func (c *compiler) object(r *rawjson.Reader, p place) error {
	if p.depth >= maxDepth {
		return p.wrong("it nests deeper than %d levels", maxDepth)
	}
	empty := true
	for r.Enter(); r.More(); {
		empty = false
		if err := c.member(r, rawjson.Text(r.Key()), p); err != nil {
			return err
		}
	}
	if empty {
		return p.wrong("empty objects are not allowed")
	}
	return nil
}

func (c *compiler) member(r *rawjson.Reader, key string, p place) error {
	if key == "$or" {
		return c.or(r, p.show(key))
	}
	p = p.at(key)
	if p.inside && reserved(key) {
		return p.wrong("%q is reserved: it cannot be the name of a field inside $or", key)
	}
	switch r.Kind() {
	case rawjson.Object:
		return c.object(r, p)
	case rawjson.Array:
		return c.leaf(r, p)
	default:
		return p.wrong(`%s must be an object or an array of values: write ["x"], not "x"`, r.Value())
	}
}

// or reads an array of branches. Each goes on from the clauses that are there before it.
func (c *compiler) or(r *rawjson.Reader, p place) error {
	const rule = "$or takes an array of two or more objects"
	if r.Kind() != rawjson.Array {
		return p.wrong(rule)
	}
	before := c.clauses
	var all []fields
	n := 0
	for r.Enter(); r.More(); n++ {
		if r.Kind() != rawjson.Object {
			return p.branch(n).wrong(rule)
		}
		c.clauses = make([]fields, len(before))
		for i, f := range before {
			c.clauses[i] = maps.Clone(f)
		}
		if err := c.object(r, p.branch(n)); err != nil {
			return err
		}
		if all = append(all, c.clauses...); len(all) > maxClauses {
			return p.wrong("the branches of $or have more than %d combinations; at most %d are allowed", maxClauses, maxClauses)
		}
	}
	if n < 2 {
		return p.wrong(rule)
	}
	c.clauses = all
	return nil
}

func (c *compiler) leaf(r *rawjson.Reader, p place) error {
	array := r.Value()
	f := &field{path: p.path, text: string(array), place: p.shown, branches: p.branches}
	c.leaves = append(c.leaves, f)
	values := rawjson.NewReader(array)
	r = &values
	for r.Enter(); r.More(); {
		switch kind := r.Kind(); kind {
		case rawjson.String, rawjson.Number, rawjson.Literal:
			f.values = append(f.values, exact(kind, r.Value()))
		case rawjson.Object:
			if err := f.operator(r, p); err != nil {
				return err
			}
		default:
			return p.wrong("arrays inside the array of values are not allowed")
		}
	}
	if len(f.values) == 0 && !f.absent {
		return p.wrong("empty arrays are not allowed")
	}
	if activeWildcards(f.values) > maxWildcards {
		return p.wrong("the wildcards are too complex: more than %d * can be in play at once; use fewer", maxWildcards)
	}
	for _, clause := range c.clauses {
		clause[f.path] = f
	}
	return nil
}

// reserved tells whether a key inside $or would look like a match object. The words are EventBridge's, those it keeps for operators
// to come included.
func reserved(key string) bool {
	switch key {
	case "exactly", "prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr", "wildcard",
		"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
		"ip-address-in-range", "ip-address-not-in-range":
		return true
	}
	return false
}
