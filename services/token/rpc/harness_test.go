package rpc_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/learn"
	"github.com/freshet-io/freshet/services/token/oauth"
	"github.com/freshet-io/freshet/services/token/rpc"
	"github.com/freshet-io/freshet/services/token/settings"
	"github.com/freshet-io/freshet/services/token/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	adminKey     = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	clientSecret = "s3cr3t-of-the-client"
	uid          = "uid-1"
	crmName      = "projects/default/connections/crm/token"
)

// connections plays the connection service over gRPC.
type connections struct {
	connectionv1.UnimplementedConnectionInternalServiceServer
	mu       sync.Mutex
	settings map[string]*connectionv1.AuthorizationSettings
	err      error
}

func (c *connections) GetAuthorizationSettings(_ context.Context, in *connectionv1.GetAuthorizationSettingsRequest) (*connectionv1.GetAuthorizationSettingsResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	s, ok := c.settings[in.GetName()]
	if !ok {
		return nil, rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "no such connection")
	}
	return &connectionv1.GetAuthorizationSettingsResponse{Settings: s}, nil
}

func (c *connections) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// inMemory serves requests from a handler without a network, so that they work in a synctest bubble.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

// world is the token service behind a real server, with everything around it.
type world struct {
	t           *testing.T
	auth        *authserver.Server
	connections *connections
	tokens      tokenv1.TokenServiceClient
	proofs      tokenv1.DpopServiceClient
	rehearsals  tokenv1.RehearsalServiceClient
	learning    tokenv1.LearningServiceClient
	internal    tokenv1.TokenInternalServiceClient
	records     tokenv1.TokenRecordServiceClient
	spans       *tracetest.SpanRecorder
	metrics     *metric.ManualReader
	stop        func()
}

// newWorld starts a world with tokens of the given lifetime. It belongs in a synctest bubble.
func newWorld(t *testing.T, lifetime time.Duration) *world {
	t.Helper()
	auth, err := authserver.New(authserver.Config{
		Issuer: "https://as.example", TokenLifetime: lifetime,
		Clients: []authserver.Client{{ID: "crm", Secrets: []string{clientSecret}, Scopes: []string{"read"}}},
	})
	require.NoError(t, err)
	w := &world{
		t: t, auth: auth, spans: tracetest.NewSpanRecorder(), metrics: metric.NewManualReader(),
		connections: &connections{settings: map[string]*connectionv1.AuthorizationSettings{}},
	}
	for _, name := range []string{"crm", "erp"} {
		w.connections.settings["projects/default/connections/"+name] = oauthSettings(name)
	}
	w.serve()
	return w
}

// oauthSettings are those of a connection to the world's authorization server.
func oauthSettings(connection string) *connectionv1.AuthorizationSettings {
	return &connectionv1.AuthorizationSettings{
		Name: "projects/default/connections/" + connection, Uid: uid, Revision: 1,
		Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://as.example" + authserver.PathToken,
			ClientId: "crm", ClientSecret: clientSecret, Scopes: []string{"read"},
			RefreshPolicy: &connectionv1.RefreshPolicy{RefreshBefore: durationpb.New(time.Minute)},
		}},
		InvocationParameters: &connectionv1.HttpParameters{
			Headers: []*connectionv1.HttpParameter{{Key: "X-Tenant", Value: "t-1", Secret: true}},
			Query:   []*connectionv1.HttpParameter{{Key: "v", Value: "2"}},
			Body:    []*connectionv1.HttpParameter{{Key: "b", Value: "3"}},
		},
	}
}

// serve starts the server and the service, and connects to them.
func (w *world) serve() {
	t := w.t
	key, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	sealer, err := seal.ParseMasterKey(key)
	require.NoError(t, err)
	tracing := trace.NewTracerProvider(trace.WithSpanProcessor(w.spans))
	client, err := oauth.New(oauth.Config{HTTP: &http.Client{Transport: inMemory{w.auth.Handler()}}, Tracer: tracing})
	require.NoError(t, err)
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	internalKeys := authn.NewInternalTokens([]byte(strings.Repeat("k", 32)), time.Now)
	server, err := rpcserver.New(rpcserver.Config{
		Logger: logger, Authenticator: authn.New(sha256.Sum256([]byte(adminKey)), internalKeys),
		Policy: rpcserver.Policy{
			"freshet.token.v1.TokenInternalService":           {authn.ServiceConnection},
			"freshet.token.v1.TokenRecordService":             {authn.ServiceConnection},
			"freshet.token.v1.AuthorizationInternalService":   {authn.ServiceConnection},
			"freshet.connection.v1.ConnectionInternalService": {authn.ServiceToken},
		},
	})
	require.NoError(t, err)
	memory := bufconn.Listen(1 << 20)
	dial := func(creds credentials.PerRPCCredentials) *grpc.ClientConn {
		conn, err := rpcclient.Dial("memory", rpcclient.Options{
			Credentials: creds, Dialer: func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) },
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	tokens := store.New(sqltest.Open(t, sqldb.SQLite, store.Migrations()), sealer)
	svc, err := token.NewService(token.Params{
		Store: tokens, Revocations: tokens, Budgets: tokens,
		Settings: settings.New(dial(internalKeys.Credentials(authn.ServiceToken))), Exchanger: client, Logger: logger,
		Tracer: tracing,
		Meter:  metric.NewMeterProvider(metric.WithReader(w.metrics)),
	})
	require.NoError(t, err)
	connectionv1.RegisterConnectionInternalServiceServer(server, w.connections)
	rpc.Register(server, svc, rpc.Options{Logger: logger, Draining: server.Draining(), Pages: page.NewCodec([]byte(strings.Repeat("p", 32)))})
	learner := learn.New(client, &http.Client{Transport: inMemory{w.auth.Handler()}}, onlyHTTPS, time.Now)
	rpc.RegisterLearning(server, learner, server.Draining(), logger)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- server.Serve(ctx, memory) }()
	go func() { done <- svc.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		for range cap(done) {
			require.NoError(t, <-done)
		}
	})
	t.Cleanup(w.stop)
	admin := dial(authn.AdminCredentials(seal.NewSecret(adminKey)))
	w.tokens, w.proofs = tokenv1.NewTokenServiceClient(admin), tokenv1.NewDpopServiceClient(admin)
	w.rehearsals, w.learning = tokenv1.NewRehearsalServiceClient(admin), tokenv1.NewLearningServiceClient(admin)
	service := dial(internalKeys.Credentials(authn.ServiceConnection))
	w.internal, w.records = tokenv1.NewTokenInternalServiceClient(service), tokenv1.NewTokenRecordServiceClient(service)
}

// onlyHTTPS is the egress rule of this world.
func onlyHTTPS(raw string) error {
	if !strings.HasPrefix(raw, "https://") {
		return errors.New("must be https")
	}
	return nil
}

// stopping stops the world and returns a channel that is closed when that is done. (Two goroutines in stop would wait for a
// mutex, and a bubble's clock stands still as long as somebody does.)
func (w *world) stopping() <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.stop()
	}()
	return stopped
}

// authorize starts to keep a token and waits for its first generation.
func (w *world) authorize(name string) *tokenv1.Token {
	w.t.Helper()
	_, err := w.internal.AuthorizeToken(w.t.Context(), &tokenv1.AuthorizeTokenRequest{Name: name, ConnectionUid: uid, Revision: 1})
	require.NoError(w.t, err)
	got, err := w.tokens.GetToken(w.t.Context(), &tokenv1.GetTokenRequest{Name: name})
	require.NoError(w.t, err)
	return got.GetToken()
}

// metric returns what was measured under a name; nil if nothing was.
func (w *world) metric(name string) metricdata.Aggregation {
	w.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(w.t, w.metrics.Collect(w.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m.Data
			}
		}
	}
	return nil
}

func requireStatus(t *testing.T, err error, code codes.Code, reason errorsv1.Reason) {
	t.Helper()
	require.Equal(t, code.String(), status.Code(err).String(), "%v", err)
	require.Equal(t, reason.String(), rpcerr.ReasonOf(err).String(), "%v", err)
	require.NotContains(t, err.Error(), clientSecret)
}
