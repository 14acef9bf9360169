package interfaces

import (
	"context"
	"errors"
	"strings"

	"github.com/freshet-io/freshet/services/internal/lint"
	"github.com/freshet-io/freshet/services/internal/mapping"
)

// Trial is an operation to be tried.
type Trial struct {
	Definition         string
	Mapping, Operation string
	Input              string // JSON
	Cursor             string // of the page; empty: the first
	Answer             *Recorded
	BaseURL            string
}

// Recorded is an answer of an API.
type Recorded struct {
	Status int // 0: 200
	Header map[string]string
	Body   string
}

// Tried is what came of a trial.
type Tried struct {
	Request mapping.Request
	Output  string // JSON; empty without an answer, or with Error or Failed
	Next    string // cursor of the next page
	Error   *mapping.APIError
	Failed  *mapping.FailedError
}

// DryRun makes the request of an operation, and of a recorded answer its output. It calls nobody.
//
// Errors: *connection.ValidationError of the definition, *mapping.UnknownError, *mapping.InputError; *mapping.FailedError if no request can be
// made of the input.
func DryRun(ctx context.Context, t Trial) (Tried, error) {
	parsed, err := mapping.Parse("", []byte(t.Definition))
	if problems, ok := errors.AsType[lint.Problems](err); ok {
		return Tried{}, refusal(problems)
	}
	if err != nil {
		return Tried{}, err
	}
	route, err := parsed.Route(t.Mapping, t.Operation)
	if err != nil {
		return Tried{}, err
	}
	input, err := route.Operation.Input([]byte(t.Input))
	if err != nil {
		return Tried{}, err
	}
	var out Tried
	if out.Request, err = route.Request(ctx, input, t.Cursor); err != nil || t.Answer == nil {
		return out, err
	}
	exchange := mapping.Exchange{
		Input: input, Cursor: t.Cursor, Request: out.Request, Base: t.BaseURL,
		Status: t.Answer.Status, Header: map[string]string{}, Body: []byte(t.Answer.Body),
	}
	if exchange.Status == 0 {
		exchange.Status = 200
	}
	for name, value := range t.Answer.Header {
		exchange.Header[strings.ToLower(name)] = value
	}
	output, err := route.Answer(ctx, exchange)
	if errors.As(err, &out.Error) || errors.As(err, &out.Failed) {
		return out, nil
	}
	if err != nil {
		return Tried{}, err
	}
	out.Output, out.Next = string(output.Value), output.Next
	if route.Operation.Paged {
		out.Output = mapping.List(output.Items)
	}
	return out, nil
}
