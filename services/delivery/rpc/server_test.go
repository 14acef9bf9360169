package rpc_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/rpc"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

const (
	parent   = "projects/p"
	standard = "projects/p/buses/default"
	adminKey = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
)

// fixture is the service behind a server as the product has it.
type fixture struct {
	*deliverytest.Suite
	db       *sqldb.DB
	api      deliveryv1.DeliveryServiceClient // called with the admin key
	internal deliveryv1.DeliveryServiceClient // called by a service of the suite
	admin    *grpc.ClientConn                 // with the admin key
	gateway  *grpc.ClientConn                 // as the gateway
	archives deliveryv1.ArchiveServiceClient
	replays  deliveryv1.ReplayServiceClient
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := sqltest.Open(t, sqldb.SQLite, store.Migrations())
	suite := deliverytest.New(t, db, deliverytest.Options{Params: func(p *delivery.Params) {
		p.CheckURL = func(raw string) error {
			_, err := deliverytest.Loopback().CheckURL(raw)
			return err
		}
	}}).Run(t)
	tokens := authn.NewInternalTokens(make([]byte, sha256.Size), time.Now)
	server, err := rpcserver.New(rpcserver.Config{
		Policy: rpcserver.Policy{"freshet.delivery.v1.WebhookInternalService": {authn.ServiceGateway}},
		Logger: slog.New(slog.DiscardHandler), Authenticator: authn.New(sha256.Sum256([]byte(adminKey)), tokens),
	})
	require.NoError(t, err)
	rpc.Register(server, suite.Service, rpc.Options{Jobs: suite.Jobs, Pages: page.NewCodec(make([]byte, 32))})
	listener := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})
	dial := func(as credentials.PerRPCCredentials) *grpc.ClientConn {
		conn, err := rpcclient.Dial("memory", rpcclient.Options{
			Credentials: as, Dialer: func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) },
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		return conn
	}
	admin := dial(authn.AdminCredentials(seal.NewSecret(adminKey)))
	return &fixture{
		Suite: suite, db: db, admin: admin, gateway: dial(tokens.Credentials(authn.ServiceGateway)),
		api:      deliveryv1.NewDeliveryServiceClient(admin),
		archives: deliveryv1.NewArchiveServiceClient(admin),
		replays:  deliveryv1.NewReplayServiceClient(admin),
		internal: deliveryv1.NewDeliveryServiceClient(dial(tokens.Credentials(authn.ServiceConnection))),
	}
}

func requireError(t *testing.T, err error, code codes.Code, reason errorsv1.Reason) {
	t.Helper()
	require.Equal(t, code, status.Code(err), "%v", err)
	require.Equal(t, reason, rpcerr.ReasonOf(err), "%v", err)
}

// requireField checks that the error is about one field and says why.
func requireField(t *testing.T, err error, reason errorsv1.Reason, field, says string) {
	t.Helper()
	requireError(t, err, codes.InvalidArgument, reason)
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			require.Len(t, bad.GetFieldViolations(), 1, "%v", err)
			require.Equal(t, field, bad.GetFieldViolations()[0].GetField())
			require.Contains(t, bad.GetFieldViolations()[0].GetDescription(), says)
			return
		}
	}
	require.FailNow(t, "no field is named", "%v", err)
}

func (f *fixture) destination(t *testing.T, id string, change func(*deliveryv1.Destination)) *deliveryv1.Destination {
	t.Helper()
	d := &deliveryv1.Destination{Connection: deliverytest.CRM, Endpoint: "https://api.example/x"}
	if change != nil {
		change(d)
	}
	r, err := f.api.CreateDestination(t.Context(), &deliveryv1.CreateDestinationRequest{Parent: parent, DestinationId: id, Destination: d})
	require.NoError(t, err)
	return r.GetDestination()
}

func (f *fixture) createRule(ctx context.Context, id string, rule *deliveryv1.Rule) (*deliveryv1.Rule, error) {
	r, err := f.api.CreateRule(ctx, &deliveryv1.CreateRuleRequest{Parent: standard, RuleId: id, Rule: rule})
	return r.GetRule(), err
}

func simpleRule(targets ...*deliveryv1.Target) *deliveryv1.Rule {
	return &deliveryv1.Rule{EventPattern: `{"source":["shop"]}`, Targets: targets}
}

func target(destination string) *deliveryv1.Target {
	return &deliveryv1.Target{Id: "t", Destination: "projects/p/destinations/" + destination}
}

func TestUnavailableStore(t *testing.T) {
	f := newFixture(t)
	f.Stop()
	require.NoError(t, f.db.Close())
	_, err := f.api.ListBuses(t.Context(), &deliveryv1.ListBusesRequest{Parent: parent})
	requireError(t, err, codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE)
}
