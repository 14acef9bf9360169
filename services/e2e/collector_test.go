package e2e_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector receives OTLP over HTTP and keeps it.
type collector struct {
	server *httptest.Server

	mu      sync.Mutex
	spans   map[string][]*tracev1.Span // by trace id
	bodies  map[string][]byte          // everything as it was received, by path
	refused []error                    // what could not be read
}

func newCollector() *collector {
	c := &collector{spans: map[string][]*tracev1.Span{}, bodies: map[string][]byte{}}
	c.server = httptest.NewServer(http.HandlerFunc(c.receive))
	return c
}

// environment asks for export to the collector, soon after things happen.
func (c *collector) environment() map[string]string {
	return map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.server.URL,
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		"OTEL_BSP_SCHEDULE_DELAY":     "200",
		"OTEL_BLRP_SCHEDULE_DELAY":    "200",
		"OTEL_METRIC_EXPORT_INTERVAL": "1000",
		"OTEL_METRIC_EXPORT_TIMEOUT":  "1000",
	}
}

// quiet is the environment of processes that shall export nothing.
func quiet() []string { return []string{"OTEL_SDK_DISABLED=true"} }

func (c *collector) close() {
	c.server.CloseClientConnections()
	c.server.Close()
}

func (c *collector) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender left
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies[r.URL.Path] = append(c.bodies[r.URL.Path], body...)
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message accepts all
	if r.URL.Path != "/v1/traces" {
		return
	}
	var request collectortrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		c.refused = append(c.refused, err)
		return
	}
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := hex.EncodeToString(span.GetTraceId())
				c.spans[id] = append(c.spans[id], span)
			}
		}
	}
}

// trace returns the spans received of a trace.
func (c *collector) trace(id string) []*tracev1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans[id])
}

// received is everything received so far, by path.
func (c *collector) received() map[string][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]byte{}
	for path, body := range c.bodies {
		out["OTLP "+path] = slices.Clone(body)
	}
	return out
}
