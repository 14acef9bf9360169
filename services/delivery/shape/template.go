package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ErrNotJSON means that a template gave something that is no JSON. EventBridge's code for it is INVALID_JSON.
var ErrNotJSON = errors.New("the target's input template does not give JSON with this event")

// Template makes a body out of an event, as an input transformer of EventBridge does
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html).
//
// It is the text of one JSON value, or of several strings, with placeholders such as <name>. In an object, a placeholder that is a value
// keeps its type, and one inside a string gives a string's content; in anything else, strings give their text and objects and arrays
// their JSON without quotation marks. Nothing is escaped, and what an event does not have gives nothing, or "" as a value of an object.
type Template struct {
	parts  []part
	object bool // the template is an object
	lines  bool // it is several strings
}

// part is some text and the placeholder after it.
type part struct {
	text     string
	source   Source
	path     Path
	quoted   bool // it is inside a string
	constant bool // there is no placeholder
}

// ParseTemplate parses a template whose placeholders are the names of paths, or reserved ones ([Source]). The error says where it is wrong.
func ParseTemplate(text string, paths map[string]Path) (*Template, error) {
	p := templateParser{text: text, paths: paths}
	if err := p.scan(); err != nil {
		return nil, err
	}
	t := &Template{parts: p.parts}
	var err error
	if t.object, t.lines, err = jsonValues(p.filled.Bytes()); err != nil {
		return nil, p.misfilled(err)
	}
	return t, nil
}

// templateParser goes through a template once.
type templateParser struct {
	text    string
	paths   map[string]Path
	parts   []part
	filled  bytes.Buffer // the template with something in place of each placeholder
	offsets []offsets

	quoted, escaped bool
	inString        bool // the string has a placeholder
}

// offsets says that from there on a byte of the filled template is a byte of the template.
type offsets struct{ filled, text int }

func (p *templateParser) scan() error {
	start := 0
	for at := 0; at < len(p.text); {
		name, length := placeholderAt(p.text[at:])
		if length == 0 {
			if err := p.step(at); err != nil {
				return err
			}
			at++
			continue
		}
		next, err := p.placeholder(name, start, at)
		if err != nil {
			return err
		}
		p.parts = append(p.parts, next)
		p.offsets = append(p.offsets, offsets{p.filled.Len(), start})
		p.filled.WriteString(p.text[start:at])
		if !p.quoted {
			p.filled.WriteString("null")
		}
		p.inString = p.inString || p.quoted
		at += length
		start = at
	}
	p.parts = append(p.parts, part{text: p.text[start:], constant: true})
	p.offsets = append(p.offsets, offsets{p.filled.Len(), start})
	p.filled.WriteString(p.text[start:])
	return nil
}

// placeholderAt returns the name in <name>, if the text begins with that.
func placeholderAt(text string) (name string, length int) {
	if text[0] != '<' {
		return "", 0
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '>' && i > 1:
			return text[1:i], i + 1
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return "", 0
		}
	}
	return "", 0
}

// step follows where strings begin and end.
func (p *templateParser) step(at int) error {
	switch c := p.text[at]; {
	case p.escaped:
		p.escaped = false
	case p.quoted && c == '\\':
		p.escaped = true
	case c == '"':
		isKey := p.quoted && strings.HasPrefix(strings.TrimLeft(p.text[at+1:], " \t\r\n"), ":")
		if isKey && p.inString {
			return p.wrong(at, "a placeholder cannot be in the name of a member")
		}
		p.quoted, p.inString = !p.quoted, false
	}
	return nil
}

func (p *templateParser) placeholder(name string, start, at int) (part, error) {
	next := part{text: p.text[start:at], quoted: p.quoted, source: sourceNamed(name)}
	if path, known := p.paths[name]; known {
		next.path = path
		return next, nil
	}
	switch {
	case next.source == "":
		return part{}, p.wrong(at, "contains invalid placeholder %s: it is neither in input_paths_map nor reserved; write a plain < as \\u003c", name)
	case next.source.whole() && (p.quoted || !strings.HasPrefix(strings.TrimSpace(p.text), "{") ||
		!strings.HasSuffix(strings.TrimRight(p.text[:at], " \t\r\n"), ":")):
		return part{}, p.wrong(at, "<%s> is allowed only as the value of a member of an object template", name)
	}
	return next, nil
}

func (p *templateParser) wrong(at int, format string, args ...any) error {
	return fmt.Errorf("at character %d: %s", utf8.RuneCountInString(p.text[:at])+1, fmt.Sprintf(format, args...))
}

// misfilled says where a template is no JSON.
func (p *templateParser) misfilled(err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	at := 0
	for _, o := range p.offsets {
		if int64(o.filled) < syntax.Offset {
			at = o.text + int(syntax.Offset) - o.filled - 1
		}
	}
	return p.wrong(max(0, min(at, len(p.text))), "it is not JSON: %s", strings.TrimPrefix(syntax.Error(), "json: "))
}

// jsonValues tells whether a text is one JSON value, which may be an object, or several strings.
func jsonValues(text []byte) (object, lines bool, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	count, strings := 0, 0
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		switch {
		case errors.Is(err, io.EOF) && count == 0:
			return false, false, errors.New("it is empty: want the text of a JSON value, with placeholders such as <name>")
		case errors.Is(err, io.EOF):
			return object, count > 1, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return false, false, errors.New("it is not JSON: it ends too early")
		case err != nil:
			return false, false, err
		}
		count++
		object = value[0] == '{'
		if value[0] == '"' {
			strings++
		}
		if count > 1 && strings < count {
			return false, false, errors.New("it is more than one JSON value: only several strings are allowed")
		}
	}
}
