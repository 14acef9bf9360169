package delivery

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceHeader is the name of the trace context, and of its only member of a propagation.MapCarrier. https://www.w3.org/TR/trace-context/
const traceHeader = "traceparent"

// traceparentOf is the trace context of a call; empty without one.
func traceparentOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceHeader]
}

// spanContext reads a trace context. Those of version 00, which are what there is, are read here, as each attempt does it.
func spanContext(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	config, ok := plainTraceparent(traceparent)
	if !ok {
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceHeader: traceparent})
		return trace.SpanContextFromContext(ctx)
	}
	return trace.NewSpanContext(config)
}

// plainTraceparent reads "00-<trace id>-<span id>-00", or 01 for one that is sampled.
func plainTraceparent(text string) (config trace.SpanContextConfig, ok bool) {
	const size = len("00-") + 32 + len("-") + 16 + len("-00")
	if len(text) != size || text[:3] != "00-" || text[35] != '-' || text[52:54] != "-0" || text[54] != '0' && text[54] != '1' {
		return config, false
	}
	var traceErr, spanErr error
	config.TraceID, traceErr = trace.TraceIDFromHex(text[3:35])
	config.SpanID, spanErr = trace.SpanIDFromHex(text[36:52])
	config.TraceFlags, config.Remote = trace.TraceFlags(text[54]-'0'), true
	return config, traceErr == nil && spanErr == nil
}
