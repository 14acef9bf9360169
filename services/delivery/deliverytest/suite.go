package deliverytest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/connections"
	"github.com/freshet-io/freshet/services/delivery/credentials"
	"github.com/freshet-io/freshet/services/delivery/httpsend"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Suite is a delivery service with what it needs.
type Suite struct {
	Tokens  *Tokens
	Service *delivery.Service
	Jobs    *jobs.Service
	Store   *store.Store

	watcher *credentials.Watcher
	tasks   sync.WaitGroup
	cancel  context.CancelFunc
}

// Options change what a Suite is made of.
type Options struct {
	// Tokens stands for the token service. Default: a new one with a token for the connection "crm" of the project "p".
	Tokens *Tokens
	// HTTP makes the requests. Default: a client of its own.
	HTTP *http.Client
	// Params changes the service's parameters.
	Params func(*delivery.Params)
}

// CRM is the connection of the tests.
const CRM = "projects/p/connections/crm"

// New returns a suite on a database with the migrations. The service does not run yet.
func New(t testing.TB, db *sqldb.DB, o Options) *Suite {
	t.Helper()
	if o.Tokens == nil {
		o.Tokens = NewTokens()
		o.Tokens.Bearer(CRM, "token-1")
	}
	if o.HTTP == nil {
		o.HTTP = Loopback().Client()
		t.Cleanup(o.HTTP.CloseIdleConnections)
	}
	conn := Dial(t, o.Tokens)
	s := &Suite{Tokens: o.Tokens, Store: store.New(db, NewSealer(t)), watcher: credentials.New(conn, credentials.Options{})}
	p := delivery.Params{
		Store: s.Store, Credentials: s.watcher, Connections: connections.New(conn), Sender: httpsend.New(o.HTTP.Transport, nil),
		CheckURL: func(string) error { return nil }, Instance: t.Name(),
	}
	if o.Params != nil {
		o.Params(&p)
	}
	var err error
	s.Service, err = delivery.NewService(p)
	require.NoError(t, err)
	s.Jobs, err = jobs.NewService(jobs.Params{Store: s.Store, Bus: s.Service, MeterProvider: p.MeterProvider, Now: p.Now})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s.tasks.Go(func() { _ = s.watcher.Run(ctx) })
	s.cancel = cancel
	t.Cleanup(s.Stop)
	return s
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

// Loopback lets calls to servers of this machine out, over http.
func Loopback() *egress.Guard {
	return egress.NewGuard(egress.Policy{
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, AllowHTTP: true,
	}, egress.Options{})
}

// Run runs the service until Stop.
func (s *Suite) Run(t testing.TB) *Suite {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stopWatcher := s.cancel
	done := make(chan error, 2)
	go func() { done <- s.Service.Run(ctx) }()
	go func() { done <- s.Jobs.Run(ctx) }()
	s.cancel = func() {
		cancel()
		err := errors.Join(<-done, <-done)
		stopWatcher()
		require.NoError(t, err)
	}
	return s
}

// Stop stops what runs, in order, and waits for it.
func (s *Suite) Stop() {
	if cancel := s.cancel; cancel != nil {
		s.cancel = nil
		cancel()
		s.tasks.Wait()
	}
}

// Dial returns a connection to a server in memory that stands for the token and the connection service, until the test ends.
func Dial(t testing.TB, tokens *Tokens) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	tokenv1.RegisterTokenServiceServer(server, tokens)
	tokenv1.RegisterDpopServiceServer(server, tokens)
	connectionv1.RegisterConnectionServiceServer(server, tokens)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-served)
	})
	return conn
}

// Destination creates a destination of the project "p" with the connection CRM.
func (s *Suite) Destination(t testing.TB, id, endpoint string, change func(*delivery.Destination)) delivery.Destination {
	t.Helper()
	d := delivery.Destination{
		Name: delivery.DestinationName{Project: "p", Destination: id}, Connection: "crm", Endpoint: endpoint,
	}
	if change != nil {
		change(&d)
	}
	d, err := s.Service.CreateDestination(t.Context(), d, delivery.Write{})
	require.NoError(t, err)
	return d
}

// Rule creates a rule of the default bus of the project "p" that sends events of a source to a destination of the same name.
func (s *Suite) Rule(t testing.TB, source string, change func(*delivery.Rule)) delivery.Rule {
	t.Helper()
	r := delivery.Rule{
		Name:         delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: source},
		EventPattern: `{"source":["` + source + `"]}`,
		Targets:      []delivery.Target{{ID: "t", Destination: source}},
	}
	if change != nil {
		change(&r)
	}
	r, err := s.Service.CreateRule(t.Context(), r, delivery.Write{})
	require.NoError(t, err)
	return r
}

// Put puts events with these details on the default bus of the project "p", and returns their ids.
func (s *Suite) Put(t testing.TB, source string, details ...string) []string {
	t.Helper()
	var ids []string
	for len(details) > 0 {
		n := min(len(details), delivery.DefaultMaxEntries)
		var entries []delivery.Entry
		for _, detail := range details[:n] {
			entries = append(entries, delivery.Entry{Source: source, DetailType: "Test", Detail: detail})
		}
		results, err := s.Service.PutEvents(t.Context(), Default, entries, false)
		require.NoError(t, err)
		for _, r := range results {
			require.Empty(t, r.Code, r.Message)
			ids = append(ids, r.EventID)
		}
		details = details[n:]
	}
	return ids
}

// Default is the default bus of the project "p".
var Default = delivery.BusName{Project: "p", Bus: delivery.DefaultBus}
