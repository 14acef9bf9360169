package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy/quota"
)

// scope is the name of our instruments and spans.
const scope = "github.com/freshet-io/freshet/services/gateway/proxy"

const (
	defaultTimeout = 15 * time.Minute
	defaultMaxBody = 1 << 30
)

// Params are what a Proxy is made of.
type Params struct {
	// Connection leads to the connection service without a credential of its own: what a caller may use is asked with the caller's. Required.
	Connection grpc.ClientConnInterface
	// Token leads to the token service as the gateway itself. Required.
	Token grpc.ClientConnInterface
	// Transport makes the calls. It is the egress guard's, has a bound on the wait for an answer's headers, and does not unpack bodies. Required.
	Transport http.RoundTripper
	// Timeout bounds a call from its begin to the end of its answer. Default 15 min.
	Timeout time.Duration
	// MaxRequest and MaxResponse bound bodies, in bytes. Default 1 GiB.
	MaxRequest, MaxResponse int64
	// MaxWatched bounds the tokens that are watched at a time: beyond it, one that was not used lately makes room. Default 10,000.
	MaxWatched int
	// Calls keeps what became of calls. Default: nobody does.
	Calls CallLog

	// Logger is required. TracerProvider and MeterProvider default to none, Now to time.Now.
	Logger         *slog.Logger
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	Now            func() time.Time
}

// Proxy makes calls of APIs with the credentials of connections.
type Proxy struct {
	params   Params
	sources  *sources
	apis     *apis
	holds    quota.Holds
	limits   quota.Limits
	buffers  sync.Pool // of *[]byte, for bodies
	tracer   trace.Tracer
	duration metric.Float64Histogram
	outcomes outcomes
}

// New returns a proxy; it serves while Run runs.
func New(p Params) (*Proxy, error) {
	if p.Connection == nil || p.Token == nil || p.Transport == nil || p.Logger == nil {
		return nil, errors.New("proxy: Connection, Token, Transport and Logger are required")
	}
	if p.Timeout <= 0 {
		p.Timeout = defaultTimeout
	}
	if p.MaxRequest <= 0 {
		p.MaxRequest = defaultMaxBody
	}
	if p.MaxResponse <= 0 {
		p.MaxResponse = defaultMaxBody
	}
	if p.MaxWatched <= 0 {
		p.MaxWatched = maxWatched
	}
	if p.TracerProvider == nil {
		p.TracerProvider = tracenoop.NewTracerProvider()
	}
	if p.MeterProvider == nil {
		p.MeterProvider = metricnoop.NewMeterProvider()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	duration, err := p.MeterProvider.Meter(scope).Float64Histogram("freshet.proxy.duration",
		metric.WithDescription("Time from a call's arrival at the proxy to the end of its answer."), metric.WithUnit("s"))
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return &Proxy{
		params:   p,
		sources:  newSources(p.Token, p.Transport, p.Logger, p.MaxWatched),
		apis:     &apis{client: connectionv1.NewApiServiceClient(p.Connection)},
		buffers:  sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }},
		tracer:   p.TracerProvider.Tracer(scope),
		duration: duration,
	}, nil
}

// Run keeps watches until ctx ends, and then ends them.
func (p *Proxy) Run(ctx context.Context) error {
	p.sources.run(ctx)
	return ctx.Err()
}

// Serve makes a call and writes its answer. The caller is one that may call us; md is its credential.
//
// The error, if any, is the answer: nothing has been written then. Its status has a reason of ours; where it is an [Error], that says more of
// the HTTP answer.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, md metadata.MD) error {
	_, err := p.serve(w, r, md)
	return err
}

// serve is Serve. It returns the URL that was called, nil if none was, without what the credential adds.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, md metadata.MD) (*url.URL, error) {
	begin := p.params.Now()
	ctx, cancel := context.WithTimeoutCause(r.Context(), p.params.Timeout, errTimeout)
	defer cancel()
	c := &call{proxy: p, in: r, out: http.NewResponseController(w), md: md}
	ctx, span := p.tracer.Start(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header)), "proxy", trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	err := c.serve(ctx, w)
	took := p.params.Now().Sub(begin)
	c.observe(ctx, span, took, err)
	c.record(span, begin, took, err)
	return c.target, err
}
