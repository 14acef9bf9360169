package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentile(t *testing.T) {
	times := make([]time.Duration, 200)
	for i := range times {
		times[i] = time.Duration(200 - i) // 1 to 200, the other way round
	}
	require.Equal(t, time.Duration(100), percentile(times, 50))
	require.Equal(t, time.Duration(198), percentile(times, 99))
	require.Equal(t, time.Duration(7), percentile([]time.Duration{7}, 99))
	require.Zero(t, percentile(nil, 50))
}

func TestMedian(t *testing.T) {
	require.InDelta(t, 3, median([]float64{9, 1, 3}), 0)
	require.InDelta(t, 2, median([]float64{9, 1, 3, 1}), 0)
	require.Zero(t, median(nil))
}

func TestRates(t *testing.T) {
	require.InDelta(t, 500, perSecond(1000, 2*time.Second), 0)
	require.Zero(t, perSecond(1000, 0))
	require.InDelta(t, 0.3, perThousand(6*time.Second, 20_000), 0)
}
