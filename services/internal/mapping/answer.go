package mapping

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/itchyny/gojq"
)

// Exchange is a request that was made, and its answer.
type Exchange struct {
	Input   any // as [Operation.Input] returned it
	Cursor  string
	Request Request
	Base    string // URL that the request's path was put behind; needed to follow LINK and NEXT_URL

	Status int
	Header map[string]string // by name in lower case; several of one name joined by a comma
	Body   []byte
}

// Output is what an operation gives.
type Output struct {
	Value json.RawMessage   // what is not paged
	Items []json.RawMessage // of a page
	Next  string            // cursor of the next page; empty at the end
}

// answered is an answer as expressions see it.
type answered struct {
	body      any
	variables []any // in the order of answerVariables
}

func (a answered) eval(ctx context.Context, e *expression) (any, error) {
	return e.run(ctx, a.body, a.variables...)
}

// Answer says what an answer means. The error is an *[APIError] where the API answered one, a *[FailedError], or ctx's.
func (r *Route) Answer(ctx context.Context, x Exchange) (Output, error) {
	body, broken := bodyOf(x.Body)
	headers := make(map[string]any, len(x.Header))
	for name, value := range x.Header {
		headers[name] = value
	}
	answer := answered{body: body, variables: []any{x.Input, x.Status, headers}}
	if err := r.refusal(ctx, x.Status, answer); err != nil {
		return Output{}, err
	}
	if broken != nil {
		return Output{}, &FailedError{Field: "output", Description: "cannot be had: the body of the answer " + broken.Error()}
	}
	value := body
	if r.output != nil {
		var err error
		if value, err = answer.eval(ctx, r.output); err != nil {
			return Output{}, failed(ctx, "output", err)
		}
	}
	if r.Operation.Paged {
		return r.page(ctx, x, answer, value)
	}
	text, err := r.checked("output", value)
	return Output{Value: text}, err
}

// bodyOf reads the body of an answer; none is null.
func bodyOf(text []byte) (any, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil //nolint:nilnil // null, as a value of jq
	}
	return decode(text)
}

// refusal is the error that an answer stands for, nil if it is none.
func (r *Route) refusal(ctx context.Context, status int, answer answered) error {
	for i, rule := range r.rules {
		if rule.status != 0 && rule.status != status {
			continue
		}
		field := fmt.Sprintf("errors[%d]", i)
		if rule.when != nil {
			fits, err := answer.eval(ctx, rule.when)
			if err != nil {
				return failed(ctx, field+".when", err)
			}
			if !truthy(fits) {
				continue
			}
		}
		refused := &APIError{Kind: rule.kind, Status: status}
		if refused.Kind == "" {
			refused.Kind = kindOf(status)
		}
		if rule.message != nil {
			value, err := answer.eval(ctx, rule.message)
			if err != nil {
				return failed(ctx, field+".message", err)
			}
			if text, ok := value.(string); ok {
				refused.Message = shortened(text)
			}
		}
		return refused
	}
	if status >= 300 {
		return &APIError{Kind: kindOf(status), Status: status}
	}
	return nil
}

// page makes the output of one page.
func (r *Route) page(ctx context.Context, x Exchange, answer answered, value any) (Output, error) {
	list, ok := value.([]any)
	if !ok {
		return Output{}, &FailedError{Field: "output", Description: fmt.Sprintf("gives %s, where a list is needed", gojq.TypeOf(value))}
	}
	out := Output{Items: make([]json.RawMessage, len(list))}
	for i, item := range list {
		var err error
		if out.Items[i], err = r.checked(fmt.Sprintf("output[%d]", i), item); err != nil {
			return Output{}, err
		}
	}
	if r.pagination == nil {
		return out, nil
	}
	var err error
	out.Next, err = r.pagination.after(ctx, x, answer, len(list))
	return out, err
}

// checked is a value as JSON, which must fit the operation's schema.
func (r *Route) checked(field string, value any) (json.RawMessage, error) {
	text, err := marshal(value)
	if err != nil {
		return nil, &FailedError{Field: field, Description: err.Error()}
	}
	if r.Operation.output == nil {
		return text, nil
	}
	again, err := decode(text)
	if err != nil {
		return nil, &FailedError{Field: field, Description: err.Error()}
	}
	for _, wrong := range r.Operation.output.check(again) {
		return nil, &FailedError{Field: field, Description: "does not fit the operation's schema: " + Violation{fieldOf(wrong.path), wrong.description}.text()}
	}
	return text, nil
}

func (v Violation) text() string {
	if v.Field == "" {
		return v.Description
	}
	return v.Field + ": " + v.Description
}

// MaxValue bounds what one expression may give, in bytes of JSON.
const MaxValue = 3 << 20

func marshal(value any) (json.RawMessage, error) {
	text, err := gojq.Marshal(value)
	if err != nil {
		return nil, errors.New("gives what cannot be written as JSON")
	}
	if len(text) > MaxValue {
		return nil, fmt.Errorf("gives more than %d MiB", MaxValue>>20)
	}
	return text, nil
}

// List is items as one JSON list.
func List(items []json.RawMessage) string {
	var b bytes.Buffer
	b.WriteByte('[')
	for n, item := range items {
		if n > 0 {
			b.WriteByte(',')
		}
		b.Write(item)
	}
	b.WriteByte(']')
	return b.String()
}
