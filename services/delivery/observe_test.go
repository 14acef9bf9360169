package delivery_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestTracesAndMetrics: an attempt is in the trace of its event, linked to the refresh that made its token; the figures are counted.
func TestTracesAndMetrics(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Params: func(p *delivery.Params) {
		p.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		p.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}}).Run(t)
	s.Destination(t, "shop", to.URL, nil)
	s.Rule(t, "shop", nil)
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	s.Stop() // the outcome is seen before it is counted

	ended := spans.Ended()
	require.Len(t, ended, 3)
	put, first, second := ended[0], ended[1], ended[2]
	require.Equal(t, "delivery.put_events", put.Name())
	for _, attempt := range []sdktrace.ReadOnlySpan{first, second} {
		require.Equal(t, "delivery.attempt", attempt.Name())
		require.Equal(t, put.SpanContext().SpanID(), attempt.Parent().SpanID())
		require.Equal(t, put.SpanContext().TraceID(), attempt.SpanContext().TraceID())
		require.Len(t, attempt.Links(), 1)
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", attempt.Links()[0].SpanContext.TraceID().String())
	}
	require.Equal(t, put.SpanContext().TraceID().String(), d.History[0].TraceID)
	traceparent := to.all()[1].Header.Get("Traceparent")
	require.Contains(t, traceparent, second.SpanContext().SpanID().String())

	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &data))
	sums := map[string]int64{}
	durations, gauges := 0, 0
	ours := slices.IndexFunc(data.ScopeMetrics, func(m metricdata.ScopeMetrics) bool {
		return m.Scope.Name == "github.com/freshet-io/freshet/services/delivery"
	})
	require.NotEqual(t, -1, ours)
	for _, m := range data.ScopeMetrics[ours].Metrics {
		require.True(t, strings.HasPrefix(m.Name, "freshet.delivery."))
		switch d := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range d.DataPoints {
				value := p.Attributes.ToSlice()[0].Value.AsString()
				sums[strings.TrimPrefix(m.Name, "freshet.delivery.")+" "+value] += p.Value
			}
		case metricdata.Histogram[float64]:
			require.Equal(t, "freshet.delivery.ingest_to_success.duration", m.Name)
			durations += int(d.DataPoints[0].Count)
		case metricdata.Gauge[float64]:
			require.Equal(t, "freshet.delivery.backlog.age", m.Name)
			gauges++
		}
	}
	require.Equal(t, map[string]int64{
		"attempts retryable_status": 1, "attempts success": 1, "deliveries succeeded": 1, "events accepted": 1,
		"trimmed event": 0, "trimmed delivery": 0, "archive.events added": 0, "archive.events removed": 0,
	}, sums)
	require.Equal(t, 1, durations)
	require.Equal(t, 1, gauges)
}
