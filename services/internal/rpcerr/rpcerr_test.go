package rpcerr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

func TestNewCarriesTheReason(t *testing.T) {
	err := rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "no token %q", "t")
	require.Equal(t, codes.NotFound, status.Code(err))
	require.Equal(t, `no token "t"`, status.Convert(err).Message())
	require.Equal(t, errorsv1.Reason_TOKEN_NOT_FOUND, rpcerr.ReasonOf(err))
	require.Equal(t, errorsv1.Reason_TOKEN_NOT_FOUND, rpcerr.ReasonOf(fmt.Errorf("wrapped: %w", err)))
	require.Equal(t, rpcerr.Domain, status.Convert(err).Details()[0].(*errdetails.ErrorInfo).GetDomain())
}

func TestReasonOfForeignErrors(t *testing.T) {
	foreign, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Reason: "TOKEN_NOT_FOUND", Domain: "example.com"})
	require.NoError(t, err)
	newer, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Reason: "NOT_YET_INVENTED", Domain: rpcerr.Domain})
	require.NoError(t, err)
	for _, err := range []error{nil, errors.New("plain"), status.Error(codes.NotFound, "bare"), foreign.Err(), newer.Err()} {
		require.Equal(t, errorsv1.Reason_REASON_UNSPECIFIED, rpcerr.ReasonOf(err), "%v", err)
	}
}

func TestAnErrorIsNeverOK(t *testing.T) {
	require.Equal(t, codes.Internal, status.Code(rpcerr.New(codes.OK, errorsv1.Reason_INTERNAL_FAULT, "x")))
}

func TestInvalidNamesEveryField(t *testing.T) {
	err := rpcerr.InvalidReason(errorsv1.Reason_EGRESS_DENIED,
		rpcerr.Violation{Field: "connection.oauth2.token_endpoint", Description: "must be https"},
		rpcerr.Violation{Field: "connection_id", Description: "must not be empty"})
	st := status.Convert(err)
	require.Equal(t, codes.InvalidArgument, st.Code())
	require.Equal(t, "connection.oauth2.token_endpoint: must be https; connection_id: must not be empty", st.Message())
	require.Equal(t, errorsv1.Reason_EGRESS_DENIED, rpcerr.ReasonOf(err))
	bad := st.Details()[1].(*errdetails.BadRequest)
	require.Len(t, bad.GetFieldViolations(), 2)
	require.Equal(t, "connection.oauth2.token_endpoint", bad.GetFieldViolations()[0].GetField())
	require.Equal(t, "must be https", bad.GetFieldViolations()[0].GetDescription())
	require.Equal(t, "EGRESS_DENIED", bad.GetFieldViolations()[0].GetReason())
	require.Equal(t, errorsv1.Reason_INVALID_FIELD, rpcerr.ReasonOf(rpcerr.Invalid()))
}

type storeError struct{ down bool }

func (e storeError) Error() string     { return "dial db.internal: refused" }
func (e storeError) Unavailable() bool { return e.down }

func TestInternal(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithTimeout(context.Background(), -1)
	defer cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		err    error
		code   codes.Code
		reason errorsv1.Reason
		logged bool
	}{
		"plain":              {err: errors.New("disk on fire"), code: codes.Internal, reason: errorsv1.Reason_INTERNAL_FAULT, logged: true},
		"canceled":           {err: fmt.Errorf("read: %w", context.Canceled), code: codes.Canceled},
		"deadline":           {err: context.DeadlineExceeded, code: codes.DeadlineExceeded, reason: errorsv1.Reason_DEADLINE_EXCEEDED},
		"interrupted":        {ctx: canceled, err: errors.New("interrupted (9)"), code: codes.Canceled},
		"interrupted late":   {ctx: expired, err: errors.New("interrupted (9)"), code: codes.DeadlineExceeded, reason: errorsv1.Reason_DEADLINE_EXCEEDED},
		"store down":         {err: fmt.Errorf("get: %w", storeError{down: true}), code: codes.Unavailable, reason: errorsv1.Reason_STORE_UNAVAILABLE, logged: true},
		"store fault":        {err: storeError{}, code: codes.Internal, reason: errorsv1.Reason_INTERNAL_FAULT, logged: true},
		"service down":       {err: fmt.Errorf("ask: %w", status.Error(codes.Unavailable, "dial 10.0.0.1")), code: codes.Unavailable, reason: errorsv1.Reason_SERVICE_UNAVAILABLE, logged: true},
		"service refuses us": {err: fmt.Errorf("ask: %w", status.Error(codes.Unauthenticated, "no")), code: codes.Internal, reason: errorsv1.Reason_INTERNAL_FAULT, logged: true},
		"service too late":   {err: fmt.Errorf("ask: %w", status.Error(codes.DeadlineExceeded, "late")), code: codes.DeadlineExceeded, reason: errorsv1.Reason_DEADLINE_EXCEEDED},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			ctx := tc.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			err := rpcerr.Internal(ctx, slog.New(slog.NewTextHandler(&out, nil)), tc.err)
			require.Equal(t, tc.code, status.Code(err))
			require.Equal(t, tc.reason, rpcerr.ReasonOf(err))
			require.NotContains(t, err.Error(), tc.err.Error())
			if tc.logged {
				require.Contains(t, out.String(), tc.err.Error())
			} else {
				require.Empty(t, out.String())
			}
		})
	}
	require.NoError(t, rpcerr.Internal(context.Background(), slog.New(slog.DiscardHandler), nil))
}

func TestInternalTellsTheTrace(t *testing.T) {
	id := trace.TraceID{1, 2, 3}
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{4}}))
	st := status.Convert(rpcerr.Internal(ctx, slog.New(slog.DiscardHandler), errors.New("x")))
	require.Contains(t, st.Message(), id.String())
	require.Equal(t, id.String(), st.Details()[0].(*errdetails.ErrorInfo).GetMetadata()["trace_id"])
}

func TestFromHandler(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	ours := rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "no token")
	require.Same(t, ours, rpcerr.FromHandler(t.Context(), log, ours))
	require.NoError(t, rpcerr.FromHandler(t.Context(), log, nil))

	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason errorsv1.Reason
	}{
		"wrapped status":      {fmt.Errorf("oops: %w", ours), codes.Internal, errorsv1.Reason_INTERNAL_FAULT},
		"plain":               {errors.New("oops"), codes.Internal, errorsv1.Reason_INTERNAL_FAULT},
		"bare unavailable":    {status.Error(codes.Unavailable, "10.0.0.1"), codes.Unavailable, errorsv1.Reason_SERVICE_UNAVAILABLE},
		"bare unknown":        {status.Error(codes.Unknown, "oops"), codes.Internal, errorsv1.Reason_INTERNAL_FAULT},
		"bare unimplemented":  {status.Error(codes.Unimplemented, "oops"), codes.Unimplemented, errorsv1.Reason_METHOD_NOT_SERVED},
		"bare exhausted":      {status.Error(codes.ResourceExhausted, "too large"), codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED},
		"bare deadline":       {status.Error(codes.DeadlineExceeded, "late"), codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED},
		"bare canceled":       {status.Error(codes.Canceled, "gone"), codes.Canceled, errorsv1.Reason_REASON_UNSPECIFIED},
		"bare authentication": {status.Error(codes.Unauthenticated, "not our answer"), codes.Internal, errorsv1.Reason_INTERNAL_FAULT},
	} {
		t.Run(name, func(t *testing.T) {
			err := rpcerr.FromHandler(t.Context(), log, tc.err)
			require.Equal(t, tc.code, status.Code(err))
			require.Equal(t, tc.reason, rpcerr.ReasonOf(err))
		})
	}
}
