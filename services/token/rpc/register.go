package rpc

import (
	"log/slog"
	"time"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/token"
)

// Options are what the handlers need besides the service.
type Options struct {
	// Logger; default: discard.
	Logger *slog.Logger
	// Draining ends the streams when it is closed. Default: they end with their context.
	Draining <-chan struct{}
	// Pages makes page tokens; required.
	Pages *page.Codec
}

// defaultHeartbeat is the longest silence on a stream, unless its caller asks for another.
const defaultHeartbeat = 30 * time.Second

// Register adds the services to a server.
func Register(r grpc.ServiceRegistrar, svc *token.Service, o Options) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &edge{svc: svc, log: o.Logger, draining: o.Draining, pages: o.Pages}
	tokenv1.RegisterTokenServiceServer(r, &public{edge: e})
	tokenv1.RegisterDpopServiceServer(r, &proofs{edge: e})
	tokenv1.RegisterOauth1ServiceServer(r, &signatures{edge: e})
	tokenv1.RegisterRehearsalServiceServer(r, &rehearsal{edge: e})
	tokenv1.RegisterTokenInternalServiceServer(r, &internal{edge: e})
	tokenv1.RegisterTokenRecordServiceServer(r, &records{edge: e})
	tokenv1.RegisterAuthorizationInternalServiceServer(r, &authorization{edge: e})
}

// edge is what the services share.
type edge struct {
	svc      *token.Service
	log      *slog.Logger
	draining <-chan struct{}
	pages    *page.Codec
}

// public implements TokenService.
type public struct {
	tokenv1.UnimplementedTokenServiceServer
	*edge
}

// rehearsal implements RehearsalService.
type rehearsal struct {
	tokenv1.UnimplementedRehearsalServiceServer
	*edge
}

// internal implements TokenInternalService.
type internal struct {
	tokenv1.UnimplementedTokenInternalServiceServer
	*edge
}
