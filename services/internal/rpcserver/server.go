package rpcserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/stats"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const (
	defaultMaxRecv = 4 << 20
	defaultDrain   = 10 * time.Second
	// lastCall is how long handlers may take to notice that their call was cut
	// off, once draining took too long.
	lastCall = 2 * time.Second
	// maxStreams bounds the calls of one connection: many more watches than one
	// client should hold, few enough to stop one that runs wild.
	maxStreams = 100_000
	// maxHeaders bounds what a caller can make us read before it is known.
	maxHeaders = 64 << 10
	handshake  = 10 * time.Second
	// A peer that stays silent for pingAfter is pinged, and given up when it does
	// not answer within pingTimeout: watches of dead clients end. Clients may ping
	// as often as every minClientPing.
	pingAfter     = 30 * time.Second
	pingTimeout   = 10 * time.Second
	minClientPing = 10 * time.Second
)

// Config is what a server is made of.
type Config struct {
	// Logger is required.
	Logger *slog.Logger
	// Authenticator is required.
	Authenticator *authn.Authenticator
	// Policy must have a rule for every internal service that is registered.
	Policy Policy
	// TracerProvider and MeterProvider default to none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// TLS, if set, is demanded on every connection but in-memory ones.
	TLS *tls.Config
	// MaxRecvBytes bounds one received message. Default 4 MiB.
	MaxRecvBytes int
	// Streams bound the streams of callers.
	Streams StreamLimits
	// DrainTimeout is how long calls may take to end once Serve's context has.
	// Default 10 s.
	DrainTimeout time.Duration
}

// Server is a gRPC server. Register services, then call Serve once.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	policy Policy
	drain  time.Duration
	// leaving ends when the server begins to leave; leave ends it.
	leaving context.Context
	leave   context.CancelFunc
}

var _ grpc.ServiceRegistrar = (*Server)(nil)

// New returns a server with health and reflection registered. It fails when
// something required is missing.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil || cfg.Authenticator == nil {
		return nil, errors.New("rpcserver: Logger and Authenticator are required")
	}
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("rpcserver: %w", err)
	}
	s := &Server{health: health.NewServer(), policy: cfg.Policy, drain: cfg.DrainTimeout}
	s.leaving, s.leave = context.WithCancel(context.Background())
	if s.drain <= 0 {
		s.drain = defaultDrain
	}
	stages := chain{
		logCalls(cfg.Logger),
		answerErrors(cfg.Logger),
		endStreams(s.leaving),
		recoverPanics(),
		authorize(cfg.Authenticator, cfg.Policy),
		limitStreams(cfg.Streams),
		validate(validator),
	}
	s.grpc = grpc.NewServer(options(cfg, stages)...)
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s, nil
}

func options(cfg Config, stages chain) []grpc.ServerOption {
	maxRecv := cfg.MaxRecvBytes
	if maxRecv <= 0 {
		maxRecv = defaultMaxRecv
	}
	return []grpc.ServerOption{
		grpc.Creds(transportCredentials(cfg.TLS)),
		grpc.StatsHandler(callStats{otelgrpc.NewServerHandler(telemetryOptions(cfg)...)}),
		grpc.UnaryInterceptor(stages.unary),
		grpc.StreamInterceptor(stages.stream),
		grpc.UnknownServiceHandler(notServed),
		grpc.MaxRecvMsgSize(maxRecv),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(handshake),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}
}

// callStats passes on what happens to calls, but not their single messages, of
// which otelgrpc makes nothing unless told to: on a stream they are many.
type callStats struct{ stats.Handler }

// HandleRPC implements stats.Handler.
func (h callStats) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.InPayload, *stats.OutPayload:
	default:
		h.Handler.HandleRPC(ctx, s)
	}
}

// telemetryOptions names everything that OpenTelemetry would otherwise take from
// its process-wide defaults.
func telemetryOptions(cfg Config) []otelgrpc.Option {
	tracers, meters := cfg.TracerProvider, cfg.MeterProvider
	if tracers == nil {
		tracers = tracenoop.NewTracerProvider()
	}
	if meters == nil {
		meters = metricnoop.NewMeterProvider()
	}
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(tracers),
		otelgrpc.WithMeterProvider(meters),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	}
}

// notServed answers calls of methods nobody registered, after the same checks as
// any other call.
func notServed(any, grpc.ServerStream) error {
	return rpcerr.New(codes.Unimplemented, errorsv1.Reason_METHOD_NOT_SERVED, "the method is not served by this process")
}

// RegisterService implements grpc.ServiceRegistrar. The service is healthy until
// SetServing says otherwise.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.grpc.RegisterService(desc, impl)
	s.SetServing(desc.ServiceName, true)
}

// SetServing sets what gRPC health says of a service, by its full name; "" is
// the process as a whole. Without effect once draining.
func (s *Server) SetServing(service string, ok bool) {
	serving := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if ok {
		serving = grpc_health_v1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus(service, serving)
}

// Draining is closed when the server begins to leave. The contexts of all
// streams end at that moment and the streams with UNAVAILABLE (SHUTTING_DOWN);
// a unary handler that waits for something should give up waiting.
func (s *Server) Draining() <-chan struct{} { return s.leaving.Done() }

// Serve serves on all listeners, which it closes, until ctx ends or one of them
// fails. Then health turns NOT_SERVING, streams are ended, and calls in flight
// may finish within the drain timeout; what is left is cut off. The error is nil
// after ctx ended and every handler returned.
func (s *Server) Serve(ctx context.Context, lis ...net.Listener) error {
	err := s.policy.Check(s.grpc.GetServiceInfo())
	if len(lis) == 0 {
		err = errors.Join(err, errors.New("rpcserver: no listener to serve on"))
	}
	if err != nil {
		for _, l := range lis {
			_ = l.Close()
		}
		return err
	}

	failed := make(chan error, len(lis))
	var serving sync.WaitGroup
	for _, l := range lis {
		serving.Go(func() {
			if err := s.grpc.Serve(l); err != nil {
				failed <- fmt.Errorf("rpcserver: serve on %s: %w", l.Addr(), err)
			}
		})
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	if stuck := s.stop(); stuck != nil {
		return errors.Join(err, stuck) // gRPC's Serve waits for handlers too
	}
	serving.Wait()
	return err
}

// Drain begins to leave while still serving: health turns NOT_SERVING and all
// streams end. For processes that stop other parts, such as an HTTP server whose
// requests hang on those streams, before this one. Serve does it too.
func (s *Server) Drain() {
	s.health.Shutdown()
	s.leave()
}

// stop leaves: gracefully within the drain timeout, then by force.
func (s *Server) stop() error {
	s.Drain()

	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		s.grpc.GracefulStop()
	}()
	if within(graceful, s.drain) {
		return nil
	}
	forced := make(chan struct{})
	go func() {
		defer close(forced)
		s.grpc.Stop()
	}()
	if within(forced, lastCall) && within(graceful, lastCall) {
		return nil
	}
	return fmt.Errorf("rpcserver: handlers still running %v after their calls were cut off", lastCall)
}

// within reports whether done is closed before d has passed.
func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
