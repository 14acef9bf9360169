package rpcclient_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "projects/p/connections/c/token"

// flaky fails each method's first calls with UNAVAILABLE.
type flaky struct {
	tokenv1.UnimplementedTokenServiceServer
	failures int32
	calls    atomic.Int32
	got      atomic.Value // the authorization header of the last call
}

func (s *flaky) answer(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if values := md.Get("authorization"); len(values) == 1 {
		s.got.Store(values[0])
	}
	if s.calls.Add(1) <= s.failures {
		return rpcerr.New(codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE, "not now")
	}
	return nil
}

func (s *flaky) GetToken(ctx context.Context, _ *tokenv1.GetTokenRequest) (*tokenv1.GetTokenResponse, error) {
	return &tokenv1.GetTokenResponse{}, s.answer(ctx)
}

func (s *flaky) RefreshToken(ctx context.Context, _ *tokenv1.RefreshTokenRequest) (*tokenv1.RefreshTokenResponse, error) {
	return &tokenv1.RefreshTokenResponse{}, s.answer(ctx)
}

func (s *flaky) WatchToken(_ *tokenv1.WatchTokenRequest, stream tokenv1.TokenService_WatchTokenServer) error {
	return s.answer(stream.Context())
}

// dialer serves impl in memory and returns how to reach it.
func dialer(t *testing.T, impl *flaky) func(context.Context, string) (net.Conn, error) {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	tokenv1.RegisterTokenServiceServer(server, impl)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
}

func client(t *testing.T, o rpcclient.Options) tokenv1.TokenServiceClient {
	t.Helper()
	conn, err := rpcclient.Dial("token", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return tokenv1.NewTokenServiceClient(conn)
}

func TestSafeMethodsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		impl := &flaky{failures: 2}
		c := client(t, rpcclient.Options{Dialer: dialer(t, impl)})
		begin := time.Now()
		_, err := c.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: name})
		require.NoError(t, err)
		require.EqualValues(t, 3, impl.calls.Load())
		require.Less(t, time.Since(begin), 2*time.Second)

		impl.calls.Store(-1) // three failures: one too many
		_, err = c.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: name})
		require.Equal(t, errorsv1.Reason_STORE_UNAVAILABLE, rpcerr.ReasonOf(err))
		require.EqualValues(t, 2, impl.calls.Load())
	})
}

func TestOthersAreNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		impl := &flaky{failures: 10}
		c := client(t, rpcclient.Options{Dialer: dialer(t, impl)})
		_, err := c.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: name})
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.EqualValues(t, 1, impl.calls.Load(), "a method with side effects")

		stream, err := c.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: name})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.EqualValues(t, 2, impl.calls.Load(), "a stream")
	})
}

// elsewhere is a connection that says it leads to another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 9090}
}

func TestPlaintextNeverLeavesTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		impl := &flaky{}
		inMemory := dialer(t, impl)
		creds := authn.AdminCredentials(seal.NewSecret("fk_secret"))

		_, err := client(t, rpcclient.Options{Credentials: creds, Dialer: inMemory}).GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: name})
		require.NoError(t, err)
		require.Equal(t, "Bearer fk_secret", impl.got.Load())

		var out bytes.Buffer
		c := client(t, rpcclient.Options{
			Credentials: creds,
			Logger:      slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Dialer: func(ctx context.Context, addr string) (net.Conn, error) {
				conn, err := inMemory(ctx, addr)
				return elsewhere{conn}, err
			},
		})
		_, err = c.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: name})
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.ErrorContains(t, err, "plaintext is refused")
		require.EqualValues(t, 1, impl.calls.Load())
		require.Contains(t, out.String(), "rpc.method=/freshet.token.v1.TokenService/GetToken")
		require.NotContains(t, out.String(), "fk_secret")
	})
}

func TestLoopbackIsLocal(t *testing.T) {
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, impl := grpc.NewServer(), &flaky{}
	tokenv1.RegisterTokenServiceServer(server, impl)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	defer func() {
		server.Stop()
		<-done
	}()
	conn, err := rpcclient.Dial(listener.Addr().String(), rpcclient.Options{Credentials: authn.AdminCredentials(seal.NewSecret("fk_secret"))})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = tokenv1.NewTokenServiceClient(conn).GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: name})
	require.NoError(t, err)
	require.Equal(t, "Bearer fk_secret", impl.got.Load())
}

func TestTheTargetMustParse(t *testing.T) {
	_, err := rpcclient.Dial("unknown-scheme://host:1\x7f", rpcclient.Options{})
	require.ErrorContains(t, err, "rpcclient")
}
