package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// outputHandler returns the handler that writes lines.
func outputHandler(cfg Config) (slog.Handler, error) {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	switch cfg.LogFormat {
	case "", "text":
		return slog.NewTextHandler(cfg.Output, options), nil
	case "json":
		return slog.NewJSONHandler(cfg.Output, options), nil
	default:
		return nil, fmt.Errorf("telemetry: log format %q: must be text or json", cfg.LogFormat)
	}
}

// logs makes the Logger: redaction first, then the output and, if asked for,
// OTLP, which knows the trace by itself.
func (t *Telemetry) logs(ctx context.Context, cfg Config, res *resource.Resource, output slog.Handler) error {
	var handler slog.Handler = newTraceHandler(output)
	exporter, err := logExporter(ctx, cfg.Getenv)
	if err != nil {
		return fmt.Errorf("export of logs: %w", err)
	}
	if exporter != nil {
		provider := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
		t.closers = append(t.closers, provider.Shutdown)
		handler = slog.NewMultiHandler(handler, otelslog.NewHandler(cfg.ServiceName, otelslog.WithLoggerProvider(provider)))
	}
	t.Logger = slog.New(&redactHandler{next: handler, level: cfg.LogLevel})
	return nil
}

// traceHandler adds trace_id and span_id to records that are logged with the
// context of a span. They stand at the top level, also when the logger has an
// open group: there they are looked for.
type traceHandler struct {
	next slog.Handler
	// root and since rebuild next with the ids before the first group; since is
	// nil while no group is open.
	root  slog.Handler
	since []func(slog.Handler) slog.Handler
}

func newTraceHandler(next slog.Handler) *traceHandler { return &traceHandler{next: next, root: next} }

// Enabled implements slog.Handler.
func (h *traceHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *traceHandler) Handle(ctx context.Context, record slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.next.Handle(ctx, record)
	}
	ids := []slog.Attr{slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String())}
	if h.since == nil {
		record = record.Clone()
		record.AddAttrs(ids...)
		return h.next.Handle(ctx, record)
	}
	next := h.root.WithAttrs(ids)
	for _, step := range h.since {
		next = step(next)
	}
	return next.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if h.since == nil {
		return newTraceHandler(h.next.WithAttrs(attrs))
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *traceHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *traceHandler) with(step func(slog.Handler) slog.Handler) *traceHandler {
	since := make([]func(slog.Handler) slog.Handler, 0, len(h.since)+1)
	return &traceHandler{next: step(h.next), root: h.root, since: append(append(since, h.since...), step)}
}
