package telemetry

import (
	"context"
	"strings"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The signals, as the OTEL_ variables spell them.
const (
	signalTraces  = "TRACES"
	signalMetrics = "METRICS"
	signalLogs    = "LOGS"
)

// asked reports whether the environment asks to export a signal: it names an
// exporter, or an OTLP endpoint. The specification's default, OTLP to
// localhost, would be wrong for most who just start the program
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
func asked(getenv func(string) string, signal string) bool {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch getenv("OTEL_" + signal + "_EXPORTER") {
	case "":
		return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	case "none":
		return false
	case "prometheus":
		return false // /metrics is always served
	default:
		return true
	}
}

// spanExporter returns the exporter that the environment asks for, nil for none;
// so do metricReader and logExporter.
func spanExporter(ctx context.Context, getenv func(string) string) (sdktrace.SpanExporter, error) {
	if !asked(getenv, signalTraces) {
		return nil, nil //nolint:nilnil // none is a valid answer
	}
	return autoexport.NewSpanExporter(ctx)
}

func metricReader(ctx context.Context, getenv func(string) string) (sdkmetric.Reader, error) {
	if !asked(getenv, signalMetrics) {
		return nil, nil //nolint:nilnil // none is a valid answer
	}
	return autoexport.NewMetricReader(ctx)
}

func logExporter(ctx context.Context, getenv func(string) string) (sdklog.Exporter, error) {
	if !asked(getenv, signalLogs) {
		return nil, nil //nolint:nilnil // none is a valid answer
	}
	return autoexport.NewLogExporter(ctx)
}
