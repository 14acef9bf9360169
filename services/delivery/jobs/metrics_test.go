package jobs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

// sums returns the figures of redrives and archives, by the names of their instruments and their values of attributes.
func (w *world) sums(t *testing.T) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(t, w.figures.Collect(t.Context(), &data))
	sums := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, p := range sum.DataPoints {
				name := strings.TrimPrefix(m.Name, "freshet.delivery.")
				for _, attribute := range p.Attributes.ToSlice() {
					name += " " + attribute.Value.AsString()
				}
				sums[name] = p.Value
			}
		}
	}
	return sums
}

func TestMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.deaths(t, 20, nil)
		require.Zero(t, w.sums(t)["jobs.running redrive"])
		w.redrive(t, "again", func(j *jobs.Job) { j.Rate = 10 })
		time.Sleep(time.Second)
		under := w.sums(t)
		require.EqualValues(t, 20, under["archive.events added"])
		require.EqualValues(t, 1, under["jobs.running redrive"])
		require.InDelta(t, 10, under["jobs.items redrive"], 3)
		require.Zero(t, under["jobs.ended redrive completed"])
		time.Sleep(3 * time.Second)
		ended := w.sums(t)
		require.Zero(t, ended["jobs.running redrive"])
		require.EqualValues(t, 20, ended["jobs.items redrive"])
		require.EqualValues(t, 1, ended["jobs.ended redrive completed"])
		require.Contains(t, ended, "jobs.ended replay failed")

		require.NoError(t, w.Service.DeleteArchive(t.Context(), archive("all"), delivery.Write{}))
		time.Sleep(2 * time.Minute)
		require.EqualValues(t, 20, w.sums(t)["archive.events removed"])
	})
}
