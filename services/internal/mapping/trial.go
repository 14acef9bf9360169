package mapping

import (
	"context"
	"errors"
	"strings"
)

// Trial is an operation to be tried without calling anybody.
type Trial struct {
	Mapping, Operation string
	Input              string // JSON
	Cursor             string // of the page; empty: the first
	Answer             *Recorded
	BaseURL            string // of the API; needed to follow LINK and NEXT_URL
}

// Recorded is an answer of an API.
type Recorded struct {
	Status int // 0: 200
	Header map[string]string
	Body   string
}

// Tried is what came of a trial.
type Tried struct {
	Request Request
	Output  string // JSON; empty without an answer, or with Error or Failed
	Next    string // cursor of the next page
	Error   *APIError
	Failed  *FailedError
}

// Try makes the request of an operation, and of a recorded answer its output.
//
// Errors: *[UnknownError], *[InputError]; *[FailedError] if no request can be made of the input.
func (i *Interface) Try(ctx context.Context, t Trial) (Tried, error) {
	route, err := i.Route(t.Mapping, t.Operation)
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
	exchange := Exchange{
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
		out.Output = List(output.Items)
	}
	return out, nil
}
