package dispatch_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
)

// gathered is an item of a batch of at most 4 items and 100 of size within 10 s.
func gathered(n, size int) dispatch.Item[job] {
	return dispatch.Item[job]{
		Value: job(n), Due: time.Now(), Weight: 1,
		Batch: &dispatch.Batch{Key: "k", Size: size, MaxItems: 4, MaxSize: 100, Window: 10 * time.Second},
	}
}

func gather(t *testing.T, d *dispatcher, items ...dispatch.Item[job]) {
	t.Helper()
	for _, item := range items {
		require.True(t, d.Reserve("x", 1))
		d.Put("x", item)
	}
}

func (b *bench) batches() [][]job {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.together)
}

// TestBatchesAreBounded by number, by size, and by the time that the first waits.
func TestBatchesAreBounded(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		for n := range 6 {
			gather(t, d, gathered(n, 1))
		}
		require.Equal(t, [][]job{{0, 1, 2, 3}}, b.batches())
		time.Sleep(9 * time.Second)
		gather(t, d, gathered(6, 1))
		require.Len(t, b.batches(), 1)
		time.Sleep(time.Second)
		require.Equal(t, []job{4, 5, 6}, b.batches()[1])

		gather(t, d, gathered(7, 60), gathered(8, 60), gathered(9, 200), gathered(10, 100))
		require.ElementsMatch(t, [][]job{{7}, {8}, {9}, {10}}, b.batches()[2:])

		other := gathered(11, 1)
		other.Batch.Key = "other"
		gather(t, d, gathered(12, 1), other)
		time.Sleep(11 * time.Second)
		require.ElementsMatch(t, [][]job{{11}, {12}}, b.batches()[6:])
	})
}

// TestBatchIsOneStart: of the rate and of the concurrency; what is not batched goes alone beside it.
func TestBatchIsOneStart(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() { b.limits["x"] = dispatch.Limits{PerSecond: 2, Concurrency: 1} })
		for n := range 40 {
			gather(t, d, gathered(n, 1))
		}
		gather(t, d, dispatch.Item[job]{Value: 99, Due: time.Now(), Weight: 1})
		time.Sleep(10 * time.Second)
		require.Len(t, b.batches(), 10)
		require.Equal(t, []job{99}, b.order["x"])
		require.LessOrEqual(t, busiest(b.times("x")), 2)
	})
}

// TestBatchStaysTogether: what is kept comes back as one batch, without those that are done with.
func TestBatchStaysTogether(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.batch = func(items []job) []dispatch.Again {
			again := make([]dispatch.Again, len(items))
			if len(items) == 4 {
				for i := range 3 {
					again[i] = dispatch.Again{Keep: true, At: time.Now().Add(time.Minute)}
				}
			}
			return again
		}
		gather(t, d, gathered(0, 1), gathered(1, 1), gathered(2, 1), gathered(3, 1))
		synctest.Wait()
		gather(t, d, gathered(4, 1))
		time.Sleep(2 * time.Minute)
		require.Equal(t, [][]job{{0, 1, 2, 3}, {4}, {0, 1, 2}}, b.batches())
		held, _ := d.Load("x")
		require.Zero(t, held)
	})
}

// TestBacklogGivesFullBatches: those that have waited long enough still wait for what is being claimed.
func TestBacklogGivesFullBatches(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() {
			for n := range 300 {
				item := gathered(n, 0)
				item.Due = time.Now().Add(-time.Hour)
				item.Batch.MaxItems = 200
				b.backlog["x"] = append(b.backlog["x"], item)
			}
		})
		d.Wake("x", time.Now())
		time.Sleep(time.Second)
		list := b.batches()
		require.Len(t, list, 2)
		sizes := []int{len(list[0]), len(list[1])} // which of the two notes itself first is chance
		require.ElementsMatch(t, []int{200, 100}, sizes)
	})
}

// TestGateGivesBatchesBack: a lane that is shut keeps nothing, whether complete or not; and what is cancelled is in no batch.
func TestGateGivesBatchesBack(t *testing.T) {
	run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
		changed := make(chan struct{})
		b.set(func() { b.gates["x"] = dispatch.Gate{Changed: changed} })
		for n := range 6 {
			gather(t, d, gathered(n, 1))
		}
		synctest.Wait()
		require.ElementsMatch(t, []job{1, 5}, d.Drop("x", func(j job) bool { return j == 1 || j == 5 }))
		b.set(func() { b.gates["x"] = dispatch.Gate{Release: true} })
		close(changed)
		require.Empty(t, b.batches())
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Equal(t, 4, b.released)
		held, _ := d.Load("x")
		require.Zero(t, held)
	})
}
