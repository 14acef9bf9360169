package connectiontest

import (
	"context"
	"io/fs"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/account"
	"github.com/freshet-io/freshet/services/connection/announce"
	"github.com/freshet-io/freshet/services/connection/catalog"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/probe"
	"github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/connection/tokens"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Suite is a connection service with its neighbours.
type Suite struct {
	Tokens  *TokenService
	Bus     *EventBus
	Guard   *egress.Guard // public addresses by https
	Sealer  *seal.Sealer
	DB      *sqldb.DB
	Store   *store.Store
	Service *connection.Service
	Catalog *catalog.Catalog
	Connect *connect.Service

	peers *grpc.ClientConn
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
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
		tokenv1.RegisterTokenRecordServiceServer(r, s.Tokens)
		deliveryv1.RegisterDeliveryServiceServer(r, s.Bus)
	}).As(t, authn.ServiceConnection)
	var err error
	s.Catalog, err = catalog.New(nil)
	require.NoError(t, err)
	s.Service = s.Replica(t, db)
	s.Connect, err = connect.NewService(connect.Params{
		Store: s.Store, Grants: s.Service, Catalog: s.Catalog, Authorizer: tokens.NewAuthorizer(s.peers),
		Asker: account.New(s.peers, s.Guard.Client()), PublicURL: PublicURL, Logger: logger(t),
	})
	require.NoError(t, err)
	return s
}

// PublicURL is where browsers reach the suite, as far as it knows.
const PublicURL = "https://connect.example"

// Replica returns another service with the same neighbours and master key, on db.
func (s *Suite) Replica(t testing.TB, db *sqldb.DB) *connection.Service {
	t.Helper()
	s.Store = store.New(db, s.Sealer)
	client := tokens.New(s.peers)
	service, err := connection.NewService(connection.Params{
		Store: s.Store, Grants: s.Store, Tokens: client, Records: client, Announcer: announce.New(s.peers), Probe: probe.New(s.Guard, client),
		Catalog: s.Catalog,
		CheckURL: func(raw string) error {
			_, err := s.Guard.CheckURL(raw)
			return err
		},
		Logger: logger(t),
	})
	require.NoError(t, err)
	return service
}

// Start runs the loops of a service until the returned function is called, or the test ends.
func Start(t testing.TB, service *connection.Service) (stop func()) {
	t.Helper()
	return Loop(t, service.Run)
}

// Loop runs a loop until the returned function is called, or the test ends.
func Loop(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
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
