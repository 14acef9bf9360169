package rpcserver_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
)

func requireShuttingDown(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	require.Equal(t, errorsv1.Reason_SHUTTING_DOWN, rpcerr.ReasonOf(err))
}

// Whatever a streaming handler does when its server leaves, its callers see
// SHUTTING_DOWN and the server does not wait for the drain timeout.
func TestDrainEndsStreams(t *testing.T) {
	handlers := map[string]func(tokenv1.TokenService_WatchTokenServer) error{
		"returns nil": func(s tokenv1.TokenService_WatchTokenServer) error {
			<-s.Context().Done()
			return nil
		},
		"returns the context's error": func(s tokenv1.TokenService_WatchTokenServer) error {
			<-s.Context().Done()
			return s.Context().Err()
		},
		"returns its cause": func(s tokenv1.TokenService_WatchTokenServer) error {
			<-s.Context().Done()
			return context.Cause(s.Context())
		},
	}
	for name, watch := range handlers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := serve(t, &tokens{watch: watch}, nil)
				stream, err := tokenv1.NewTokenServiceClient(f.dial(admin())).WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: tokenName})
				require.NoError(t, err)
				synctest.Wait()
				begin := time.Now()
				f.stop()
				_, err = stream.Recv()
				requireShuttingDown(t, err)
				require.NoError(t, <-f.result)
				require.Zero(t, time.Since(begin))
			})
		})
	}
}

// Drain ends streams, old and new, while unary calls go on: other parts of the
// process may still need them to stop in order.
func TestDrainBeforeStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := func(s tokenv1.TokenService_WatchTokenServer) error {
			<-s.Context().Done()
			return s.Context().Err()
		}
		f := serve(t, &tokens{watch: waits, get: func(context.Context) error { return nil }}, nil)
		conn := f.dial(admin())
		open, err := tokenv1.NewTokenServiceClient(conn).WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: tokenName})
		require.NoError(t, err)
		synctest.Wait()
		f.Drain()
		_, err = open.Recv()
		requireShuttingDown(t, err)
		requireShuttingDown(t, calls["server stream"](t.Context(), conn))
		require.NoError(t, calls["unary"](t.Context(), conn))
		f.stop()
		require.NoError(t, <-f.result)
	})
}

// Streams whose handlers wait for the next message of their caller end too:
// those of two-way streams, and those of gRPC's own services.
func TestDrainEndsStreamsThatReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serve(t, &tokens{}, nil)
		conn := f.dial(admin())
		many, err := tokenv1.NewTokenServiceClient(conn).WatchTokens(t.Context())
		require.NoError(t, err)
		reflection, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
		require.NoError(t, err)
		watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		require.NoError(t, err)
		resp, err := watch.Recv()
		require.NoError(t, err)
		require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, resp.GetStatus())
		synctest.Wait()

		begin := time.Now()
		f.stop()
		_, err = many.Recv()
		requireShuttingDown(t, err)
		_, err = reflection.Recv()
		requireShuttingDown(t, err)
		if resp, err = watch.Recv(); err == nil { // it may have seen the change first
			require.Equal(t, grpc_health_v1.HealthCheckResponse_NOT_SERVING, resp.GetStatus())
			_, err = watch.Recv()
		}
		requireShuttingDown(t, err)
		require.NoError(t, <-f.result)
		require.Zero(t, time.Since(begin))
	})
}

// A call in flight finishes; one that waits sees Draining.
func TestDrainLetsUnaryCallsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *fixture
		impl := &tokens{get: func(ctx context.Context) error {
			<-f.Draining()
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		f = serve(t, impl, nil)
		conn, answered := f.dial(admin()), make(chan error, 1)
		go func() { answered <- calls["unary"](t.Context(), conn) }()
		synctest.Wait()
		begin := time.Now()
		f.stop()
		require.NoError(t, <-answered)
		require.NoError(t, <-f.result)
		require.Equal(t, 3*time.Second, time.Since(begin))
	})
}

func TestDrainTimeoutCutsCallsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		impl := &tokens{get: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		f := serve(t, impl, func(cfg *rpcserver.Config) { cfg.DrainTimeout = 7 * time.Second })
		conn, answered := f.dial(admin()), make(chan error, 1)
		go func() { answered <- calls["unary"](t.Context(), conn) }()
		synctest.Wait()
		begin := time.Now()
		f.stop()
		require.NoError(t, <-f.result, "the handler returned when it was cut off")
		require.Equal(t, 7*time.Second, time.Since(begin))
		require.Equal(t, codes.Unavailable, status.Code(<-answered))
	})
}

func TestHandlersThatIgnoreEverythingAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := serve(t, &tokens{get: func(context.Context) error { <-release; return nil }}, nil)
		conn, answered := f.dial(admin()), make(chan error, 1)
		go func() { answered <- calls["unary"](t.Context(), conn) }()
		synctest.Wait()
		f.stop()
		require.ErrorContains(t, <-f.result, "handlers still running")
		require.Equal(t, codes.Unavailable, status.Code(<-answered))
		close(release)
	})
}

func TestABrokenListenerEndsServe(t *testing.T) {
	listener := listenTCP(t)
	require.NoError(t, listener.Close())
	f := serve(t, &tokens{}, nil, listener)
	require.ErrorContains(t, <-f.result, "serve on 127.0.0.1")
}

func TestTLSOutsideAndMemoryInside(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	listener := listenTCP(t)
	f := serve(t, &tokens{}, func(cfg *rpcserver.Config) { cfg.TLS = serverTLS }, listener)
	for kind, do := range calls {
		if kind == "unary" || kind == "server stream" {
			require.NoError(t, do(t.Context(), f.dialTCP(listener.Addr(), admin(), clientTLS)), "%s over TLS", kind)
			require.NoError(t, do(t.Context(), f.dial(admin())), "%s in memory", kind)
		}
	}
	require.Equal(t, codes.Unavailable, status.Code(calls["server stream"](t.Context(), f.dialTCP(listener.Addr(), admin(), nil))), "plaintext")
	_, stranger := certificate(t)
	require.Equal(t, codes.Unavailable, status.Code(calls["server stream"](t.Context(), f.dialTCP(listener.Addr(), admin(), stranger))), "unknown certificate")
}
