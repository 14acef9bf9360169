package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/gateway/connectpage"
	"github.com/freshet-io/freshet/services/gateway/proxy/target"
)

// Params are what a gateway is made of.
type Params struct {
	// Connection, Token and Delivery lead to the services, without credentials of their own: each call carries its caller's. The
	// gateway does not close them.
	Connection, Token, Delivery grpc.ClientConnInterface
	// Access leads to the gateway's own gRPC services in the same way.
	Access grpc.ClientConnInterface
	// Webhooks leads to the delivery service as the gateway itself: requests to webhooks carry no credential of ours.
	Webhooks grpc.ClientConnInterface
	// Browsers leads to the connection service as the gateway itself: end users who connect accounts have no credential of ours.
	Browsers grpc.ClientConnInterface
	// PublicHTTPS says that browsers come by https, which may end before us.
	PublicHTTPS bool
	// Proxy makes calls of APIs. Nil: none are made.
	Proxy Proxy
	// Authenticate returns an UNAUTHENTICATED status for callers that the gRPC servers would not let in.
	Authenticate func(metadata.MD) error
	// Ready returns nil when every role of the process can serve, else what cannot; everybody may read that.
	Ready func() error
	// Metrics serves the process's metrics in Prometheus' text format.
	Metrics http.Handler

	Logger *slog.Logger
	// TracerProvider and MeterProvider default to none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
}

// New returns the handler of the whole REST face. It fails when something required is missing.
func New(ctx context.Context, p Params) (http.Handler, error) {
	if p.Connection == nil || p.Token == nil || p.Delivery == nil || p.Access == nil || p.Webhooks == nil || p.Browsers == nil || p.Authenticate == nil || p.Ready == nil || p.Metrics == nil || p.Logger == nil {
		return nil, errors.New("gateway: Connection, Token, Delivery, Access, Webhooks, Browsers, Authenticate, Ready, Metrics and Logger are required")
	}
	served, err := newRoutes(contracts()...)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	problems := problemWriter{log: p.Logger}
	calls := newMux(problems)
	if err := registerServices(ctx, calls, p); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	rest := &api{authenticate: p.Authenticate, routes: served, calls: calls, problems: problems}
	rest.cloudEvents = &cloudEvents{deliveries: deliveryv1.NewDeliveryServiceClient(p.Delivery), problems: problems}
	inbound := &ingest{webhooks: deliveryv1.NewWebhookInternalServiceClient(p.Webhooks), problems: problems}
	pages, err := connectpage.New(connectpage.Params{Connection: p.Browsers, Secure: p.PublicHTTPS, Logger: p.Logger})
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	through := newProxied(p, problems)
	observed := p.observed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.EscapedPath(); {
		case strings.HasPrefix(path, ingestPrefix):
			inbound.ServeHTTP(w, r)
		case strings.HasPrefix(path, connectpage.LinkPrefix), path == connectpage.CallbackPath:
			pages.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	}))
	return operations(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Proxy != nil && strings.HasPrefix(r.URL.EscapedPath(), target.Prefix) {
			through.ServeHTTP(w, r)
			return
		}
		observed.ServeHTTP(w, r)
	})), nil
}

// newMux returns what turns a request that the gateway has admitted into a call. What it sees of a request is made by [api.admit], so
// most of its own leniencies have nothing to work on.
func newMux(problems problemWriter) *runtime.ServeMux {
	return runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newJSON()),
		runtime.WithMarshalerOption(mimeEventStream, eventStream{newJSON()}),
		runtime.WithIncomingHeaderMatcher(incomingHeader),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		// A slash within an id stays encoded: it must not select another path.
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisableChunkedEncoding(), // net/http does it where the protocol has it
		runtime.WithWriteContentLength(),
		runtime.WithErrorHandler(problems.handle),
		runtime.WithRoutingErrorHandler(problems.handleRouting),
		runtime.WithStreamErrorHandler(rememberStreamError),
	)
}

// incomingHeader names the request headers that reach the services. The gateway library passes Authorization on by itself, the
// instrumentation the trace context.
func incomingHeader(key string) (string, bool) {
	if key == headerAPIKey {
		return "x-api-key", true
	}
	return "", false
}

// observed traces and measures requests under their route.
func (p Params) observed(next http.Handler) http.Handler {
	tracers, meters := p.TracerProvider, p.MeterProvider
	if tracers == nil {
		tracers = tracenoop.NewTracerProvider()
	}
	if meters == nil {
		meters = metricnoop.NewMeterProvider()
	}
	return otelhttp.NewHandler(next, "",
		otelhttp.WithTracerProvider(tracers),
		otelhttp.WithMeterProvider(meters),
		otelhttp.WithPropagators(propagation.TraceContext{}),
	)
}
