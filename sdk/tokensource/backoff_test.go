package tokensource

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBackoffDoublesWithJitterUpToItsCap(t *testing.T) {
	var b backoff
	ceiling := minBackoff
	for range 20 {
		delay := b.next(forever)
		require.GreaterOrEqual(t, delay, ceiling/2)
		require.LessOrEqual(t, delay, ceiling)
		ceiling = min(2*ceiling, maxBackoff)
	}
	require.Equal(t, maxBackoff, ceiling)

	b.reset()
	require.LessOrEqual(t, b.next(forever), minBackoff)
}

func TestBackoffIsLimitedButNotBelowItsMinimum(t *testing.T) {
	b := backoff{ceiling: maxBackoff}
	for range 20 {
		delay := b.next(time.Second)
		require.GreaterOrEqual(t, delay, time.Second/2)
		require.LessOrEqual(t, delay, time.Second)
		require.GreaterOrEqual(t, b.next(time.Nanosecond), minBackoff/2)
	}
}

func TestBackoffSpreads(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		b := backoff{ceiling: maxBackoff}
		seen[b.next(forever)] = true
	}
	require.Greater(t, len(seen), 10)
}
