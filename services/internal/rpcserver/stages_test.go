package rpcserver_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
)

// invalidFields returns the fields that a status error complains of.
func invalidFields(t *testing.T, err error) []string {
	t.Helper()
	require.Equal(t, codes.InvalidArgument, status.Code(err), "%v", err)
	require.Equal(t, errorsv1.Reason_INVALID_FIELD, rpcerr.ReasonOf(err))
	var fields []string
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				require.NotEmpty(t, v.GetDescription())
				fields = append(fields, v.GetField())
			}
		}
	}
	return fields
}

func TestInvalidMessagesAreRefused(t *testing.T) {
	f := serve(t, &tokens{}, nil)
	client := tokenv1.NewTokenServiceClient(f.dial(admin()))

	_, err := client.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: "nonsense"})
	require.Equal(t, []string{"name"}, invalidFields(t, err))

	watch, err := client.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: "nonsense"})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.Equal(t, []string{"name"}, invalidFields(t, err))

	// The first message passes, the second does not.
	many, err := client.WatchTokens(t.Context())
	require.NoError(t, err)
	require.NoError(t, many.Send(addRequest(tokenName)))
	_, err = many.Recv()
	require.NoError(t, err)
	require.NoError(t, many.Send(addRequest(tokenName, "nonsense")))
	_, err = many.Recv()
	require.Equal(t, []string{"subscribe.names[1]"}, invalidFields(t, err))
}

func TestCallersAreKnownBeforeTheirMessagesAreRead(t *testing.T) {
	client := tokenv1.NewTokenServiceClient(serve(t, &tokens{}, nil).dial(nil))
	_, err := client.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: "nonsense"})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}

func TestErrorsOfHandlers(t *testing.T) {
	fail := func(err error) *tokens {
		return &tokens{
			get:   func(context.Context) error { return err },
			watch: func(tokenv1.TokenService_WatchTokenServer) error { return err },
		}
	}
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason errorsv1.Reason
		line   string
	}{
		"ours":    {rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "no token"), codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "no token"},
		"unknown": {errors.New("disk on fire"), codes.Internal, errorsv1.Reason_INTERNAL_FAULT, "disk on fire"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, fail(tc.err), nil)
			for _, kind := range []string{"unary", "server stream"} {
				err := calls[kind](t.Context(), f.dial(admin()))
				require.Equal(t, tc.code, status.Code(err))
				require.Equal(t, tc.reason, rpcerr.ReasonOf(err))
				require.NotContains(t, err.Error(), "disk on fire")
			}
			require.GreaterOrEqual(t, strings.Count(f.logs.String(), tc.line), 2)
			require.Contains(t, f.logs.String(), "rpc.method=/freshet.token.v1.TokenService/GetToken")
			require.Contains(t, f.logs.String(), "caller=admin")
		})
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	f := serve(t, &tokens{
		get:   func(context.Context) error { panic("kaboom") },
		watch: func(tokenv1.TokenService_WatchTokenServer) error { panic(errors.New("kaboom")) },
	}, nil)
	for _, kind := range []string{"unary", "server stream"} {
		err := calls[kind](t.Context(), f.dial(admin()))
		require.Equal(t, codes.Internal, status.Code(err))
		require.Equal(t, errorsv1.Reason_INTERNAL_FAULT, rpcerr.ReasonOf(err))
		require.NotContains(t, err.Error(), "kaboom")
	}
	require.Equal(t, 2, strings.Count(f.logs.String(), "panic: kaboom"))
	require.Contains(t, f.logs.String(), "stages_test.go", "the log has the stack")
	require.NoError(t, calls["bidi stream"](t.Context(), f.dial(admin())), "the server goes on")
}

func TestTooLargeAMessage(t *testing.T) {
	f := serve(t, &tokens{}, func(cfg *rpcserver.Config) { cfg.MaxRecvBytes = 1 << 10 })
	client := tokenv1.NewTokenServiceClient(f.dial(admin()))
	_, err := client.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: strings.Repeat("x", 2<<10)})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

// One trace spans client and server, and answers of faults name it.
func TestTracesCrossTheCall(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	var handled trace.SpanContext
	f := serve(t, &tokens{get: func(ctx context.Context) error {
		handled = trace.SpanContextFromContext(ctx)
		return errors.New("disk on fire")
	}}, func(cfg *rpcserver.Config) { cfg.TracerProvider = provider })
	conn, err := rpcclient.Dial("memory", rpcclient.Options{
		Credentials:    admin(),
		Dialer:         func(ctx context.Context, _ string) (net.Conn, error) { return f.memory.DialContext(ctx) },
		TracerProvider: provider,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()

	ctx, span := provider.Tracer("test").Start(t.Context(), "root")
	err = calls["unary"](ctx, conn)
	span.End()
	require.Equal(t, codes.Internal, status.Code(err))
	require.Equal(t, span.SpanContext().TraceID(), handled.TraceID())
	require.Contains(t, status.Convert(err).Message(), handled.TraceID().String())
}
