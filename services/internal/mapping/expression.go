package mapping

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// longestRun is how long one expression may run. One that never ends grows until then, so it is short.
const longestRun = time.Second

// refusedFunctions see, or do, something outside of what an expression is given.
func refusedFunctions() []string {
	return []string{
		"now", "localtime", "strflocaltime", "input", "inputs", "input_filename", "debug", "stderr", "halt", "halt_error", "env", "$ENV",
		"modulemeta", "get_search_list",
	}
}

// requestVariables are those of a request's expressions, in the order of their values.
func requestVariables() []string { return []string{"$page"} }

// answerVariables are those of the expressions on an answer.
func answerVariables() []string { return []string{"$input", "$status", "$headers"} }

// expression is a compiled jq expression.
type expression struct{ code *gojq.Code }

func newExpression(source string, variables []string) (*expression, error) {
	query, err := gojq.Parse(source)
	if wrong, ok := errors.AsType[*gojq.ParseError](err); ok {
		if wrong.Token == "" {
			return nil, errors.New("is no jq: it ends too early")
		}
		return nil, fmt.Errorf("is no jq: at character %d: unexpected %q", wrong.Offset, wrong.Token)
	}
	if err != nil {
		return nil, fmt.Errorf("is no jq: %w", err)
	}
	if name := refusedIn(reflect.ValueOf(query)); name != "" {
		return nil, fmt.Errorf("uses %s: an expression sees nothing but what it is given", name)
	}
	code, err := gojq.Compile(query, gojq.WithVariables(variables))
	if err != nil {
		return nil, fmt.Errorf("is no jq: %w", err)
	}
	return &expression{code: code}, nil
}

// refusedIn looks through a syntax tree for the name of a refused function, or an import.
func refusedIn(node reflect.Value) string {
	switch node.Kind() { //nolint:exhaustive // The tree has no other kinds with something inside.
	case reflect.Pointer, reflect.Interface:
		if node.IsNil() {
			return ""
		}
		return refusedIn(node.Elem())
	case reflect.Slice:
		for i := range node.Len() {
			if name := refusedIn(node.Index(i)); name != "" {
				return name
			}
		}
	case reflect.Struct:
		switch node := node.Interface().(type) {
		case gojq.Func:
			if slices.Contains(refusedFunctions(), node.Name) {
				return node.Name
			}
		case gojq.Import:
			return "a module"
		}
		for _, field := range node.Fields() {
			if name := refusedIn(field); name != "" {
				return name
			}
		}
	}
	return ""
}

// run returns the one value that the expression gives. The error is for people; it may repeat parts of the input.
func (e *expression) run(ctx context.Context, input any, values ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	results := e.code.RunWithContext(ctx, input, values...)
	value, ok := results.Next()
	if !ok {
		return nil, errors.New("gives no value")
	}
	if err := failure(ctx, value); err != nil {
		return nil, err
	}
	second, ok := results.Next()
	if !ok {
		return value, nil
	}
	if err := failure(ctx, second); err != nil {
		return nil, err
	}
	return nil, errors.New("gives more than one value; put it into [ ] for a list")
}

func failure(ctx context.Context, value any) error {
	err, ok := value.(error)
	switch {
	case !ok:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("did not end within %s", longestRun)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return fmt.Errorf("fails: %s", shortened(err.Error()))
	}
}

// maxMessage bounds texts that are repeated in errors, in characters.
const maxMessage = 512

// shortened cuts a text, and takes out what is not for people.
func shortened(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if runes := []rune(text); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return text
}

// truthy is what jq takes for true.
func truthy(value any) bool { return value != nil && value != false }
