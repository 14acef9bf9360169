package connection

import (
	"errors"
	"strings"
)

// Errors of the use cases. They are wrapped with what they are about; compare with errors.Is.
var (
	// ErrInvalidName means that a resource name has not the form of a connection's.
	ErrInvalidName = errors.New("connection: invalid name")
	// ErrNoAPI means that nothing says where the connection's API is.
	ErrNoAPI = errors.New("connection: API not configured")
	// ErrNotFound means that there is no connection of that name.
	ErrNotFound = errors.New("connection: not found")
	// ErrGrantNotFound means that there is no grant of that name.
	ErrGrantNotFound = errors.New("connection: grant not found")
	// ErrNoUsers means that the connection has a token of its own, and can have no grants.
	ErrNoUsers = errors.New("connection: is not one of users")
	// ErrOfUsers means that the connection is one of users, which has no token of its own.
	ErrOfUsers = errors.New("connection: is one of users")
	// ErrInUse means that the connection has grants.
	ErrInUse = errors.New("connection: has grants")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("connection: exists")
	// ErrDeleting means that the connection is being deleted, which rules out the call.
	ErrDeleting = errors.New("connection: is being deleted")
	// ErrETag means that the caller's etag is not that of the stored connection.
	ErrETag = errors.New("connection: etag does not match")
	// ErrSecretsUnreadable means that the stored secrets do not open with the present master key.
	ErrSecretsUnreadable = errors.New("connection: stored secrets cannot be opened")
	// ErrEventRefused is returned by an Announcer for an event that will never be taken.
	ErrEventRefused = errors.New("connection: event refused")
	// ErrTokensUnavailable means that the token service does not answer, or leaves.
	ErrTokensUnavailable = errors.New("connection: the token service is unavailable")
	// ErrStale means that somebody else wrote the connection since it was read. Use cases read again; callers see it only when that
	// happens many times in a row.
	ErrStale = errors.New("connection: changed meanwhile")
)

// UnknownProviderError means that the catalogue has no provider of that id.
type UnknownProviderError struct{ ID string }

// Error implements error.
func (e *UnknownProviderError) Error() string {
	return "connection: the catalogue has no provider " + e.ID
}

// Violation is one thing that is wrong with a connection.
type Violation struct {
	// Field is the path of the field within the connection, with the contract's names: "oauth2.token_endpoint",
	// "invocation_parameters.headers[2].key".
	Field string
	// Description says what is wrong and what is allowed. It holds no secrets.
	Description string
}

// ValidationError lists all that is wrong with a connection.
type ValidationError struct {
	Violations []Violation
	// Egress says that the connection is well formed, and that it is the operator's egress rule that refuses its token endpoint.
	Egress bool
}

// Error implements error.
func (e *ValidationError) Error() string {
	texts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		texts[i] = v.Field + ": " + v.Description
	}
	return "connection: " + strings.Join(texts, "; ")
}
