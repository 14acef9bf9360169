package schedule_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/freshet-io/freshet/services/token/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWindow(t *testing.T) {
	for _, test := range []struct{ lifetime, override, want time.Duration }{
		{5 * time.Second, 0, 2500 * time.Millisecond},
		{5 * time.Minute, 0, 150 * time.Second},
		{10 * time.Minute, 0, 5 * time.Minute},
		{20 * time.Minute, 0, 5 * time.Minute},
		{20*time.Minute + 1, 0, 10*time.Minute + 0},
		{time.Hour, 0, 15 * time.Minute},
		{90*time.Minute - 1, 0, 15 * time.Minute},
		{90 * time.Minute, 0, 45 * time.Minute},
		{2 * time.Hour, 0, time.Hour},
		{60 * 24 * time.Hour, 0, time.Hour},
		{time.Hour, time.Minute, time.Minute},
		{time.Hour, 59 * time.Minute, 30 * time.Minute},
		{0, 0, 0},
		{-time.Second, time.Minute, 0},
	} {
		require.Equal(t, test.want, schedule.Window(test.lifetime, test.override), "%v, %v", test.lifetime, test.override)
	}
}

// TestPlanLeavesLead for every lifetime: the token is refreshed after half of its life and before its end.
func TestPlanLeavesLead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		issue := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		lifetime := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(400*24*time.Hour)).Draw(t, "lifetime"))
		override := time.Duration(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(int64(time.Millisecond), int64(400*24*time.Hour))).Draw(t, "override"))
		generation := rapid.Int64Range(1, 1<<40).Draw(t, "generation")
		refresh, must := schedule.Plan("projects/p/connections/c/token", generation, issue, issue.Add(lifetime), override)
		lead := issue.Add(lifetime).Sub(refresh)
		window := schedule.Window(lifetime, override)
		require.LessOrEqual(t, lead, lifetime/2+1)
		require.GreaterOrEqual(t, lead, window*3/4-1)
		require.Positive(t, lead)
		require.False(t, must.Before(refresh))
		require.False(t, must.After(issue.Add(lifetime)))
	})
}

// TestJitterSpreads tokens that were issued in one second over the last quarter of the window, evenly.
func TestJitterSpreads(t *testing.T) {
	issue := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var buckets [10]int
	const count = 10_000
	for i := range count {
		name := fmt.Sprintf("projects/p/connections/c%d/token", i)
		refresh, _ := schedule.Plan(name, 1, issue, issue.Add(time.Hour), 0)
		again, _ := schedule.Plan(name, 1, issue, issue.Add(time.Hour), 0)
		require.Equal(t, refresh, again, "drawn once")
		nominal := 15 * time.Minute / 4
		buckets[int64(refresh.Sub(issue.Add(45*time.Minute)))*10/int64(nominal)]++
	}
	for _, n := range buckets {
		require.InDelta(t, count/10, n, 150)
	}
	require.NotEqual(t, schedule.Jitter("a", 1), schedule.Jitter("a", 2))
}

func TestBackoff(t *testing.T) {
	top := func() float64 { return 0.999999999 }
	bottom := func() float64 { return 0 }
	for _, test := range []struct {
		failures            int
		remaining, lifetime time.Duration
		want                time.Duration
	}{
		{1, 0, 0, time.Second},
		{2, 0, 0, 2 * time.Second},
		{8, 0, 0, 128 * time.Second},
		{9, 0, 0, 256 * time.Second},
		{10, 0, 0, 5 * time.Minute},
		{1 << 30, 0, 0, 5 * time.Minute},
		{1, 2 * time.Second, 5 * time.Second, 500 * time.Millisecond},
		{5, 100 * time.Millisecond, 5 * time.Second, 100 * time.Millisecond},
		{20, 10 * time.Minute, time.Hour, 150 * time.Second},
		{20, time.Second, time.Hour, 10 * time.Second},  // not ever faster
		{20, -time.Second, time.Hour, 10 * time.Second}, // nor at once slow
		{20, -time.Minute, time.Hour, 30 * time.Second},
		{20, -time.Hour, time.Hour, 5 * time.Minute},
	} {
		require.InDelta(t, test.want, schedule.Backoff(test.failures, test.remaining, test.lifetime, top), float64(time.Microsecond), "%+v", test)
		require.Equal(t, 100*time.Millisecond, schedule.Backoff(test.failures, test.remaining, test.lifetime, bottom))
	}
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := schedule.NewQueue[string](time.Now)
		start := time.Now()
		at := func(d time.Duration) time.Time { return start.Add(d) }
		next := func() string {
			key, err := q.Wait(t.Context())
			require.NoError(t, err)
			return fmt.Sprintf("%s at %v", key, time.Since(start))
		}
		q.Set("b", 1, at(2*time.Second))
		q.Set("a", 1, at(time.Second))
		q.Set("c", 1, at(3*time.Second))
		q.Set("moved", 1, at(time.Second))
		q.Set("moved", 2, at(4*time.Hour))
		q.Set("moved", 1, at(time.Second)) // late
		q.Set("removed", 1, at(time.Second))
		q.Set("removed", 2, time.Time{})
		q.Set("never", 1, time.Time{})
		require.Equal(t, 4, q.Len())
		require.Equal(t, "a at 1s", next())
		require.Equal(t, "b at 2s", next())

		go func() {
			time.Sleep(500 * time.Millisecond)
			q.Set("sooner", 1, start) // already due
		}()
		require.Equal(t, "sooner at 2.5s", next())
		require.Equal(t, "c at 3s", next())
		require.Equal(t, "moved at 4h0m0s", next())
		require.Zero(t, q.Len())

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := q.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestQueueOrder hands out many keys in the order of their times, whatever was changed before.
func TestQueueOrder(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	q := schedule.NewQueue[int](func() time.Time { return now })
	random := rand.New(rand.NewPCG(1, 2))
	want := map[int]time.Time{}
	for range 5000 {
		key, due := random.IntN(1000), now.Add(-time.Duration(random.IntN(1e9)))
		if random.IntN(10) == 0 {
			due = time.Time{}
			delete(want, key)
		} else {
			want[key] = due
		}
		q.Set(key, 1, due)
	}
	require.Equal(t, len(want), q.Len())
	last := time.Time{}
	for range len(want) {
		key, err := q.Wait(t.Context())
		require.NoError(t, err)
		require.False(t, want[key].Before(last))
		last = want[key]
	}
}

func BenchmarkQueue(b *testing.B) {
	now := time.Now()
	q := schedule.NewQueue[int](func() time.Time { return now })
	for i := range 100_000 {
		q.Set(i, 1, now.Add(time.Duration(i)))
	}
	for i := 0; b.Loop(); i++ {
		q.Set(i%100_000, int64(i), now.Add(time.Duration(i)))
	}
}
