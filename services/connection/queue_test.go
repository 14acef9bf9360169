package connection

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for n := 1; n < 100; n++ {
		full := maxRetry
		if n < 8 {
			full = min(maxRetry, minRetry<<(n-1))
		}
		for range 100 {
			d := retryDelay(n)
			require.GreaterOrEqual(t, d, full/2)
			require.Less(t, d, full)
		}
	}
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		a, b := Name{"p", "a"}, Name{"p", "b"}
		take := func() Name {
			t.Helper()
			name, ok := q.take(t.Context())
			require.True(t, ok)
			return name
		}
		empty := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, ok := q.take(ctx)
			require.False(t, ok)
		}
		q.add(a)
		q.add(b)
		q.add(a) // is in it already
		require.Equal(t, a, take())
		require.Equal(t, b, take())
		empty()

		q.add(a) // while a worker has it
		empty()
		q.done(a, false)
		require.Equal(t, a, take())
		q.done(a, true)
		q.done(b, true)
		require.Empty(t, q.items)

		// After failures it comes back by itself, ever later.
		q.add(a)
		require.Equal(t, a, take())
		last := time.Duration(0)
		for n := 1; n < 12; n++ {
			start := time.Now()
			q.done(a, false)
			require.Equal(t, a, take())
			waited := time.Since(start)
			require.Greater(t, waited, last/4)
			last = waited
		}
		require.GreaterOrEqual(t, last, maxRetry/2)

		// Being added, or hurried, ends the wait.
		q.done(a, false)
		start := time.Now()
		q.add(a)
		require.Equal(t, a, take())
		q.done(a, false)
		q.hurry()
		require.Equal(t, a, take())
		require.Zero(t, time.Since(start))
		q.done(a, false) // counts from the start again
		require.Equal(t, a, take())
		require.Less(t, time.Since(start), minRetry)
		q.done(a, false)
		q.stop()
		time.Sleep(time.Hour)
		empty()
	})
}

func TestEveryStateHasAnEvent(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, s := range []State{
		StateCreating, StateAuthorizing, StateAuthorized, StateUpdating, StateDeauthorizing, StateDeauthorized, StateFailedConnectivity,
		StateDeleting,
	} {
		detailType := StateEvent{State: s}.DetailType()
		require.NotEqual(t, "Connection State Changed", detailType)
		require.False(t, seen[detailType])
		seen[detailType] = true
	}
}
