package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

const (
	// eventHeader carries the event's id on every request to a destination; the API counts by it.
	eventHeader = "X-Freshet-Event-Id"
	keyHeader   = "X-Api-Key"
	ledgerUser  = "freshet"
	scope       = "orders.write"

	orderCompleted  = "OrderCompleted"
	paymentReceived = "PaymentReceived"

	// warehouse is the party whose credential is changed in the middle of the run, and warehouseKey the manifest's variable with it.
	warehouse    = "warehouse"
	warehouseKey = "WAREHOUSE_KEY"
)

// party is one connection of the manifest, and the API behind it.
type party struct {
	id    string
	kind  string // for people
	oauth bool
	// receives is the detail type of the events that a rule sends it.
	receives string
	// secret is the manifest's variable with its credential.
	secret string
}

func (p party) connection() string { return "projects/default/connections/" + p.id }
func (p party) token() string      { return p.connection() + "/token" }

// parties are the connections in manifest.yaml, in its order.
func parties() []party {
	return []party{
		{id: "crm", kind: "OAuth, secret in header", oauth: true, receives: orderCompleted, secret: "CRM_SECRET"},
		{id: "billing", kind: "OAuth, secret in body", oauth: true, receives: paymentReceived, secret: "BILLING_SECRET"},
		{id: warehouse, kind: "API key", receives: orderCompleted, secret: warehouseKey},
		{id: "ledger", kind: "Basic", receives: paymentReceived, secret: "LEDGER_PASSWORD"},
	}
}

// outside are the systems of other people: an authorization server, and an API behind each connection, which counts for itself.
type outside struct {
	auth              *authserver.Server
	apis              map[string]*resourceapi.API // by connection
	authURL, apiURL   string
	secrets           map[string]string // by variable of the manifest
	authHTTP, apiHTTP *http.Server
	ended             chan error // how each of the two servers ended
}

// openOutside serves the other systems on free ports of the loopback interface.
func openOutside(ctx context.Context, config *Config, logger *slog.Logger) (*outside, error) {
	o := &outside{apis: map[string]*resourceapi.API{}, secrets: map[string]string{}, ended: make(chan error, 2)}
	authListener, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	apiListener, err := listen(ctx)
	if err != nil {
		return nil, errors.Join(err, authListener.Close())
	}
	o.authURL, o.apiURL = "http://"+authListener.Addr().String(), "http://"+apiListener.Addr().String()
	if err := o.build(config, logger); err != nil {
		return nil, errors.Join(err, authListener.Close(), apiListener.Close())
	}
	o.authHTTP, o.apiHTTP = o.serve(authListener, o.auth.Handler(), logger), o.serve(apiListener, o.apiHandler(), logger)
	return o, nil
}

func listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", anyPort)
}

func (o *outside) build(config *Config, logger *slog.Logger) (err error) {
	clients := make([]authserver.Client, 0, len(parties()))
	for _, p := range parties() {
		o.secrets[p.secret] = rand.Text()
		if p.oauth {
			clients = append(clients, authserver.Client{
				ID: p.id + "-client", Secrets: []string{o.secrets[p.secret]}, Scopes: []string{scope}, Audiences: []string{o.audience(p)},
			})
		}
	}
	o.auth, err = authserver.New(authserver.Config{
		Issuer: o.authURL, TokenLifetime: config.TokenLifetime, Clients: clients, Logger: logger.With("part", "authserver"),
	})
	if err != nil {
		return err
	}
	for _, p := range parties() {
		api := resourceapi.Config{IDHeader: eventHeader, History: 100}
		switch {
		case p.oauth:
			api.Keys, api.Issuer, api.Audience, api.RequiredScope, api.Revoked = o.auth, o.authURL, o.audience(p), scope, o.auth.Revoked
		case p.id == warehouse:
			api.APIKeys = map[string]string{keyHeader: o.secrets[p.secret]}
		default:
			api.BasicUsers = map[string]string{ledgerUser: o.secrets[p.secret]}
		}
		if o.apis[p.id], err = resourceapi.New(api); err != nil {
			return fmt.Errorf("api of %s: %w", p.id, err)
		}
	}
	return nil
}

func (o *outside) audience(p party) string { return o.apiURL + "/" + p.id }

// apiHandler serves each party's API below its name.
func (o *outside) apiHandler() http.Handler {
	mux := http.NewServeMux()
	for id, api := range o.apis {
		mux.Handle("/"+id+"/", http.StripPrefix("/"+id, api.Handler()))
	}
	return mux
}

func (o *outside) serve(listener net.Listener, handler http.Handler, logger *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() { o.ended <- server.Serve(listener) }()
	return server
}

// close stops serving and waits for that.
func (o *outside) close() error {
	errs := []error{o.authHTTP.Close(), o.apiHTTP.Close()}
	for range cap(o.ended) {
		if err := <-o.ended; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// traffic is what the APIs counted, taken together.
type traffic struct {
	calls, accepted, unauthorized int
}

func (o *outside) traffic() traffic {
	var sum traffic
	for _, api := range o.apis {
		stats := api.Stats()
		sum.calls += stats.Received
		sum.accepted += stats.Accepted
		sum.unauthorized += stats.Unauthorized
	}
	return sum
}
