package mapping

import (
	"fmt"
	"maps"
	"slices"
)

// Interface is what a file says. It does not change and is safe for concurrent use.
type Interface struct {
	Description string
	operations  map[string]*Operation
	mappings    map[string]map[string]*Route // by mapping and operation
}

// Operation is what callers see of an operation.
type Operation struct {
	Name        string
	Description string
	Paged       bool // its output is a list that comes in pages
	Raw         bool // its answer is no JSON: callers fetch it themselves

	input, output *schema
}

// Operations returns the operations by name.
func (i *Interface) Operations() []*Operation {
	out := make([]*Operation, 0, len(i.operations))
	for _, name := range slices.Sorted(maps.Keys(i.operations)) {
		out = append(out, i.operations[name])
	}
	return out
}

// Mappings returns the names of the mappings in order.
func (i *Interface) Mappings() []string { return slices.Sorted(maps.Keys(i.mappings)) }

// Mapped returns the names of the operations that a mapping has, in order.
func (i *Interface) Mapped(mapping string) []string {
	return slices.Sorted(maps.Keys(i.mappings[mapping]))
}

// Route returns how a mapping does an operation, or an *[UnknownError].
func (i *Interface) Route(mapping, operation string) (*Route, error) {
	if i.operations[operation] == nil {
		return nil, &UnknownError{fmt.Sprintf("the interface has no operation %s", operation)}
	}
	routes, ok := i.mappings[mapping]
	if !ok {
		return nil, &UnknownError{fmt.Sprintf("the interface has no mapping %s", mapping)}
	}
	if routes[operation] == nil {
		return nil, &UnknownError{fmt.Sprintf("the mapping %s does not have the operation %s", mapping, operation)}
	}
	return routes[operation], nil
}

// UnknownError means that the interface does not have what was asked for.
type UnknownError struct{ Description string }

// Error implements error.
func (e *UnknownError) Error() string { return "mapping: " + e.Description }

// Violation is one thing that is wrong with an input.
type Violation struct {
	Field       string // path within the input; empty: the whole
	Description string
}

// InputError means that an input is not what the operation takes.
type InputError struct{ Violations []Violation }

// Error implements error.
func (e *InputError) Error() string {
	return fmt.Sprintf("mapping: the input has %d faults, first %s: %s", len(e.Violations), e.Violations[0].Field, e.Violations[0].Description)
}

// FailedError means that the mapping did not do its work: what it says does not fit the input or the API's answer.
type FailedError struct {
	Field       string // of the route: "output", "query.limit"
	Description string
}

// Error implements error.
func (e *FailedError) Error() string { return "mapping: " + e.Field + " " + e.Description }

// Kind is what an error of an API stands for.
type Kind string

// The kinds.
const (
	KindInvalid          Kind = "INVALID"           // the API refuses what was asked
	KindUnauthenticated  Kind = "UNAUTHENTICATED"   // the API does not take the credential
	KindPermissionDenied Kind = "PERMISSION_DENIED" // the account may not do that
	KindNotFound         Kind = "NOT_FOUND"
	KindConflict         Kind = "CONFLICT" // it was changed meanwhile, or is there already
	KindRateLimited      Kind = "RATE_LIMITED"
	KindUnavailable      Kind = "UNAVAILABLE" // the API does not work at the moment
	KindUnexpected       Kind = "UNEXPECTED"  // anything else
)

// APIError is an error that the API answered.
type APIError struct {
	Kind    Kind
	Status  int    // of the answer
	Message string // the API's own words, shortened; may be empty
}

// Error implements error.
func (e *APIError) Error() string {
	return fmt.Sprintf("mapping: the API answered %d (%s): %s", e.Status, e.Kind, e.Message)
}

// kindOf is what a status stands for where no rule says otherwise.
func kindOf(status int) Kind {
	switch {
	case status == 400, status == 405, status == 422:
		return KindInvalid
	case status == 401:
		return KindUnauthenticated
	case status == 403:
		return KindPermissionDenied
	case status == 404, status == 410:
		return KindNotFound
	case status == 409, status == 412:
		return KindConflict
	case status == 429:
		return KindRateLimited
	case status == 408, status >= 500:
		return KindUnavailable
	default:
		return KindUnexpected
	}
}
