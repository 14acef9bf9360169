package pattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// maxDepth bounds how deep a pattern nests.
const maxDepth = 100

// Pattern is a compiled event pattern. It is immutable.
type Pattern struct {
	fields []field
	index  *Index // of this pattern alone
}

// field is a leaf of a pattern: the path to it, keys joined by dots, and the values of which the event must have one.
type field struct {
	path   string
	values []valueKey
}

// SyntaxError says what is wrong with a pattern and where.
type SyntaxError struct {
	// Path leads to the place: keys joined by dots. Empty for the pattern as a whole.
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
	c := compiler{at: map[string]int{}}
	if err := c.object(&r, nil); err != nil {
		return nil, err
	}
	p := &Pattern{fields: c.fields}
	p.index = NewIndex([]Entry{{Pattern: p}})
	return p, nil
}

// Match tells whether the event, valid JSON text, matches.
func (p *Pattern) Match(event []byte) bool { return len(p.index.Match(event)) > 0 }

type compiler struct {
	fields []field
	at     map[string]int // index in fields by path: a path given again replaces the former, in place
}

func (c *compiler) object(r *rawjson.Reader, path []string) error {
	if len(path) >= maxDepth {
		return syntaxError(path, "it nests deeper than %d levels", maxDepth)
	}
	empty := true
	for r.Enter(); r.More(); {
		empty = false
		key := rawjson.Text(r.Key())
		at := append(slices.Clip(path), key)
		if key == "$or" {
			return syntaxError(at, "not supported yet: $or")
		}
		switch r.Kind() {
		case rawjson.Object:
			if err := c.object(r, at); err != nil {
				return err
			}
		case rawjson.Array:
			if err := c.leaf(r, at); err != nil {
				return err
			}
		default:
			return syntaxError(at, `%s must be an object or an array of values: write ["x"], not "x"`, r.Value())
		}
	}
	if empty {
		return syntaxError(path, "empty objects are not allowed")
	}
	return nil
}

func (c *compiler) leaf(r *rawjson.Reader, path []string) error {
	f := field{path: strings.Join(path, ".")}
	for r.Enter(); r.More(); {
		switch kind := r.Kind(); kind {
		case rawjson.String, rawjson.Number, rawjson.Literal:
			f.values = append(f.values, scalarKey(kind, r.Value()))
		case rawjson.Array:
			return syntaxError(path, "arrays inside the array of values are not allowed")
		default:
			return operatorError(r, path)
		}
	}
	if len(f.values) == 0 {
		return syntaxError(path, "empty arrays are not allowed")
	}
	if i, ok := c.at[f.path]; ok {
		c.fields[i] = f
		return nil
	}
	c.at[f.path] = len(c.fields)
	c.fields = append(c.fields, f)
	return nil
}

// operatorError names the operator of a match object.
func operatorError(r *rawjson.Reader, path []string) error {
	r.Enter()
	if !r.More() {
		return syntaxError(path, "a match object must hold one operator")
	}
	switch name := rawjson.Text(r.Key()); name {
	case "prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr", "wildcard":
		return syntaxError(path, "not supported yet: %s", name)
	default:
		return syntaxError(path, "%q is not an operator", name)
	}
}

func syntaxError(path []string, format string, args ...any) error {
	return &SyntaxError{Path: strings.Join(path, "."), Reason: fmt.Sprintf(format, args...)}
}
