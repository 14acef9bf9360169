package rpcclient

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// logUnary and logStream tell of calls that fail, and of streams that cannot be
// opened. Callers decide what a failure means; this is for looking into them.
func logUnary(log *slog.Logger) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, opts...)
		logFailure(ctx, log, method, err)
		return err
	}
}

func logStream(log *slog.Logger) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := open(ctx, desc, cc, method, opts...)
		logFailure(ctx, log, method, err)
		return stream, err
	}
}

func logFailure(ctx context.Context, log *slog.Logger, method string, err error) {
	if err == nil || !log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	st := status.Convert(err)
	log.LogAttrs(ctx, slog.LevelDebug, "outgoing call failed",
		slog.String("rpc.method", method),
		slog.String("rpc.response.status_code", st.Code().String()),
		slog.String("message", st.Message()))
}
