package app

import (
	"context"
	"io/fs"
	"slices"

	"google.golang.org/grpc"

	calllogstore "github.com/freshet-io/freshet/services/calllog/store"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/announce"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/connection/probe"
	connectionrpc "github.com/freshet-io/freshet/services/connection/rpc"
	connectionstore "github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/connection/tokens"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/connections"
	"github.com/freshet-io/freshet/services/delivery/credentials"
	"github.com/freshet-io/freshet/services/delivery/httpsend"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	deliveryrpc "github.com/freshet-io/freshet/services/delivery/rpc"
	deliverystore "github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/lifecycle"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/learn"
	tokenrpc "github.com/freshet-io/freshet/services/token/rpc"
	"github.com/freshet-io/freshet/services/token/settings"
	tokenstore "github.com/freshet-io/freshet/services/token/store"
)

// role is one service as the process sees it.
type role struct {
	name string
	// needs are the roles it calls; they are started before it where the table's order allows, and reached wherever they run.
	needs []string
	// migrations are those of its database; nil without one.
	migrations func() fs.FS
	// build makes it from what the process shares, registers its RPCs and returns its background work.
	build func(ctx context.Context, p *process, database *database) ([]lifecycle.Task, error)
}

// roles is the start order; stopping goes the other way. Calls against the order (connection to token) wait until their role is up.
var roles = []role{
	{name: "connection", needs: []string{"token", "delivery"}, migrations: connectionstore.Migrations, build: buildConnection},
	{name: "token", needs: []string{"connection"}, migrations: tokenstore.Migrations, build: buildToken},
	{name: "delivery", needs: []string{"token", "connection"}, migrations: deliverystore.Migrations, build: buildDelivery},
	{name: "gateway", needs: []string{"connection", "token", "delivery"}, migrations: calllogstore.Migrations, build: buildGateway},
}

// internalCallers says which service may call which internal one. Only the token service may read credentials.
func internalCallers() rpcserver.Policy {
	return rpcserver.Policy{
		"freshet.connection.v1.ConnectionInternalService": {"token"},
		"freshet.connection.v1.ConnectInternalService":    {"gateway"},
		"freshet.token.v1.TokenInternalService":           {"connection"},
		"freshet.token.v1.TokenRecordService":             {"connection"},
		"freshet.token.v1.AuthorizationInternalService":   {"connection"},
		"freshet.delivery.v1.WebhookInternalService":      {"gateway"},
	}
}

// missingPeers returns the roles that those of this process call, that do not run here, and whose address is not known.
func missingPeers(c *Config) []string {
	var missing []string
	for _, r := range roles {
		if !slices.Contains(c.Roles, r.name) {
			continue
		}
		for _, needed := range r.needs {
			if !slices.Contains(c.Roles, needed) && c.Peers[needed] == "" && !slices.Contains(missing, needed) {
				missing = append(missing, needed)
			}
		}
	}
	return missing
}

// dial opens a role's connections to those it needs, under its own identity.
func (p *process) dial(caller string, needs ...string) ([]grpc.ClientConnInterface, error) {
	conns := make([]grpc.ClientConnInterface, len(needs))
	for i, needed := range needs {
		conn, err := p.network.to(needed, caller, p.internal.Credentials(caller))
		if err != nil {
			return nil, err
		}
		conns[i] = conn
	}
	return conns, nil
}

func buildConnection(_ context.Context, p *process, db *database) ([]lifecycle.Task, error) {
	conns, err := p.dial("connection", "token", "delivery")
	if err != nil {
		return nil, err
	}
	control := tokens.New(conns[0])
	providers, err := p.providers()
	if err != nil {
		return nil, err
	}
	stored := connectionstore.New(db.DB, p.sealer)
	service, err := connection.NewService(connection.Params{
		Catalog:        providers,
		Store:          stored,
		Grants:         stored,
		Tokens:         control,
		Records:        control,
		Announcer:      announce.New(conns[1]),
		Probe:          probe.New(p.egress, control),
		CheckURL:       p.checkURL,
		Logger:         p.logger("connection"),
		TracerProvider: p.telemetry.TracerProvider,
		MeterProvider:  p.telemetry.MeterProvider,
		Now:            p.now,
	})
	if err != nil {
		return nil, err
	}
	ending, err := grantjobs.NewService(grantjobs.Params{Store: stored, Grants: service, Logger: p.logger("connection"), Now: p.now})
	if err != nil {
		return nil, err
	}
	connects, err := newConnects(p, stored, service, providers, conns[0])
	if err != nil {
		return nil, err
	}
	connectionrpc.Register(p.server, service, connectionrpc.Options{
		Logger: p.logger("connection"), Pages: p.pages, Validator: p.validator, Catalog: providers, GrantJobs: ending, Connect: connects,
	})
	kept, err := interfaces.NewService(interfaces.Params{Store: stored, Connections: service, Now: p.now})
	if err != nil {
		return nil, err
	}
	connectionrpc.RegisterInterfaces(p.server, kept, connectionrpc.Options{Logger: p.logger("connection"), Pages: p.pages})
	return []lifecycle.Task{
		{Name: "connection", Run: service.Run},
		{Name: "grant jobs", Run: ending.Run},
		{Name: "connect", Run: connects.Run},
	}, nil
}

func buildToken(_ context.Context, p *process, db *database) ([]lifecycle.Task, error) {
	conns, err := p.dial("token", "connection")
	if err != nil {
		return nil, err
	}
	exchanger, err := newExchanger(p)
	if err != nil {
		return nil, err
	}
	tokens := tokenstore.New(db.DB, p.sealer)
	service, err := token.NewService(token.Params{
		Store:        tokens,
		Revocations:  tokens,
		Budgets:      tokens,
		Settings:     settings.New(conns[0]),
		Exchanger:    exchanger,
		Logger:       p.logger("token"),
		Tracer:       p.telemetry.TracerProvider,
		Meter:        p.telemetry.MeterProvider,
		Now:          p.now,
		Instance:     p.instance,
		DrainTimeout: p.config.ShutdownTimeout / 2,
	})
	if err != nil {
		return nil, err
	}
	tokenrpc.Register(p.server, service, tokenrpc.Options{Logger: p.logger("token"), Draining: p.server.Draining(), Pages: p.pages})
	learner := learn.New(exchanger, p.egress.Client(), p.checkURL, p.now)
	tokenrpc.RegisterLearning(p.server, learner, p.server.Draining(), p.logger("token"))
	return []lifecycle.Task{{Name: "token", Run: service.Run}}, nil
}

func buildDelivery(_ context.Context, p *process, db *database) ([]lifecycle.Task, error) {
	conns, err := p.dial("delivery", "token", "connection")
	if err != nil {
		return nil, err
	}
	watcher := credentials.New(conns[0], credentials.Options{Logger: p.logger("delivery"), Now: p.now})
	store := deliverystore.New(db.DB, p.sealer)
	service, err := delivery.NewService(delivery.Params{
		Store:          store,
		Credentials:    watcher,
		Connections:    connections.New(conns[1]),
		Sender:         httpsend.New(p.egress.Client().Transport, p.now),
		CheckURL:       p.checkURL,
		Instance:       p.instance,
		MaxEntries:     p.config.Delivery.MaxEntries,
		Retention:      delivery.Retention{MaxAge: p.config.Delivery.Retention, DeadLetterAge: p.config.Delivery.DeadLetterRetention},
		UserAgent:      p.userAgent(),
		Drain:          p.config.ShutdownTimeout / 2,
		Logger:         p.logger("delivery"),
		TracerProvider: p.telemetry.TracerProvider,
		MeterProvider:  p.telemetry.MeterProvider,
		Now:            p.now,
	})
	if err != nil {
		return nil, err
	}
	work, err := jobs.NewService(jobs.Params{
		Store: store, Bus: service, Logger: p.logger("delivery"), MeterProvider: p.telemetry.MeterProvider, Now: p.now,
	})
	if err != nil {
		return nil, err
	}
	deliveryrpc.Register(p.server, service, deliveryrpc.Options{
		Logger: p.logger("delivery"), Jobs: work, Pages: p.pages, Validator: p.validator,
	})
	return []lifecycle.Task{
		{Name: "delivery credentials", Run: watcher.Run},
		{Name: "delivery", Run: service.Run},
		{Name: "delivery jobs", Run: work.Run},
	}, nil
}

func (p *process) checkURL(raw string) error {
	_, err := p.egress.CheckURL(raw)
	return err
}
