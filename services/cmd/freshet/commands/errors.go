package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errReported means that the command failed and has said how.
var errReported = errors.New("the command failed")

// usageError is a mistake in what was typed or set.
type usageError struct {
	err     error
	command string // whose help is of use
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// unreachableError means that no server answered.
type unreachableError struct {
	server string
	err    error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("no server answers at %s: %s\nStart one with: freshet serve. Or name another with --server.", e.server, cause(e.err))
}

func (e *unreachableError) Unwrap() error { return e.err }

// cause takes the reason out of the sentence that gRPC makes of it,
// `connection error: desc = "transport: Error while dialing: dial tcp …"`.
func cause(err error) string {
	text := status.Convert(err).Message()
	if _, rest, ok := strings.Cut(text, `desc = "`); ok {
		if unquoted, err := strconv.Unquote(`"` + rest); err == nil {
			text = unquoted
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(text, "transport: "), "Error while dialing: ")
}

// report prints err and returns the exit code that goes with it.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	var usage *usageError
	isUsage := errors.As(err, &usage)
	if isUsage {
		err = usage.err
	}
	for _, one := range split(err) {
		if !errors.Is(one, errReported) {
			_, _ = fmt.Fprintf(w, "error: %s\n", describe(one))
		}
	}
	if !isUsage {
		return exitFailed
	}
	if usage.command != "" {
		_, _ = fmt.Fprintf(w, "See: freshet %s --help\n", usage.command)
	}
	return exitUsage
}

// split takes joined errors apart.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) // a wrapped one belongs to its wrapper's sentence
	if !ok {
		return []error{err}
	}
	var out []error
	for _, one := range joined.Unwrap() {
		out = append(out, split(one)...)
	}
	return out
}

// describe words an error: `REASON: message` for the status of a server, the fields below it if they are several.
func describe(err error) string {
	if unreachable, ok := errors.AsType[*unreachableError](err); ok {
		return unreachable.Error()
	}
	if object, ok := errors.AsType[*manifest.ObjectError](err); ok {
		return printable(object.Where()) + ": " + describe(object.Err)
	}
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return "interrupted"
	}
	var answered interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answered) {
		return describeStatus(answered.GRPCStatus())
	}
	return err.Error()
}

func describeStatus(st *status.Status) string {
	name := reasonName(st)
	var fields []string
	for _, detail := range st.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range bad.GetFieldViolations() {
				fields = append(fields, printable(violation.GetField()+": "+violation.GetDescription()))
			}
		}
	}
	switch {
	case name == errorsv1.Reason_METHOD_NOT_SERVED.String():
		return name + ": " + printable(st.Message()) +
			"\nWhere roles have processes of their own, give --server the address of each: connection=ADDR;token=ADDR;delivery=ADDR;gateway=ADDR."
	case len(fields) > 1:
		return fmt.Sprintf("%s: %d fields are not valid\n  %s", name, len(fields), strings.Join(fields, "\n  "))
	case len(fields) == 1:
		return name + ": " + fields[0]
	default:
		return name + ": " + printable(st.Message())
	}
}

// reasonName is the status's reason, also one that is newer than this build; without one, its code.
func reasonName(st *status.Status) string {
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == rpcerr.Domain {
			return info.GetReason()
		}
	}
	if st.Code() == codes.DeadlineExceeded {
		return errorsv1.Reason_DEADLINE_EXCEEDED.String() // noticed here, not by the server
	}
	return strings.ToUpper(st.Code().String())
}
