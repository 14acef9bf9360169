package connectiontest

import (
	"context"
	"crypto/sha256"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// adminKey is the one that servers of tests accept.
const adminKey = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// Server is a gRPC server in memory, built as those of the product are.
type Server struct {
	listener *bufconn.Listener
	internal *authn.InternalTokens
}

// Serve runs a server until the test ends.
func Serve(t testing.TB, register func(grpc.ServiceRegistrar)) *Server {
	t.Helper()
	s := &Server{
		listener: bufconn.Listen(1 << 20),
		internal: authn.NewInternalTokens(make([]byte, sha256.Size), time.Now),
	}
	server, err := rpcserver.New(rpcserver.Config{
		Logger:        logger(t),
		Authenticator: authn.New(sha256.Sum256([]byte(adminKey)), s.internal),
		Policy: rpcserver.Policy{
			"freshet.token.v1.TokenInternalService":           {authn.ServiceConnection},
			"freshet.token.v1.AuthorizationInternalService":   {authn.ServiceConnection},
			"freshet.connection.v1.ConnectionInternalService": {authn.ServiceToken},
			"freshet.connection.v1.ConnectInternalService":    {authn.ServiceGateway},
		},
	})
	require.NoError(t, err)
	register(server)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, s.listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})
	return s
}

// As returns a connection for calls of a service of the suite.
func (s *Server) As(t testing.TB, service string) *grpc.ClientConn {
	return s.dial(t, s.internal.Credentials(service))
}

// AsAdmin returns a connection for calls with the admin key.
func (s *Server) AsAdmin(t testing.TB) *grpc.ClientConn {
	return s.dial(t, authn.AdminCredentials(seal.NewSecret(adminKey)))
}

func (s *Server) dial(t testing.TB, as credentials.PerRPCCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := rpcclient.Dial("memory", rpcclient.Options{
		Credentials: as,
		Dialer:      func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}
