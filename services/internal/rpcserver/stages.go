package rpcserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// slowCall is how long a unary call may take before it is worth a line. Longer
// than any call that only reads and writes the store.
const slowCall = 5 * time.Second

// logCalls tells of failed calls, and of slow ones; never what they carried.
func logCalls(log *slog.Logger) stage {
	return stage{around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		start := time.Now()
		err := next(ctx)
		took := time.Since(start)

		level, message := slog.LevelDebug, "call"
		switch {
		case err != nil:
			level, message = levelOf(err), "call failed"
		case took >= slowCall && !c.streaming:
			level, message = slog.LevelInfo, "slow call"
		}
		if !log.Enabled(ctx, level) {
			return err
		}
		attrs := []slog.Attr{
			slog.String("rpc.method", c.method),
			slog.String("rpc.response.status_code", status.Code(err).String()),
			slog.Duration("duration", took),
			slog.String("caller", c.caller),
		}
		if err != nil {
			attrs = append(attrs,
				slog.String("reason", rpcerr.ReasonOf(err).String()),
				slog.String("message", status.Convert(err).Message()))
		}
		log.LogAttrs(ctx, level, message, attrs...)
		return err
	}}
}

// levelOf says who should care about a failed call: an operator (WARN and up),
// somebody who looks into refused callers (INFO), or nobody. Faults of ours have
// been logged as ERROR with their cause where they became a status.
func levelOf(err error) slog.Level {
	if rpcerr.ReasonOf(err) == errorsv1.Reason_SHUTTING_DOWN {
		return slog.LevelDebug
	}
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		return slog.LevelInfo
	case codes.Unavailable, codes.ResourceExhausted, codes.DataLoss:
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}

// answerErrors is the error edge: what leaves it is what the caller may see.
func answerErrors(log *slog.Logger) stage {
	return stage{around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		err := next(ctx)
		if err == nil {
			return nil
		}
		if _, ok := status.FromError(err); ok && c.standard() {
			return err
		}
		return rpcerr.FromHandler(ctx, log.With(slog.String("rpc.method", c.method)), err)
	}}
}

// recoverPanics makes a panic an error, which the error edge logs with its
// stack, so that one bad call does not take every other one down with it.
func recoverPanics() stage {
	return stage{around: func(ctx context.Context, _ *call, next func(context.Context) error) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		return next(ctx)
	}}
}

// endStreams ends the context of every stream when leaving ends. A stream
// that ends from then on ends with SHUTTING_DOWN, whatever its handler made of
// the canceled context: callers must be able to tell it from an end that was
// meant. It leaves unary calls alone, they are short.
func endStreams(leaving context.Context) stage {
	return stage{around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		if !c.streaming {
			return next(ctx)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stop := context.AfterFunc(leaving, func() { cancel(errShuttingDown) })
		defer stop()

		err := next(ctx)
		if !errors.Is(context.Cause(ctx), errShuttingDown) {
			return err
		}
		if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errShuttingDown) || status.Code(err) == codes.Canceled {
			return rpcerr.New(codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN, "the process is stopping; connect again")
		}
		return err
	}}
}

// errShuttingDown is the cause of the end of a stream's context when the server
// leaves.
var errShuttingDown = errors.New("rpcserver: shutting down")

// authorize finds out who calls and whether they may.
func authorize(authenticator *authn.Authenticator, policy Policy) stage {
	return stage{around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		service := c.service()
		if policy.public(service) {
			return next(ctx)
		}
		md, _ := metadata.FromIncomingContext(ctx)
		caller, err := authenticator.Authenticate(md)
		if err != nil {
			return err
		}
		c.caller, c.internal = caller.String(), caller.Service != ""
		if !policy.allows(service, caller) {
			return rpcerr.New(codes.PermissionDenied, errorsv1.Reason_PERMISSION_DENIED, "%s may not call %s", caller, service)
		}
		return next(authn.WithPrincipal(ctx, caller))
	}}
}

// validate holds every message of the caller against the rules of its contract.
func validate(validator protovalidate.Validator) stage {
	return stage{message: func(m any) error {
		message, ok := m.(proto.Message)
		if !ok {
			return fmt.Errorf("rpcserver: a message of type %T cannot be validated", m)
		}
		err := validator.Validate(message)
		var invalid *protovalidate.ValidationError
		if !errors.As(err, &invalid) {
			return err // nil, or a rule that cannot be evaluated: our fault
		}
		violations := make([]rpcerr.Violation, 0, len(invalid.Violations))
		for _, v := range invalid.Violations {
			description := v.Proto.GetMessage()
			if description == "" {
				description = "breaks the rule " + v.Proto.GetRuleId()
			}
			violations = append(violations, rpcerr.Violation{
				Field:       protovalidate.FieldPathString(v.Proto.GetField()),
				Description: description,
			})
		}
		return rpcerr.Invalid(violations...)
	}}
}
