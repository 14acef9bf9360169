package dispatch_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is work of these tests.
type job int

// bench is a Worker whose backlog is in memory and whose lanes a test sets.
type bench struct {
	mu       sync.Mutex
	limits   map[string]dispatch.Limits
	gates    map[string]dispatch.Gate
	backlog  map[string][]dispatch.Item[job]
	starts   map[string][]time.Time
	order    map[string][]job
	released int
	running  map[string]int
	peak     map[string]int
	failing  bool
	slot     time.Time
	claim    time.Duration // how long a claim takes
	claiming int

	claimedAtOnce int
	together      [][]job
	batch         func(items []job) []dispatch.Again
	work          func(ctx context.Context, lane string, item job) dispatch.Again
}

func newBench() *bench {
	return &bench{
		limits: map[string]dispatch.Limits{}, gates: map[string]dispatch.Gate{}, backlog: map[string][]dispatch.Item[job]{},
		starts: map[string][]time.Time{}, order: map[string][]job{}, running: map[string]int{}, peak: map[string]int{},
	}
}

// Tenant is what is before the slash of a lane's name.
func (b *bench) Tenant(lane string) string {
	tenant, _, _ := strings.Cut(lane, "/")
	return tenant
}

func (b *bench) Limits(lane string) dispatch.Limits {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limits[lane]
}

func (b *bench) Gate(lane string) dispatch.Gate {
	b.mu.Lock()
	defer b.mu.Unlock()
	if gate, ok := b.gates[lane]; ok {
		return gate
	}
	return dispatch.Gate{Open: true}
}

func (b *bench) Claim(ctx context.Context, lane string, limit int) ([]dispatch.Item[job], time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claiming++
	b.claimedAtOnce = max(b.claimedAtOnce, b.claiming)
	b.mu.Unlock()
	select {
	case <-time.After(b.claim):
	case <-ctx.Done():
	}
	b.mu.Lock()
	b.claiming--
	if b.failing {
		return nil, time.Time{}, errors.New("down")
	}
	var claimed, rest []dispatch.Item[job]
	var next time.Time
	for _, item := range b.backlog[lane] {
		if len(claimed) < limit && !item.Due.After(time.Now()) {
			claimed = append(claimed, item)
			continue
		}
		rest = append(rest, item)
		if next.IsZero() || item.Due.Before(next) {
			next = item.Due
		}
	}
	b.backlog[lane] = rest
	return claimed, next, nil
}

func (b *bench) Release(_ context.Context, lane string, items []job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released += len(items)
	for _, item := range items {
		b.backlog[lane] = append(b.backlog[lane], dispatch.Item[job]{Value: item, Due: time.Now()})
	}
	return nil
}

func (b *bench) Work(ctx context.Context, lane string, item job, free func()) dispatch.Again {
	b.mu.Lock()
	b.starts[lane] = append(b.starts[lane], time.Now())
	b.order[lane] = append(b.order[lane], item)
	b.running[lane]++
	b.peak[lane] = max(b.peak[lane], b.running[lane])
	b.mu.Unlock()
	var again dispatch.Again
	if b.work != nil {
		again = b.work(ctx, lane, item)
	}
	b.mu.Lock()
	b.running[lane]--
	b.mu.Unlock()
	free()
	return again
}

func (b *bench) WorkTogether(_ context.Context, lane string, items []job, free func()) []dispatch.Again {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starts[lane] = append(b.starts[lane], time.Now())
	b.together = append(b.together, items)
	free()
	if b.batch != nil {
		return b.batch(items)
	}
	return make([]dispatch.Again, len(items))
}

func (b *bench) Slots(_ context.Context, _ string, interval time.Duration, n int) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slot.Before(time.Now()) {
		b.slot = time.Now()
	}
	first := b.slot
	b.slot = first.Add(time.Duration(n) * interval)
	return first, nil
}

func (b *bench) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bench) times(lane string) []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.starts[lane])
}

type dispatcher = dispatch.Dispatcher[string, job]

// run runs a test in a bubble with a dispatcher that ends with it.
func run(t *testing.T, c dispatch.Config, fn func(t *testing.T, b *bench, d *dispatcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		d := dispatch.New(b, c)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, d.Start(ctx))
		fn(t, b, d)
		cancel()
		d.Wait()
	})
}

func put(t *testing.T, d *dispatcher, lane string, n int) {
	t.Helper()
	for i := range n {
		require.True(t, d.Reserve(lane, 1))
		d.Put(lane, dispatch.Item[job]{Value: job(i), Due: time.Now(), Weight: 1})
	}
}

// busiest returns the most starts in any second.
func busiest(starts []time.Time) int {
	most := 0
	for i := range starts {
		n := 0
		for n < len(starts)-i && starts[i+n].Sub(starts[i]) < time.Second {
			n++
		}
		most = max(most, n)
	}
	return most
}

func TestRateIsExact(t *testing.T) {
	for _, shared := range []bool{false, true} {
		for _, limit := range []int{1, 3, 50, 300} {
			run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
				b.set(func() { b.limits["x"] = dispatch.Limits{PerSecond: limit, Shared: shared} })
				n := min(limit*5, 1000)
				begin := time.Now()
				put(t, d, "x", n)
				time.Sleep(time.Duration(n/limit+2) * time.Second)
				starts := b.times("x")
				require.Len(t, starts, n)
				require.LessOrEqual(t, busiest(starts), limit)
				require.InDelta(t, float64(n-1)/float64(limit), starts[n-1].Sub(begin).Seconds(), 0.05, "no slower than the limit")
			})
		}
	}
}

// TestRateAfterAPause makes sure that an unused rate is not saved up.
func TestRateAfterAPause(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() { b.limits["x"] = dispatch.Limits{PerSecond: 10} })
		put(t, d, "x", 5)
		time.Sleep(700 * time.Millisecond)
		put(t, d, "x", 40)
		time.Sleep(10 * time.Second)
		require.Len(t, b.times("x"), 45)
		require.LessOrEqual(t, busiest(b.times("x")), 10)
	})
}

func TestRateCanChange(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() { b.limits["x"] = dispatch.Limits{PerSecond: 1} })
		put(t, d, "x", 100)
		time.Sleep(1500 * time.Millisecond)
		require.Len(t, b.times("x"), 2)
		b.set(func() { b.limits["x"] = dispatch.Limits{PerSecond: 100} })
		d.Remind("x")
		time.Sleep(2 * time.Second)
		require.Len(t, b.times("x"), 100)
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	run(t, dispatch.Config{Concurrency: 3, Total: 5}, func(t *testing.T, b *bench, d *dispatcher) {
		b.work = func(context.Context, string, job) dispatch.Again { time.Sleep(time.Second); return dispatch.Again{} }
		for _, lane := range []string{"a", "b", "c"} {
			put(t, d, lane, 10)
		}
		time.Sleep(500 * time.Millisecond)
		b.set(func() { require.Equal(t, 5, b.running["a"]+b.running["b"]+b.running["c"]) })
		time.Sleep(7 * time.Second)
		for _, lane := range []string{"a", "b", "c"} {
			require.Len(t, b.times(lane), 10, "each lane has its turn")
			require.LessOrEqual(t, b.peak[lane], 3)
		}
	})
}

func TestSlowLaneDelaysNoOther(t *testing.T) {
	run(t, dispatch.Config{Concurrency: 2}, func(t *testing.T, b *bench, d *dispatcher) {
		b.work = func(_ context.Context, lane string, _ job) dispatch.Again {
			if lane == "slow" {
				time.Sleep(time.Hour)
			}
			return dispatch.Again{}
		}
		put(t, d, "slow", 100)
		put(t, d, "quick", 100)
		synctest.Wait()
		require.Len(t, b.times("quick"), 100)
		require.Len(t, b.times("slow"), 2)
		time.Sleep(60 * time.Hour)
	})
}

func TestBacklogIsClaimedInOrder(t *testing.T) {
	run(t, dispatch.Config{Lane: 200}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() {
			for i := range 1000 {
				b.backlog["x"] = append(b.backlog["x"], dispatch.Item[job]{Value: job(i), Due: time.Now()})
			}
			b.backlog["x"] = append(b.backlog["x"], dispatch.Item[job]{Value: 1000, Due: time.Now().Add(time.Hour)})
			b.limits["x"] = dispatch.Limits{Concurrency: 1}
		})
		d.Wake("x", time.Now())
		require.False(t, d.Reserve("x", 1), "new items join the backlog")
		time.Sleep(time.Minute)
		b.set(func() {
			require.Len(t, b.order["x"], 1000)
			require.True(t, slices.IsSorted(b.order["x"]))
		})
		require.True(t, d.Reserve("x", 1), "nothing is due any more")
		d.Forgo("x", 1)
		time.Sleep(time.Hour)
		require.Len(t, b.times("x"), 1001)
	})
}

func TestRetriesStayOrGo(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.work = func(_ context.Context, lane string, item job) dispatch.Again {
			b.mu.Lock()
			defer b.mu.Unlock()
			switch len(b.starts[lane]) {
			case 1:
				return dispatch.Again{At: time.Now().Add(time.Second), Keep: true}
			case 2:
				at := time.Now().Add(time.Minute)
				b.backlog[lane] = append(b.backlog[lane], dispatch.Item[job]{Value: item, Due: at})
				return dispatch.Again{At: at}
			}
			return dispatch.Again{}
		}
		begin := time.Now()
		put(t, d, "x", 1)
		time.Sleep(2 * time.Minute)
		starts := b.times("x")
		require.Len(t, starts, 3)
		require.Equal(t, time.Second, starts[1].Sub(begin))
		require.Equal(t, time.Minute+time.Second, starts[2].Sub(begin))
	})
}

func TestGate(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		opened := make(chan struct{})
		b.set(func() { b.gates["x"] = dispatch.Gate{Changed: opened} })
		put(t, d, "x", 3)
		time.Sleep(time.Hour)
		require.Empty(t, b.times("x"))
		require.Zero(t, b.released, "a short pause keeps items")
		b.set(func() { b.gates["x"] = dispatch.Gate{Release: true, Changed: opened} })
		d.Remind("x")
		time.Sleep(time.Hour)
		b.set(func() { require.Equal(t, 3, b.released) })
		require.False(t, d.Reserve("x", 1))
		b.set(func() { delete(b.gates, "x") })
		close(opened)
		synctest.Wait()
		require.Len(t, b.times("x"), 3)
	})
}

func TestFailingBacklogIsTriedAgain(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() {
			b.failing = true
			b.backlog["x"] = []dispatch.Item[job]{{Value: 1, Due: time.Now()}}
		})
		d.Wake("x", time.Now())
		time.Sleep(10 * time.Second)
		require.Empty(t, b.times("x"))
		b.set(func() { b.failing = false })
		time.Sleep(2 * time.Second)
		require.Len(t, b.times("x"), 1)
	})
}

func TestDropAndOldestDue(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() { b.gates["x"] = dispatch.Gate{} })
		require.Zero(t, d.OldestDue())
		begin := time.Now()
		put(t, d, "x", 10)
		time.Sleep(time.Second)
		require.Equal(t, begin, d.OldestDue())
		require.ElementsMatch(t, []job{0, 2, 4, 6, 8}, d.Drop("x", func(j job) bool { return j%2 == 0 }))
		require.Empty(t, d.Drop("y", func(job) bool { return true }))
		b.set(func() {
			delete(b.gates, "x")
			b.limits["x"] = dispatch.Limits{Concurrency: 1}
		})
		d.Remind("x")
		synctest.Wait()
		require.Equal(t, []job{1, 3, 5, 7, 9}, b.order["x"])
		require.Zero(t, d.OldestDue())
	})
}

func TestRoomIsBounded(t *testing.T) {
	run(t, dispatch.Config{Lane: 4, Memory: 100}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() { b.gates["x"] = dispatch.Gate{} })
		put(t, d, "x", 4)
		require.False(t, d.Reserve("x", 1), "the lane is full")
		// What a tenant has is at most four times what is free then.
		require.False(t, d.Reserve("y/1", 77))
		require.True(t, d.Reserve("y/1", 70))
		require.False(t, d.Reserve("y/2", 7), "another lane of the same")
		require.True(t, d.Reserve("y/2", 6))
		require.False(t, d.Reserve("z", 17))
		require.True(t, d.Reserve("z", 16), "another tenant")
		d.Forgo("y/1", 70)
		require.True(t, d.Reserve("z", 40))
		d.Forgo("y/2", 6)
		d.Forgo("z", 16)
		d.Forgo("z", 40)
	})
}

func TestEndWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		var cut int
		b.work = func(ctx context.Context, _ string, item job) dispatch.Again {
			select {
			case <-time.After(time.Duration(item) * time.Second):
			case <-ctx.Done():
				b.set(func() { cut++ })
			}
			return dispatch.Again{}
		}
		d := dispatch.New(b, dispatch.Config{Drain: 5 * time.Second})
		require.False(t, d.Reserve("x", 1), "not before Start")
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, d.Start(ctx))
		require.ErrorIs(t, d.Start(ctx), dispatch.ErrStarted)
		put(t, d, "x", 10)
		synctest.Wait()
		begin := time.Now()
		cancel()
		d.Wait()
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.InDelta(t, 4, cut, 1)
		require.False(t, d.Reserve("x", 1))
		d.Wake("x", time.Now())
	})
}

// TestIdleLanesLeave makes sure that a lane that has nothing to do costs nothing, and works when it is needed again.
func TestIdleLanesLeave(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		for range 3 {
			put(t, d, "x", 2)
			time.Sleep(5 * time.Minute)
		}
		require.Len(t, b.times("x"), 6)
	})
}
