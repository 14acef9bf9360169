package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLSTATE codes, https://www.postgresql.org/docs/15/errcodes-appendix.html.
const (
	stateDuplicateSchema      = "42P06"
	stateUniqueViolation      = "23505"
	stateSerializationFailure = "40001"
	stateDeadlockDetected     = "40P01"
	stateFeatureNotSupported  = "0A000"
	stateReadOnlyTransaction  = "25006"
)

// IsUnique tells whether err comes from a violated primary key or unique index.
func IsUnique(err error) bool {
	if code, ok := sqliteCode(err); ok {
		return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY ||
			code == sqlite3.SQLITE_CONSTRAINT_ROWID
	}
	return sqlState(err) == stateUniqueViolation
}

// IsUnavailable tells whether err means that the database cannot be used right now: closed, unreachable, shutting down,
// out of connections or disk, or too contended. The same call may succeed later, so the caller should answer UNAVAILABLE.
// The end of the caller's own context is not that.
func IsUnavailable(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.Is(err, ErrClosed), errors.Is(err, ErrInUse), errors.Is(err, errCommitTimeout), errors.Is(err, errLost),
		errors.Is(err, sql.ErrConnDone), errors.Is(err, driver.ErrBadConn), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return true
	}
	if code, ok := sqliteCode(err); ok {
		return sqliteUnavailable(code)
	}
	if state := sqlState(err); state != "" {
		return postgresUnavailable(state)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err)
}

func sqliteUnavailable(code int) bool {
	switch code & 0xff { // the primary result code, https://www.sqlite.org/rescode.html
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

func postgresUnavailable(state string) bool {
	switch state {
	case stateSerializationFailure, stateDeadlockDetected, stateReadOnlyTransaction:
		return true
	}
	// Connection exception, insufficient resources, operator intervention, system error.
	for _, class := range []string{"08", "53", "57P", "58"} {
		if strings.HasPrefix(state, class) {
			return true
		}
	}
	return false
}

func sqliteCode(err error) (int, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code(), true
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}
