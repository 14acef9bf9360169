package bench_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/bench"
)

func TestMatch(t *testing.T) {
	result, err := bench.Match(t.Context(), bench.MatchConfig{Round: time.Millisecond, Rounds: 2})
	require.NoError(t, err)
	require.Len(t, result.Rates, 3)
	for i, rules := range []int{1, 100, 10_000} {
		require.Equal(t, rules, result.Rates[i].Rules)
		require.Positive(t, result.Rates[i].EventsPerSecond)
	}
	require.InDelta(t, result.Rates[2].EventsPerSecond/result.Rates[0].EventsPerSecond, result.Ratio, 0.001)
	require.InDelta(t, 800, result.EventBytes, 80)

	for _, config := range []bench.MatchConfig{{Round: time.Second}, {Rounds: 1}, {Round: time.Hour, Rounds: 1}} {
		_, err := bench.Match(t.Context(), config)
		require.Error(t, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = bench.Match(cancelled, bench.MatchConfig{Round: time.Millisecond, Rounds: 1})
	require.ErrorIs(t, err, context.Canceled)
}
