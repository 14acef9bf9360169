package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/gateway/proxy/target"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Error is an answer whose HTTP status is not that of its gRPC code, or which says when to come back.
type Error struct {
	// Code is the HTTP status; 0: that of the gRPC code.
	Code int
	// RetryAfter is when to come back; 0: it is not known.
	RetryAfter time.Duration
	err        error
}

// Error implements error.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the status.
func (e *Error) Unwrap() error { return e.err }

func refused(format string, args ...any) error {
	return rpcerr.New(codes.InvalidArgument, errorsv1.Reason_PROXY_REQUEST_REFUSED, format, args...)
}

func notServed() error {
	return rpcerr.New(codes.NotFound, errorsv1.Reason_PATH_NOT_FOUND, "the proxy's paths are %s", target.Template)
}

func answerRefused(format string, args ...any) error {
	return &Error{Code: http.StatusBadGateway, err: rpcerr.New(codes.Unavailable, errorsv1.Reason_UPSTREAM_ANSWER_REFUSED, format, args...)}
}

func heldOff(left time.Duration) error {
	return &Error{RetryAfter: left, err: rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_UPSTREAM_RATE_LIMITED,
		"the API's rate limit is used up; it said to come back in %s", left.Round(time.Second))}
}

func overLimit(wait time.Duration) error {
	return &Error{RetryAfter: wait, err: rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_PROXY_RATE_LIMITED,
		"the connection's settings allow no more calls with this token for %s", wait.Round(time.Millisecond))}
}

func tooLarge(limit int64) error {
	return &Error{Code: http.StatusRequestEntityTooLarge, err: rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED,
		"the body of a call may have at most %d bytes", limit)}
}

// ofTarget answers a path or host that is not called.
func ofTarget(err error) error {
	if wrong, ok := errors.AsType[*target.RefusedError](err); ok {
		return refused("%s", wrong.Description)
	}
	return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_API_NOT_CONFIGURED, "the API's base is no URL: set api_base_url of the connection")
}

// ofService answers the failure of a call within the suite.
func ofService(ctx context.Context, err error) error {
	st := status.Convert(err)
	if reason := rpcerr.ReasonOf(err); reason != errorsv1.Reason_REASON_UNSPECIFIED {
		return rpcerr.New(st.Code(), reason, "%s", st.Message())
	}
	if ctx.Err() != nil {
		return rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED, "the call ended before its work was done")
	}
	return rpcerr.New(codes.Unavailable, errorsv1.Reason_SERVICE_UNAVAILABLE, "a service cannot be reached at the moment; try again")
}

// ofToken answers a token that cannot be used.
func (c *call) ofToken(ctx context.Context, err error) error {
	if state, ok := errors.AsType[*tokensource.StateError](err); ok {
		code := codes.Unavailable
		if state.State == tokenv1.Token_DEAUTHORIZED {
			code = codes.FailedPrecondition
		}
		return rpcerr.New(code, state.Reason, "%s", state.Error())
	}
	switch {
	case errors.Is(err, tokensource.ErrExpired):
		return rpcerr.New(codes.Unavailable, errorsv1.Reason_TOKEN_EXPIRED, "the token has expired, and there is no other yet; try again")
	case errors.Is(err, tokensource.ErrNotReceived):
		return rpcerr.New(codes.Unavailable, errorsv1.Reason_TOKEN_NOT_READY, "the token is not there yet; try again")
	case errors.Is(err, tokensource.ErrClosed):
		return rpcerr.New(codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN, "the process is stopping")
	default:
		return ofService(ctx, err)
	}
}

// ofBody answers a body that the caller did not send to its end.
func (c *call) ofBody(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge(c.proxy.params.MaxRequest)
	case errors.Is(err, errStalled):
		return &Error{Code: http.StatusRequestTimeout, err: rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED,
			"nothing of the request's body arrived for %s", stalled)}
	default:
		return rpcerr.Invalid(rpcerr.Violation{Field: "body", Description: "cannot be read to its end"})
	}
}

// ofSend answers a call that brought no answer. What the transport says may name addresses: it is logged, without path and query.
func (c *call) ofSend(ctx context.Context, err error) error {
	err = egress.WithoutURL(err)
	var network net.Error
	denied, isDenied := errors.AsType[*egress.DeniedError](err)
	_, isState := errors.AsType[*tokensource.StateError](err)
	switch {
	case c.body.failure() != nil:
		return c.ofBody(c.body.failure())
	case isDenied:
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_EGRESS_DENIED, "%s", denied.Error())
	case isState, errors.Is(err, tokensource.ErrExpired), errors.Is(err, tokensource.ErrNotReceived), errors.Is(err, tokensource.ErrClosed):
		return c.ofToken(ctx, err)
	case rpcerr.ReasonOf(err) != errorsv1.Reason_REASON_UNSPECIFIED:
		return ofService(ctx, err)
	case errors.Is(context.Cause(ctx), errTimeout), errors.As(err, &network) && network.Timeout():
		return rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_UPSTREAM_TIMEOUT, "the API did not answer in time")
	case ctx.Err() != nil:
		return rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED, "the call ended before its work was done")
	}
	c.proxy.params.Logger.WarnContext(ctx, "a call through the proxy brought no answer", "connection", c.name.Connection, "host", c.target.Host, "error", err)
	return &Error{Code: http.StatusBadGateway, err: rpcerr.New(codes.Unavailable, errorsv1.Reason_UPSTREAM_UNREACHABLE,
		"the API cannot be reached, or broke off before it answered")}
}

// maxRetries bounds what a caller can ask for.
const maxRetries = 5

// retriesOf reads the header Freshet-Retries.
func retriesOf(values []string) (int, error) {
	if len(values) == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(values[0])
	if len(values) > 1 || err != nil || n < 0 || n > maxRetries {
		return 0, refused("the header %s must be a number from 0 to %d", headerRetries, maxRetries)
	}
	return n, nil
}
