package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"

	"github.com/itchyny/gojq"
)

// template is text in which {{ }} hold expressions.
type template struct{ parts []part }

// part is text, or an expression.
type part struct {
	text string
	*expression
}

func newTemplate(source string, variables []string) (*template, error) {
	t := &template{}
	// An expression alone may have }} in it.
	if inner, ok := strings.CutPrefix(source, "{{"); ok && strings.HasSuffix(source, "}}") && !strings.Contains(source[2:], "{{") {
		e, err := newExpression(strings.TrimSuffix(inner, "}}"), variables)
		t.parts = []part{{expression: e}}
		return t, err
	}
	for rest := source; rest != ""; {
		text, after, found := strings.Cut(rest, "{{")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !found {
			break
		}
		inner, behind, closed := strings.Cut(after, "}}")
		if !closed {
			return nil, errors.New("has {{ without }}")
		}
		e, err := newExpression(inner, variables)
		if err != nil {
			return nil, fmt.Errorf("{{%s}} %w", inner, err)
		}
		t.parts = append(t.parts, part{expression: e})
		rest = behind
	}
	return t, nil
}

// value is what an expression alone gives, else the text.
func (t *template) value(ctx context.Context, input any, values ...any) (any, error) {
	if len(t.parts) == 1 && t.parts[0].expression != nil {
		return t.parts[0].run(ctx, input, values...)
	}
	return t.join(ctx, func(text string) (string, error) { return text, nil }, input, values...)
}

// join puts texts and what the expressions give together; each of the latter as change makes it.
func (t *template) join(ctx context.Context, change func(string) (string, error), input any, values ...any) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expression == nil {
			b.WriteString(p.text)
			continue
		}
		value, err := p.run(ctx, input, values...)
		if err != nil {
			return "", err
		}
		text, err := textOf(value)
		if err != nil {
			return "", err
		}
		if text, err = change(text); err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// texts is value as the values of a parameter: none for null, several for a list.
func (t *template) texts(ctx context.Context, input any, values ...any) ([]string, error) {
	value, err := t.value(ctx, input, values...)
	if err != nil || value == nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i], err = textOf(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// textOf is a scalar as text.
func textOf(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool, int, float64, *big.Int:
		text, err := gojq.Marshal(value)
		return string(text), err
	default:
		return "", fmt.Errorf("gives %s, where a text, a number, true or false is needed", gojq.TypeOf(value))
	}
}

// segment makes a text part of one segment of a path.
func segment(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("gives an empty text for a part of the path")
	case text == "." || text == ".." || strings.ContainsAny(text, `/\`):
		return "", errors.New("gives . or .., a slash or a backslash for a part of the path")
	default:
		return url.PathEscape(text), nil
	}
}
