package e2e_test

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
)

// testObservability follows a refresh and a delivery that used its token through traces and metrics.
func testObservability(t *testing.T, w World) {
	s := newScene(t, w, brief)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)
	s.follow(t, s.token("crm")).await(t, "a scheduled refresh", generation(2))
	used := s.deliver(t, "orders", "1").Attempts[0]
	made := committed(t, s.rotations(t, "crm"), used.TokenGeneration)
	require.Equal(t, "SCHEDULE", made.Trigger)
	lead, err := time.ParseDuration(made.LeadTime)
	require.NoError(t, err)
	require.Positive(t, lead)

	refresh := awaitTrace(t, made.TraceID, "token.refresh", "token.refresh.claim", "token.refresh.settings", "token.refresh.request", "token.refresh.commit", "token.refresh.push")
	requireOneTree(t, refresh, "token.refresh")
	// The question to the connection service belongs to it too, at both ends.
	awaitTrace(t, made.TraceID, "freshet.connection.v1.ConnectionInternalService/GetAuthorizationSettings")

	attempt := awaitTrace(t, used.TraceID, "delivery.attempt")
	require.NotEqual(t, made.TraceID, used.TraceID)
	var links []string
	for _, span := range attempt {
		if span.GetName() == "delivery.attempt" {
			for _, link := range span.GetLinks() {
				links = append(links, hex.EncodeToString(link.GetTraceId()))
			}
		}
	}
	require.Contains(t, links, made.TraceID)

	m := scrape(t, w)
	for _, name := range []string{
		"freshet_token_refresh_lead_time_seconds_count", "freshet_token_push_duration_seconds_count", "freshet_delivery_ingest_to_success_duration_seconds_count",
		"freshet_delivery_attempts_total", "freshet_delivery_backlog_age_seconds",
		"freshet_token_served_expired_total", "freshet_token_double_redeem_total", "freshet_token_rotation_lost_total",
	} {
		require.Contains(t, m.values, name)
	}
	require.Positive(t, m.values["freshet_token_refresh_lead_time_seconds_count"])
	require.Positive(t, m.values["freshet_token_push_duration_seconds_count"])
	require.Positive(t, m.values["freshet_delivery_ingest_to_success_duration_seconds_count"])
	require.Zero(t, m.values["freshet_token_served_expired_total"])
	require.Zero(t, m.values["freshet_token_double_redeem_total"])
	require.NotContains(t, m.text, strings.TrimPrefix(s.project, "projects/"), "metrics must not grow with projects")
}

// committed returns the rotation that made a generation.
func committed(t testing.TB, rotations []rotation, generation int64) rotation {
	t.Helper()
	i := slices.IndexFunc(rotations, func(r rotation) bool { return r.State == "COMMITTED" && r.Generation == generation })
	require.GreaterOrEqual(t, i, 0, "%+v", rotations)
	return rotations[i]
}

// awaitTrace waits until spans of all names have been exported and returns the trace.
func awaitTrace(t testing.TB, id string, names ...string) []*tracev1.Span {
	t.Helper()
	var spans []*tracev1.Span
	eventually(t, "trace "+id, patience, func() error {
		spans = telemetry.trace(id)
		var got []string
		for _, span := range spans {
			got = append(got, span.GetName())
		}
		for _, name := range names {
			if !slices.Contains(got, name) {
				return on(false, "no %s among %q", name, got)
			}
		}
		return nil
	})
	return spans
}

// requireOneTree checks that every span of a trace hangs below the only root, which has the given name.
func requireOneTree(t testing.TB, spans []*tracev1.Span, root string) {
	t.Helper()
	byID := map[string]*tracev1.Span{}
	for _, span := range spans {
		byID[string(span.GetSpanId())] = span
	}
	roots := 0
	for _, span := range spans {
		if len(span.GetParentSpanId()) == 0 {
			require.Equal(t, root, span.GetName())
			roots++
			continue
		}
		require.Contains(t, byID, string(span.GetParentSpanId()), "the parent of %s is of another trace", span.GetName())
	}
	require.Equal(t, 1, roots)
}

// metrics is what all processes of a world say at /metrics.
type metrics struct {
	text   string
	values map[string]float64 // by name, summed over labels and processes
}

func scrape(t testing.TB, w World) metrics {
	t.Helper()
	m, r := metrics{values: map[string]float64{}}, newREST(t, w)
	for _, url := range w.MetricsURLs() {
		r.base = strings.TrimSuffix(url, "/metrics")
		a := r.call(t, http.MethodGet, "/metrics", nil)
		require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
		m.text += string(a.Body)
	}
	for line := range strings.Lines(m.text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, labels, labelled := strings.Cut(name, "{")
		if labelled { // values of labels may have spaces
			_, rest, _ = strings.Cut(strings.TrimSpace(line)[len(name)+1:], "} ")
		}
		_ = labels
		value, err := strconv.ParseFloat(strings.Fields(rest + " x")[0], 64)
		if err == nil && !strings.HasPrefix(line, "#") {
			m.values[name] += value
		}
	}
	return m
}
