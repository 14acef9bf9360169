package app

import (
	"net"
	"slices"

	"google.golang.org/grpc"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/account"
	"github.com/freshet-io/freshet/services/connection/catalog"
	"github.com/freshet-io/freshet/services/connection/connect"
	connectionstore "github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/connection/tokens"
)

// newConnects makes what leads end users to grants. conn leads to the token service.
func newConnects(
	p *process, stored *connectionstore.Store, grants *connection.Service, providers *catalog.Catalog, conn grpc.ClientConnInterface,
) (*connect.Service, error) {
	return connect.NewService(connect.Params{
		Store:         stored,
		Grants:        grants,
		Catalog:       providers,
		Authorizer:    tokens.NewAuthorizer(conn),
		Asker:         account.New(conn, p.egress.Client()),
		PublicURL:     p.publicURL,
		Lifetime:      p.config.Connect.SessionLifetime,
		Logger:        p.logger("connection"),
		MeterProvider: p.telemetry.MeterProvider,
		Now:           p.now,
	})
}

// publicURL is where browsers reach the gateway: as configured, or the listener's own address where only this machine can reach it.
func publicURL(config *Config, addr net.Addr) string {
	if config.PublicURL != "" {
		return config.PublicURL
	}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() || !slices.Contains(config.Roles, "gateway") {
		return ""
	}
	if config.TLS.CertFile != "" {
		return "https://" + addr.String()
	}
	return "http://" + addr.String()
}
