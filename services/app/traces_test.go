package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-io/freshet/services/app"
)

// exported is what a process exports: its spans by name, and all bytes as they came.
type exported struct {
	mu    sync.Mutex
	spans map[string][]*tracev1.Span
	raw   []byte
	err   error
}

// export makes the processes of a test export their traces.
func export(t *testing.T) *exported {
	t.Helper()
	e := &exported{spans: map[string][]*tracev1.Span{}}
	collector := httptest.NewServer(e)
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.URL+"/v1/traces")
	return e
}

// ServeHTTP implements http.Handler with the OTLP/HTTP protocol (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
func (e *exported) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var request collectorv1.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil {
		e.err = err
	}
	e.raw = append(e.raw, body...)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				e.spans[span.GetName()] = append(e.spans[span.GetName()], span)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message: all taken
}

func attributes(span *tracev1.Span) map[string]any {
	out := map[string]any{}
	for _, a := range span.GetAttributes() {
		if out[a.GetKey()] = any(a.GetValue().GetStringValue()); a.GetValue().GetStringValue() == "" {
			out[a.GetKey()] = a.GetValue().GetIntValue()
		}
	}
	return out
}

// A token request is a client span below token.refresh.request, whether it is answered or not. Nothing of it tells a query or a secret.
func TestTokenRequestsAreTraced(t *testing.T) {
	secrets := []string{"s3cret-query", "s3cret-client", "s3cret-token"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, secrets[2])
	}))
	t.Cleanup(server.Close)
	traces := export(t)
	addrs, stop := run(t, func(c *app.Config) { c.Egress.Allow, c.Egress.AllowHTTP = []string{"loopback"}, true })
	s := suite{addrs}
	for id, endpoint := range map[string]string{"crm": server.URL, "down": "http://127.0.0.1:1"} {
		s.call(t, "POST", project+"/connections?connectionId="+id, fmt.Sprintf(
			`{"oauth2":{"grantType":"CLIENT_CREDENTIALS","tokenEndpoint":"%s/token?key=%s","clientId":"c","clientSecret":"%s"}}`, endpoint, secrets[0], secrets[1]))
	}
	s.until(t, project+"/connections/crm/token", `"AUTHORIZED"`)
	s.until(t, project+"/connections/down", `"NOT_SENT"`)
	stop()

	traces.mu.Lock()
	defer traces.mu.Unlock()
	require.NoError(t, traces.err)
	parents := map[string]bool{}
	for _, span := range traces.spans["token.refresh.request"] {
		parents[string(span.GetSpanId())] = true
	}
	outcomes := map[tracev1.Status_StatusCode]map[string]any{}
	for _, span := range traces.spans["POST"] {
		if parents[string(span.GetParentSpanId())] {
			require.Equal(t, tracev1.Span_SPAN_KIND_CLIENT, span.GetKind())
			outcomes[span.GetStatus().GetCode()] = attributes(span)
		}
	}
	common := map[string]any{"http.request.method": "POST", "server.address": "127.0.0.1", "url.scheme": "http", "url.path": "/token"}
	answered, unanswered := map[string]any{"http.response.status_code": int64(200)}, map[string]any{"error.type": "NOT_SENT"}
	for key, value := range common {
		answered[key], unanswered[key] = value, value
	}
	require.Equal(t, map[tracev1.Status_StatusCode]map[string]any{
		tracev1.Status_STATUS_CODE_UNSET: answered, tracev1.Status_STATUS_CODE_ERROR: unanswered,
	}, outcomes)
	for _, secret := range secrets {
		require.NotContains(t, string(traces.raw), secret)
	}
}
