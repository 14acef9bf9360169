package store

import "github.com/freshet-io/freshet/services/internal/sqldb"

// Error is an error of the database.
type Error struct {
	operation string
	cause     error
}

func failure(operation string, cause error) error { return &Error{operation: operation, cause: cause} }

// Error implements error.
func (e *Error) Error() string { return "token store: " + e.operation + ": " + e.cause.Error() }

// Unwrap returns the database's own error.
func (e *Error) Unwrap() error { return e.cause }

// Unavailable reports whether the database cannot be used at the moment, so that the same call may succeed later.
func (e *Error) Unavailable() bool { return sqldb.IsUnavailable(e.cause) }
