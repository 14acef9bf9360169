package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/internal/lint"
)

// maxDepth bounds how deep values are nested.
const maxDepth = 64

// positions are where the values of a JSON document stand, by their paths.
type positions map[string]place

type place struct{ line, column int }

func keyOf(path []string) string { return strings.Join(path, "\x00") }

// of is where a value stands, or what it would be in.
func (p positions) of(path []string) place {
	for n := len(path); ; n-- {
		if at, ok := p[keyOf(path[:n])]; ok || n == 0 {
			return at
		}
	}
}

// problem is one about the value of a path.
func (p positions) problem(path []string, format string, args ...any) lint.Problem {
	at := p.of(path)
	return lint.Problem{Line: at.line, Column: at.column, Field: fieldOf(path), Description: fmt.Sprintf(format, args...)}
}

// fieldOf is a path for people: mappings.acme.errors[0].when.
func fieldOf(path []string) string {
	var b strings.Builder
	for i, name := range path {
		switch {
		case name != "" && strings.Trim(name, "0123456789") == "":
			b.WriteString("[" + name + "]")
		case i > 0:
			b.WriteString("." + name)
		default:
			b.WriteString(name)
		}
	}
	return b.String()
}

// locator walks through a document.
type locator struct {
	text     []byte
	decoder  *json.Decoder
	at       positions
	problems lint.Problems

	seen, line, begin int // up to where lines were counted; where the last begins
}

// locate finds the positions of a document, and what is wrong with it as JSON.
func locate(text []byte) (positions, lint.Problems) {
	l := &locator{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), at: positions{}, line: 1}
	l.decoder.UseNumber()
	if err := l.value(nil); err != nil {
		return nil, lint.Problems{l.broken(err)}
	}
	if _, err := l.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, lint.Problems{l.broken(errors.New("there must be one object and nothing after it"))}
	}
	return l.at, l.problems
}

// broken is a problem that ends the walk.
func (l *locator) broken(err error) lint.Problem {
	at := l.next()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at, err = l.place(len(l.text)), errors.New("it ends too early")
	}
	return lint.Problem{Line: at.line, Column: at.column, Description: "is no JSON: " + err.Error()}
}

func (l *locator) value(path []string) error {
	if len(path) > maxDepth {
		return fmt.Errorf("values are nested deeper than %d", maxDepth)
	}
	l.at[keyOf(path)] = l.next()
	token, err := l.decoder.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return l.members(path)
	case json.Delim('['):
		for i := 0; l.decoder.More(); i++ {
			if err := l.value(append(slices.Clip(path), fmt.Sprint(i))); err != nil {
				return err
			}
		}
		_, err = l.decoder.Token()
	}
	return err
}

func (l *locator) members(path []string) error {
	given := map[string]bool{}
	for l.decoder.More() {
		at := l.next()
		token, err := l.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // Token returns nothing else there
		inner := append(slices.Clip(path), name)
		if given[name] {
			l.problems = append(l.problems, lint.Problem{Line: at.line, Column: at.column, Field: fieldOf(inner), Description: "is given twice"})
		}
		given[name] = true
		if err := l.value(inner); err != nil {
			return err
		}
	}
	_, err := l.decoder.Token()
	return err
}

// next is where the next token begins.
func (l *locator) next() place {
	offset := int(l.decoder.InputOffset())
	for offset < len(l.text) && strings.IndexByte(" \t\r\n,:", l.text[offset]) >= 0 {
		offset++
	}
	return l.place(offset)
}

func (l *locator) place(offset int) place {
	if offset < l.seen {
		l.seen, l.line, l.begin = 0, 1, 0
	}
	passed := l.text[l.seen:offset]
	if n := bytes.Count(passed, []byte("\n")); n > 0 {
		l.line += n
		l.begin = l.seen + bytes.LastIndexByte(passed, '\n') + 1
	}
	l.seen = offset
	return place{line: l.line, column: offset - l.begin + 1}
}
