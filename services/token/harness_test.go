package token_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
	"github.com/freshet-io/freshet/services/token/store"
)

const (
	clientID     = "crm"
	clientSecret = "s3cr3t-of-the-client"
	publicID     = "crm-app"
	uid          = "uid-1"
)

var crm = token.Key{Project: "default", Connection: "crm"}

// connections plays the connection service: it hands out settings.
type connections struct {
	mu       sync.Mutex
	settings map[string]token.Settings
	err      error
	asked    int
}

func (c *connections) AuthorizationSettings(_ context.Context, name string) (token.Settings, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.err != nil {
		return token.Settings{}, c.err
	}
	s, ok := c.settings[name]
	if !ok {
		return token.Settings{}, &token.Failure{Class: token.ClassOurs, Reason: token.ReasonConnectionNotFound, Message: "the connection does not exist"}
	}
	return s, nil
}

func (c *connections) set(name string, s token.Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings[name] = s
}

func (c *connections) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// handlerTransport serves requests from a handler in memory, so that they work in a synctest bubble.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	type result struct{ response *http.Response }
	if hooks := httptrace.ContextClientTrace(r.Context()); hooks != nil {
		hooks.WroteHeaders()
		hooks.WroteRequest(httptrace.WroteRequestInfo{})
	}
	done := make(chan result, 1)
	go func() {
		w := httptest.NewRecorder()
		t.handler.ServeHTTP(w, r)
		done <- result{w.Result()}
	}()
	select {
	case got := <-done:
		return got.response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// suite is a token service with everything around it.
type suite struct {
	t           *testing.T
	auth        *authserver.Server
	transport   http.RoundTripper
	connections *connections
	sealer      *seal.Sealer
	db          *sqldb.DB
}

// newSuite returns a suite on the given database and an authorization server with tokens of the given lifetime.
func newSuite(t *testing.T, db *sqldb.DB, lifetime time.Duration) *suite {
	t.Helper()
	auth, err := authserver.New(authserver.Config{
		Issuer: "https://as.example", TokenLifetime: lifetime,
		Clients: []authserver.Client{
			{ID: clientID, Secrets: []string{clientSecret}, Scopes: []string{"read", "write"}},
			{ID: publicID, Public: true, Scopes: []string{"read"}},
		},
	})
	require.NoError(t, err)
	key, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	sealer, err := seal.ParseMasterKey(key)
	require.NoError(t, err)
	s := &suite{
		t: t, auth: auth, sealer: sealer, db: db,
		transport:   handlerTransport{auth.Handler()},
		connections: &connections{settings: map[string]token.Settings{}},
	}
	s.connections.set(crm.ConnectionName(), settings(1))
	return s
}

// settings are those of an OAuth 2.0 connection.
func settings(revision int64) token.Settings {
	return token.Settings{
		ConnectionUID: uid, Revision: revision, Kind: token.KindClientCredentials,
		OAuth2: token.OAuth2{
			TokenEndpoint: "https://as.example" + authserver.PathToken, ClientID: clientID, ClientSecret: seal.NewSecret(clientSecret),
			ClientAuthentication: token.ClientSecretBasic, Scopes: []string{"read"},
		},
		Invocation: token.Fields{Headers: []token.Field{{Key: "X-Tenant", Value: seal.NewSecret("t-1")}}},
	}
}

// params are those of a service on the suite.
func (s *suite) params() token.Params {
	s.t.Helper()
	client, err := oauth.New(oauth.Config{HTTP: &http.Client{Transport: s.transport}})
	require.NoError(s.t, err)
	return token.Params{
		Store: store.New(s.db, s.sealer), Revocations: store.New(s.db, s.sealer), Budgets: store.New(s.db, s.sealer), Settings: s.connections, Exchanger: client,
		Logger: slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), Instance: "test",
	}
}

// start runs a service until the returned function is called, or the test ends.
func (s *suite) start(p token.Params) (*token.Service, func()) {
	s.t.Helper()
	svc, err := token.NewService(p)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-done)
	})
	s.t.Cleanup(stop)
	return svc, stop
}

// openSQLite opens a database that belongs to the calling bubble.
func openSQLite(t *testing.T) *sqldb.DB {
	t.Helper()
	return sqltest.Open(t, sqldb.SQLite, store.Migrations())
}

// read returns the token as it is stored.
func (s *suite) read() token.Token {
	s.t.Helper()
	got, err := store.New(s.db, s.sealer).Get(s.t.Context(), crm)
	require.NoError(s.t, err)
	return got
}

// reasonOf returns the reason of a NotUsableError.
func reasonOf(t *testing.T, err error) token.Reason {
	t.Helper()
	var notUsable *token.NotUsableError
	require.ErrorAs(t, err, &notUsable)
	return notUsable.Reason
}

// expiring returns a context with a deadline.
func expiring(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// cachingServer hands out one token for an hour, until shortly before its end.
type cachingServer struct {
	until    time.Duration
	mu       sync.Mutex
	requests int
	issued   int
	expire   time.Time
}

func (c *cachingServer) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

func (c *cachingServer) RoundTrip(*http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	now := time.Now()
	if c.expire.Sub(now) < c.until {
		c.issued++
		c.expire = now.Add(time.Hour)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, err := fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, c.issued, int(c.expire.Sub(now).Seconds()))
	return w.Result(), err
}
