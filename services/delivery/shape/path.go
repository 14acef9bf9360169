package shape

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// Path is a JSON path to one place of an event, such as `$.detail.id`, `$['detail-type']` or `$.resources[0]`. `$` is the event
// itself. As in EventBridge, names after a dot may hold dashes.
type Path struct {
	steps []step
}

// step goes to a member, or where name is nil to an element.
type step struct {
	name  *string
	index int
}

// ParsePath parses a path. The error says where it is wrong.
func ParsePath(text string) (Path, error) {
	if !strings.HasPrefix(text, "$") {
		return Path{}, fmt.Errorf("JSON path %q must begin with $", text)
	}
	var p Path
	for at := 1; at < len(text); {
		s, length, err := parseStep(text[at:])
		if err != nil {
			return Path{}, fmt.Errorf("JSON path %q, at character %d: %w", text, utf8.RuneCountInString(text[:at])+1, err)
		}
		p.steps = append(p.steps, s)
		at += length
	}
	return p, nil
}

func parseStep(text string) (s step, length int, err error) {
	switch text[0] {
	case '.':
		return parseDotName(text)
	case '[':
		return parseBracket(text)
	}
	return step{}, 0, fmt.Errorf("want .name, ['name'] or [index]")
}

func parseDotName(text string) (step, int, error) {
	end := 1
	for end < len(text) && nameByte(text[end]) {
		end++
	}
	switch {
	case end > 1:
		name := text[1:end]
		return step{name: &name}, end, nil
	case strings.HasPrefix(text, ".*"):
		return step{}, 0, fmt.Errorf("wildcards are not supported: a path leads to one place")
	case strings.HasPrefix(text, ".."):
		return step{}, 0, fmt.Errorf("descendants (..) are not supported: a path leads to one place")
	}
	return step{}, 0, fmt.Errorf("want a name after the dot; write other characters as ['name']")
}

// nameByte tells whether a byte may be in a name after a dot: letters, digits, `_`, `-`, `:`, and everything beyond ASCII.
func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == ':' || c >= utf8.RuneSelf
}

func parseBracket(text string) (step, int, error) {
	if len(text) > 1 && (text[1] == '\'' || text[1] == '"') {
		return parseQuotedName(text)
	}
	inner, _, closed := strings.Cut(text[1:], "]")
	index, err := strconv.Atoi(inner)
	if !closed || err != nil || strings.HasPrefix(inner, "+") {
		return step{}, 0, fmt.Errorf("want ['name'] or [index]; wildcards, slices and filters are not supported")
	}
	return step{index: index}, len(inner) + 2, nil
}

// parseQuotedName parses ['name'] or ["name"]; a backslash makes the character after it plain.
func parseQuotedName(text string) (step, int, error) {
	var name strings.Builder
	quote := text[1]
	for at := 2; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\\' && at+1 < len(text):
			at++
			name.WriteByte(text[at])
		case c != quote:
			name.WriteByte(c)
		case strings.HasPrefix(text[at+1:], "]"):
			s := name.String()
			return step{name: &s}, at + 2, nil
		default:
			return step{}, 0, fmt.Errorf("want ] after the name")
		}
	}
	return step{}, 0, fmt.Errorf("the name has no closing quote")
}

// Find returns the text of the value that the path leads to.
func (p Path) Find(event []byte) (value []byte, ok bool) {
	r := rawjson.NewReader(event)
	value = r.Value()
	for _, s := range p.steps {
		if s.name != nil {
			value, ok = rawjson.Member(value, *s.name)
		} else {
			value, ok = rawjson.Element(value, s.index)
		}
		if !ok {
			return nil, false
		}
	}
	return value, true
}

// Parameter is a value of a header, query parameter or path parameter: a constant, or taken from the event.
type Parameter struct {
	constant string
	path     *Path
}

// ParseParameter parses a value. What begins as a JSON path does, "$.", "$[" or is "$", must be one; anything else is a constant.
func ParseParameter(text string) (Parameter, error) {
	if text != "$" && !strings.HasPrefix(text, "$.") && !strings.HasPrefix(text, "$[") {
		return Parameter{constant: text}, nil
	}
	p, err := ParsePath(text)
	if err != nil {
		return Parameter{}, err
	}
	return Parameter{path: &p}, nil
}

// IsPath tells whether the value is taken from the event.
func (p Parameter) IsPath() bool { return p.path != nil }

// Value returns the constant, or what the event has at the path: a string's content, the JSON text of anything else, and "" where
// there is nothing or null.
func (p Parameter) Value(event []byte) string {
	if p.path == nil {
		return p.constant
	}
	value, ok := p.path.Find(event)
	switch {
	case !ok || string(value) == "null":
		return ""
	case value[0] == byte(rawjson.String):
		return rawjson.Text(value)
	}
	return string(value)
}
