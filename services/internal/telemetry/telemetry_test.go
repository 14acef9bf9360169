package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noEnv(string) string { return "" }

// setup returns telemetry that writes JSON to out, shut down with the test.
func setup(t *testing.T, out io.Writer, getenv func(string) string) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{
		ServiceName: "freshet", Version: "1.2.3", LogLevel: slog.LevelInfo, LogFormat: "json", Output: out, Getenv: getenv,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	return tel
}

// lines decodes JSON log lines.
func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for decoder := json.NewDecoder(out); decoder.More(); {
		line := map[string]any{}
		require.NoError(t, decoder.Decode(&line))
		all = append(all, line)
	}
	return all
}

func TestMetricsAreServed(t *testing.T) {
	tel := setup(t, io.Discard, noEnv)
	meter := tel.MeterProvider.Meter("test")
	counter, err := meter.Int64Counter("freshet.token.rotation_lost")
	require.NoError(t, err)
	histogram, err := meter.Float64Histogram("freshet.token.refresh.lead_time", metric.WithUnit("s"))
	require.NoError(t, err)
	counter.Add(t.Context(), 2)
	histogram.Record(t.Context(), 1.5)

	recorder := httptest.NewRecorder()
	tel.MetricsHandler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, recorder.Code)
	body := recorder.Body.String()
	require.Regexp(t, `(?m)^freshet_token_rotation_lost_total\{.*\} 2$`, body)
	require.Regexp(t, `(?m)^freshet_token_refresh_lead_time_seconds_sum\{.*\} 1\.5$`, body)
	require.Contains(t, body, "go_goroutines")
	require.Contains(t, body, `service_name="freshet"`)
	require.Contains(t, body, `service_version="1.2.3"`)
}

// Two instances in one process do not collide, and nothing global changes.
func TestNothingGlobalIsSet(t *testing.T) {
	tracers, meters, logger := otel.GetTracerProvider(), otel.GetMeterProvider(), slog.Default()
	setup(t, io.Discard, noEnv)
	setup(t, io.Discard, noEnv)
	require.Same(t, tracers, otel.GetTracerProvider())
	require.Same(t, meters, otel.GetMeterProvider())
	require.Same(t, logger, slog.Default())
}

func TestLogsCarryTraceIDs(t *testing.T) {
	var out bytes.Buffer
	tel := setup(t, &out, noEnv)
	ctx, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "op")
	defer span.End()
	require.True(t, span.SpanContext().IsValid(), "ids without any exporter")

	tel.Logger.InfoContext(ctx, "plain", "a", 1)
	tel.Logger.With("b", 2).WithGroup("g").With("c", 3).InfoContext(ctx, "grouped", "d", 4)
	tel.Logger.WithGroup("").With().InfoContext(ctx, "empty")
	tel.Logger.InfoContext(t.Context(), "no span")
	tel.Logger.DebugContext(ctx, "too low")

	all := lines(t, &out)
	require.Len(t, all, 4)
	for _, line := range all[:3] {
		require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
		require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])
	}
	require.EqualValues(t, 1, all[0]["a"])
	require.EqualValues(t, 2, all[1]["b"])
	require.Equal(t, map[string]any{"c": 3.0, "d": 4.0}, all[1]["g"])
	require.NotContains(t, all[3], "trace_id")
}

type headers map[string][]string

func TestSecretsAreRedacted(t *testing.T) {
	const secret = "s3cr3t-canary-0123456789"
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	for name, log := range map[string]func(*slog.Logger){
		"key":          func(l *slog.Logger) { l.Info("x", "client_secret", secret) },
		"header key":   func(l *slog.Logger) { l.Info("x", "X-Api-Key", secret) },
		"nested key":   func(l *slog.Logger) { l.Info("x", slog.Group("oauth2", slog.String("refreshToken", secret))) },
		"attached key": func(l *slog.Logger) { l.With("password", secret).Info("x") },
		"group":        func(l *slog.Logger) { l.WithGroup("g").Info("x", "authorization", secret) },
		"Secret":       func(l *slog.Logger) { l.Info("x", "value", seal.NewSecret(secret)) },
		"message":      func(l *slog.Logger) { l.Info("sent Authorization: Bearer " + secret) },
		"error": func(l *slog.Logger) {
			l.Info("x", "error", fmt.Errorf("post: %w", errors.New("refresh_token="+secret)))
		},
		"form":           func(l *slog.Logger) { l.Info("x", "body", "grant_type=refresh_token&client_secret="+secret+"&scope=a") },
		"JSON":           func(l *slog.Logger) { l.Info("x", "body", `{"access_token": "`+secret+`"}`) },
		"bytes":          func(l *slog.Logger) { l.Info("x", "body", []byte(`{"id_token":"`+secret+`"}`)) },
		"headers":        func(l *slog.Logger) { l.Info("x", "headers", headers{"Authorization": {"Basic " + secret}}) },
		"JWT":            func(l *slog.Logger) { l.Info("x", "value", "got "+jwt) },
		"our key":        func(l *slog.Logger) { l.Info("x", "value", "fk_"+secret) },
		"URL":            func(l *slog.Logger) { l.Info("x", "dsn", "postgres://user:"+secret+"@db/freshet") },
		"attached value": func(l *slog.Logger) { l.With("value", "bearer "+secret).Info("x") },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log(setup(t, &out, noEnv).Logger)
			require.Contains(t, out.String(), "[redacted]")
			require.NotContains(t, out.String(), secret)
			require.NotContains(t, out.String(), "c2lnbmF0dXJl")
		})
	}
}

func TestOrdinaryValuesStay(t *testing.T) {
	var out bytes.Buffer
	setup(t, &out, noEnv).Logger.Info("basic authentication of a bearer token",
		"token", "projects/p/connections/c/token", "n", 7, "error", errors.New("plain"), "url", "https://as.example:8443/token", "nothing", nil)
	line := lines(t, &out)[0]
	require.Equal(t, "basic authentication of a bearer token", line["msg"])
	require.Equal(t, "projects/p/connections/c/token", line["token"])
	require.EqualValues(t, 7, line["n"])
	require.Equal(t, "plain", line["error"])
	require.Equal(t, "https://as.example:8443/token", line["url"])
}

func TestSettingsAreChecked(t *testing.T) {
	_, err := telemetry.Setup(t.Context(), telemetry.Config{LogFormat: "xml", Output: io.Discard, Getenv: noEnv})
	require.ErrorContains(t, err, `"xml"`)
	_, err = telemetry.Setup(t.Context(), telemetry.Config{})
	require.ErrorContains(t, err, "required")

	t.Setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
	_, err = telemetry.Setup(t.Context(), telemetry.Config{Output: io.Discard, Getenv: os.Getenv})
	require.ErrorContains(t, err, "export of traces")

	var out bytes.Buffer
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Output: &out, Getenv: noEnv})
	require.NoError(t, err)
	tel.Logger.Info("hello")
	require.Contains(t, out.String(), "msg=hello", "text by default")
	require.NoError(t, tel.Shutdown(t.Context()))
	require.NoError(t, tel.Shutdown(t.Context()), "twice")
}

// collector receives OTLP over HTTP and keeps the names of what it got.
type collector struct {
	mu                   sync.Mutex
	spans, metrics, logs []string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var req collectortrace.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &req)
		for _, res := range req.GetResourceSpans() {
			for _, scope := range res.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					c.spans = append(c.spans, span.GetName())
				}
			}
		}
	case "/v1/metrics":
		var req collectormetrics.ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &req)
		for _, res := range req.GetResourceMetrics() {
			for _, scope := range res.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					c.metrics = append(c.metrics, m.GetName())
				}
			}
		}
	case "/v1/logs":
		var req collectorlogs.ExportLogsServiceRequest
		err = proto.Unmarshal(body, &req)
		for _, res := range req.GetResourceLogs() {
			for _, scope := range res.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					c.logs = append(c.logs, fmt.Sprintf("%x %s %v", record.GetTraceId(), record.GetBody().GetStringValue(), record.GetAttributes()))
				}
			}
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// emit makes one span, one metric and one log record, and shuts tel down.
func emit(t *testing.T, tel *telemetry.Telemetry) (traceID string) {
	t.Helper()
	ctx, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "op")
	tel.Logger.InfoContext(ctx, "hello", "client_secret", "s3cr3t-canary")
	tel.Logger.DebugContext(ctx, "too low")
	span.End()
	counter, err := tel.MeterProvider.Meter("test").Int64Counter("freshet.test")
	require.NoError(t, err)
	counter.Add(ctx, 1)
	require.NoError(t, tel.Shutdown(t.Context()))
	return span.SpanContext().TraceID().String()
}

func TestOTLPWhenAsked(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)

	id := emit(t, setup(t, io.Discard, os.Getenv))
	require.Equal(t, []string{"op"}, c.spans)
	require.Contains(t, c.metrics, "freshet.test")
	require.Len(t, c.logs, 1)
	require.True(t, strings.HasPrefix(c.logs[0], id+" hello"), c.logs[0])
	require.Contains(t, c.logs[0], "[redacted]")
	require.NotContains(t, c.logs[0], "s3cr3t-canary")
}

func TestNoOTLPUnlessAsked(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	// The exporters would find the collector, if there were any.
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)

	for name, env := range map[string]map[string]string{
		"nothing":    {},
		"disabled":   {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": server.URL},
		"none":       {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": server.URL},
		"prometheus": {"OTEL_METRICS_EXPORTER": "prometheus"},
	} {
		t.Run(name, func(t *testing.T) {
			emit(t, setup(t, io.Discard, func(key string) string { return env[key] }))
			require.Empty(t, c.spans)
			require.Empty(t, c.metrics)
			require.Empty(t, c.logs)
		})
	}

	env := map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL}
	emit(t, setup(t, io.Discard, func(key string) string { return env[key] }))
	require.Equal(t, []string{"op"}, c.spans, "one signal only")
	require.Empty(t, c.metrics)
}
