package rpcclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

const (
	maxRecv = 16 << 20
	// A server that stays silent for pingAfter while calls are open is pinged, and
	// given up when it does not answer within pingTimeout. Not more often than
	// rpcserver permits.
	pingAfter   = 20 * time.Second
	pingTimeout = 10 * time.Second
	// A lost server is tried again after reconnectMin, then ever more slowly up to
	// reconnectMax: watches should not stay dark for the two minutes that gRPC
	// waits by default.
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 5 * time.Second
	connectMax   = 10 * time.Second
)

// Options says how to reach a service. The zero value is a plaintext connection
// on this machine without credentials.
type Options struct {
	// Credentials are attached to every call; nil for none.
	Credentials credentials.PerRPCCredentials
	// TLS of the connection. Nil is plaintext, which is refused once the peer's
	// address turns out to be neither in memory, a unix socket nor loopback.
	TLS *tls.Config
	// Dialer, if set, opens the connections, such as those of an in-memory
	// listener. It then gets the target as it is; nothing is resolved.
	Dialer func(ctx context.Context, addr string) (net.Conn, error)
	// TracerProvider and MeterProvider default to none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Logger gets failed calls at level DEBUG; nil logs nothing.
	Logger *slog.Logger
}

// Dial returns a connection to target ("host:port", or any gRPC name syntax). It
// connects when it is first used; calls on a broken connection fail at once with
// UNAVAILABLE unless they ask to wait (grpc.WaitForReady).
//
// Unary methods whose contract says NO_SIDE_EFFECTS or IDEMPOTENT are retried
// when they fail with UNAVAILABLE, three attempts within about a second; streams
// are reopened by those who read them. A name with several addresses is used in
// turn. Proxy settings of the environment are not used.
func Dial(target string, o Options) (*grpc.ClientConn, error) {
	config, err := serviceConfig()
	if err != nil {
		return nil, fmt.Errorf("rpcclient: %w", err)
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opts := []grpc.DialOption{
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(telemetryOptions(o)...)),
		grpc.WithUnaryInterceptor(logUnary(log)),
		grpc.WithStreamInterceptor(logStream(log)),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDisableServiceConfig(), // DNS does not configure us
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxRecv)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMax},
			MinConnectTimeout: connectMax,
		}),
	}
	opts = append(opts, security(o)...)
	if o.Dialer != nil {
		opts = append(opts, grpc.WithContextDialer(o.Dialer))
		if !strings.Contains(target, ":///") {
			target = "passthrough:///" + target
		}
	}
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		return nil, fmt.Errorf("rpcclient: %w", err)
	}
	return conn, nil
}

// telemetryOptions names everything that OpenTelemetry would otherwise take from
// its process-wide defaults.
func telemetryOptions(o Options) []otelgrpc.Option {
	tracers, meters := o.TracerProvider, o.MeterProvider
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
