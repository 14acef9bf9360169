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
		q := newQueue[Name]()
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

// TestQueueClaim takes connections out of their turn.
func TestQueueClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[Name]()
		a, b := Name{"p", "a"}, Name{"p", "b"}
		q.add(a)
		q.add(b)
		require.True(t, q.claim(t.Context(), a))
		name, ok := q.take(t.Context())
		require.True(t, ok)
		require.Equal(t, b, name, "a is claimed")
		q.done(a, true)
		require.NotContains(t, q.items, a)

		// What was claimed can be added again, and is handed out once.
		q.add(a)
		require.True(t, q.claim(t.Context(), a))
		q.add(a)
		q.done(a, false)
		name, _ = q.take(t.Context())
		require.Equal(t, a, name)
		_, ok = q.pop()
		require.False(t, ok)

		// A claim waits for whoever has it, and no longer than its context lasts.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.False(t, q.claim(ctx, a))
		require.Equal(t, time.Second, time.Since(start))
		claimed := make(chan bool)
		go func() { claimed <- q.claim(t.Context(), a) }()
		synctest.Wait()
		q.done(a, true)
		require.True(t, <-claimed)
		q.done(a, true)
		q.done(b, true)
		require.Empty(t, q.items)

		// It ends the wait after a failure.
		require.True(t, q.claim(t.Context(), a))
		q.done(a, false)
		require.True(t, q.claim(t.Context(), a))
		q.done(a, true)
		time.Sleep(time.Hour)
		_, ok = q.pop()
		require.False(t, ok)
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
