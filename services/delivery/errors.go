package delivery

import (
	"errors"
	"strings"
)

// What a use case or a store may answer. They are wrapped in errors whose text names the resource.
var (
	ErrBusNotFound         = errors.New("no such bus")
	ErrRuleNotFound        = errors.New("no such rule")
	ErrDestinationNotFound = errors.New("no such destination")
	ErrDeliveryNotFound    = errors.New("no such delivery")
	ErrArchiveNotFound     = errors.New("no such archive")
	ErrConnectionNotFound  = errors.New("no such connection")
	ErrScheduleNotFound    = errors.New("no such schedule")
	ErrWebhookNotFound     = errors.New("no such webhook")
	ErrSigningKeyNotFound  = errors.New("no such signing key")
	// ErrLimit means that a limit is reached, which the text names.
	ErrLimit = errors.New("a limit is reached")
	// ErrExists means that a resource of the name is there already.
	ErrExists = errors.New("exists already")
	// ErrEtagMismatch means that the resource was changed by someone else.
	ErrEtagMismatch = errors.New("the etag is not that of the stored resource: read it again, then write")
	// ErrSuperseded means that a credential is not the current one any more.
	ErrSuperseded = errors.New("the credential is not the current one any more")
	// ErrInUse means that others still use the resource.
	ErrInUse = errors.New("still in use")
	// ErrStateConflict means that the resource's state does not allow the call.
	ErrStateConflict = errors.New("not possible in this state")
	// ErrTickTaken means that a schedule has moved on from the time that was due, or was changed.
	ErrTickTaken = errors.New("the schedule has moved on")
)

// Kind says which rule an [InvalidError] is about.
type Kind int

// The kinds.
const (
	KindField Kind = iota
	KindPattern
	KindEgress
	KindSchedule
)

// Violation names a field, in proto path style such as "rule.targets[0].input_path", and says what is allowed.
type Violation struct{ Field, Description string }

// InvalidError is bad input.
type InvalidError struct {
	Kind       Kind
	Violations []Violation
}

// Error lists the violations.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + ": " + v.Description
	}
	return strings.Join(parts, "; ")
}

func invalid(kind Kind, field, description string) error {
	return &InvalidError{Kind: kind, Violations: []Violation{{Field: field, Description: description}}}
}
