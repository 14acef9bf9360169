package connectiontest

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"testing"

	"buf.build/go/protovalidate"
	protovalidate_middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/announce"
	"github.com/freshet-io/freshet/services/connection/probe"
	"github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/connection/tokens"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Suite is a connection service with its neighbours.
type Suite struct {
	Tokens  *TokenService
	Bus     *EventBus
	Guard   *egress.Guard // public addresses by https, unless a test replaces it before New
	Sealer  *seal.Sealer
	DB      *sqldb.DB
	Store   *store.Store
	Service *connection.Service

	peers *grpc.ClientConn
}

// Migrations are those of the service's database.
func Migrations() fs.FS { return store.Migrations() }

// NewSuite returns a service on db, which is migrated. Its loops do not run yet.
func NewSuite(t testing.TB, db *sqldb.DB) *Suite {
	t.Helper()
	s := &Suite{
		Tokens: &TokenService{}, Bus: &EventBus{}, Sealer: NewSealer(t), DB: db,
		Guard: egress.NewGuard(egress.Policy{}, egress.Options{}),
	}
	s.peers = Serve(t, func(r grpc.ServiceRegistrar) {
		tokenv1.RegisterTokenInternalServiceServer(r, s.Tokens)
		deliveryv1.RegisterDeliveryServiceServer(r, s.Bus)
	})
	s.Service = s.Replica(t, db)
	return s
}

// Replica returns another service with the same neighbours and master key, on db.
func (s *Suite) Replica(t testing.TB, db *sqldb.DB) *connection.Service {
	t.Helper()
	s.Store = store.New(db, s.Sealer)
	client := tokens.New(s.peers)
	service, err := connection.NewService(connection.Params{
		Store: s.Store, Tokens: client, Announcer: announce.New(s.peers), Probe: probe.New(s.Guard, client),
		CheckURL: func(raw string) error {
			_, err := s.Guard.CheckURL(raw)
			return err
		},
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	return service
}

// Start runs the loops of a service until the returned function is called, or the test ends.
func Start(t testing.TB, service *connection.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	stop = func() {
		cancel()
		if err, ok := <-done; ok {
			require.ErrorIs(t, err, context.Canceled)
			close(done)
		}
	}
	t.Cleanup(stop)
	return stop
}

// NewSealer returns a sealer with a new master key.
func NewSealer(t testing.TB) *seal.Sealer {
	t.Helper()
	key, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	sealer, err := seal.ParseMasterKey(key)
	require.NoError(t, err)
	return sealer
}

// Serve runs a gRPC server in memory, which holds requests against the rules of their contract, and returns a connection to it.
func Serve(t testing.TB, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	validator, err := protovalidate.New()
	require.NoError(t, err)
	server := grpc.NewServer(
		grpc.UnaryInterceptor(protovalidate_middleware.UnaryServerInterceptor(validator)),
		grpc.StreamInterceptor(protovalidate_middleware.StreamServerInterceptor(validator)))
	register(server)
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-served)
	})
	return conn
}
