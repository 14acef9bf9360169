package rpcerr

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// unavailable is implemented by errors of stores. True means that the store
// cannot be reached at the moment and nothing was changed.
type unavailable interface {
	error
	Unavailable() bool
}

// Internal answers an error that no service switch knows.
//
//   - context.Canceled becomes CANCELED, context.DeadlineExceeded becomes
//     DEADLINE_EXCEEDED, and so does whatever fails once ctx itself has ended;
//   - an error whose chain has Unavailable() bool saying true becomes
//     UNAVAILABLE with STORE_UNAVAILABLE;
//   - an UNAVAILABLE that another service or its connection gave becomes
//     UNAVAILABLE with SERVICE_UNAVAILABLE;
//   - everything else becomes INTERNAL with INTERNAL_FAULT and nothing of the
//     error in it, but the trace id, when ctx has one.
//
// All but the first kind are logged in full. Internal(ctx, log, nil) is nil.
func Internal(ctx context.Context, log *slog.Logger, err error) error {
	if err == nil {
		return nil
	}
	if ended := endedBy(ctx, err); ended != nil {
		log.DebugContext(ctx, "call ended before its work was done", slog.Any("error", err))
		return ended
	}
	var store unavailable
	if errors.As(err, &store) && store.Unavailable() {
		log.WarnContext(ctx, "store unavailable", slog.Any("error", err))
		return New(codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE, "the store cannot be reached at the moment; try again")
	}
	// status.FromError looks through wrapping, which is meant here: a use case
	// wraps what its client for the other service returned.
	if st, ok := status.FromError(err); ok && st.Code() == codes.Unavailable {
		log.WarnContext(ctx, "another service is unavailable", slog.Any("error", err))
		return New(codes.Unavailable, errorsv1.Reason_SERVICE_UNAVAILABLE, "another service cannot be reached at the moment; try again")
	}
	log.ErrorContext(ctx, "internal fault", slog.Any("error", err))
	return fault(ctx)
}

// FromHandler is the error edge of the server: it returns what the caller may
// see of what a handler returned. Statuses that carry a reason of ours pass
// unchanged. Statuses without one, which gRPC itself made, get a reason by their
// code and lose their message, which may name addresses. A status that is only
// wrapped was not meant as the answer; it and any other error go to [Internal].
func FromHandler(ctx context.Context, log *slog.Logger, err error) error {
	if err == nil {
		return nil
	}
	direct, ok := err.(interface{ GRPCStatus() *status.Status })
	if !ok {
		return Internal(ctx, log, err)
	}
	st := direct.GRPCStatus()
	if ourInfo(st) != nil && st.Code() != codes.OK {
		return err
	}
	switch st.Code() {
	case codes.Canceled:
		return status.Error(codes.Canceled, "canceled")
	case codes.DeadlineExceeded:
		return deadline()
	case codes.Unimplemented:
		return New(codes.Unimplemented, errorsv1.Reason_METHOD_NOT_SERVED, "the method is not served by this process")
	case codes.ResourceExhausted:
		return New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED, "%s", st.Message())
	default:
		return Internal(ctx, log, err)
	}
}

// endedBy returns the answer to a call whose context, or the one its work ran
// under, has ended; nil when err is about something else.
func endedBy(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled), code(err) == codes.Canceled:
		return status.Error(codes.Canceled, "canceled")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded), code(err) == codes.DeadlineExceeded:
		return deadline()
	}
	return nil
}

// code is the status code anywhere in err's chain, codes.Unknown if there is none.
func code(err error) codes.Code {
	st, _ := status.FromError(err)
	return st.Code()
}

func deadline() error {
	return New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED, "the deadline passed before the work was done")
}

// fault is the answer that says nothing but where the log has the rest.
func fault(ctx context.Context) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.HasTraceID() {
		return New(codes.Internal, errorsv1.Reason_INTERNAL_FAULT, "internal fault")
	}
	detail := info(errorsv1.Reason_INTERNAL_FAULT)
	detail.Metadata = map[string]string{"trace_id": span.TraceID().String()}
	return build(codes.Internal, "internal fault; the log has it under trace id "+span.TraceID().String(), detail)
}
