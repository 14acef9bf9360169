package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says what the process is and where its logs go.
type Config struct {
	// ServiceName and Version are the resource attributes service.name and
	// service.version; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override
	// them.
	ServiceName, Version string
	// LogLevel is the least level that is logged. Default INFO.
	LogLevel slog.Level
	// LogFormat is "text" (default) or "json".
	LogFormat string
	// Output of the log; required.
	Output io.Writer
	// Getenv reads the process environment; required. It decides whether OTLP is
	// asked for. How to export (endpoint, headers, protocol, sampling, …) the
	// exporters of OpenTelemetry read from the process environment themselves.
	Getenv func(string) string
}

// Telemetry is what Setup made.
type Telemetry struct {
	// Logger adds trace_id and span_id to lines that belong to a span, and
	// redacts what looks secret.
	Logger *slog.Logger
	// TracerProvider gives every request a trace id even when traces go nowhere.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// MetricsHandler serves all metrics, and those of the Go runtime and the
	// process, in Prometheus's formats.
	MetricsHandler http.Handler

	closers []func(context.Context) error
}

// Setup makes the telemetry of a process. OTLP exporters connect when they have
// something to send; a collector that is down is no error.
func Setup(ctx context.Context, cfg Config) (*Telemetry, error) {
	if cfg.Output == nil || cfg.Getenv == nil {
		return nil, errors.New("telemetry: Output and Getenv are required")
	}
	output, err := outputHandler(cfg)
	if err != nil {
		return nil, err
	}
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", cfg.ServiceName),
			attribute.String("service.version", cfg.Version),
			// Tells replicas apart; new with every start.
			attribute.String("service.instance.id", rand.Text())),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("telemetry: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Telemetry{}
	err = errors.Join(t.traces(ctx, cfg, res), t.metrics(ctx, cfg, res), t.logs(ctx, cfg, res, output))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: %w", err), t.Shutdown(ctx))
	}
	return t, nil
}

// Shutdown sends what has not been sent, as far as ctx allows, and ends all
// export. The Logger keeps writing to its output.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, closer := range slices.Backward(t.closers) {
		errs = append(errs, closer(ctx))
	}
	t.closers = nil
	return errors.Join(errs...)
}

func (t *Telemetry) traces(ctx context.Context, cfg Config, res *resource.Resource) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	exporter, err := spanExporter(ctx, cfg.Getenv)
	if err != nil {
		return fmt.Errorf("export of traces: %w", err)
	}
	if exporter != nil {
		options = append(options, sdktrace.WithBatcher(exporter))
	} else { // ids only, unless the caller records: what nobody will see costs nothing
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	}
	provider := sdktrace.NewTracerProvider(options...)
	t.TracerProvider = provider
	t.closers = append(t.closers, provider.Shutdown)
	return nil
}

func (t *Telemetry) metrics(ctx context.Context, cfg Config, res *resource.Resource) error {
	registry := prometheus.NewRegistry()
	scraped, err := promexporter.New(promexporter.WithRegisterer(registry))
	err = errors.Join(err,
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))
	if err != nil {
		return fmt.Errorf("/metrics: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(scraped)}
	pushed, err := metricReader(ctx, cfg.Getenv)
	if err != nil {
		return fmt.Errorf("export of metrics: %w", err)
	}
	if pushed != nil {
		options = append(options, sdkmetric.WithReader(pushed))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.MeterProvider = provider
	t.MetricsHandler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry, EnableOpenMetrics: true})
	t.closers = append(t.closers, provider.Shutdown)
	return nil
}
