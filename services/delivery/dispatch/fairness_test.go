package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
)

// TestEveryWindowOfALongBacklog: with 10,000 items waiting behind a rate of 50, every window of a second, wherever it begins, has 50 starts,
// give or take one.
func TestEveryWindowOfALongBacklog(t *testing.T) {
	const limit, waiting = 50, 10_000
	for _, shared := range []bool{false, true} {
		run(t, dispatch.Config{}, func(t *testing.T, b *bench, d *dispatcher) {
			b.set(func() {
				b.limits["x"] = dispatch.Limits{PerSecond: limit, Shared: shared}
				for i := range waiting {
					b.backlog["x"] = append(b.backlog["x"], dispatch.Item[job]{Value: job(i), Due: time.Now(), Weight: 1})
				}
			})
			d.Wake("x", time.Now())
			time.Sleep(waiting/limit*time.Second + 5*time.Second)
			starts := b.times("x")
			require.Len(t, starts, waiting)
			first, last := starts[0], starts[waiting-1]
			for from := first; !from.Add(time.Second).After(last); from = from.Add(5 * time.Millisecond) {
				i, _ := slices.BinarySearchFunc(starts, from, time.Time.Compare)
				n, _ := slices.BinarySearchFunc(starts[i:], from.Add(time.Second), time.Time.Compare)
				require.InDelta(t, limit, n, 1, "from %s", from.Sub(first))
			}
			require.LessOrEqual(t, busiest(starts), limit)
		})
	}
}

// TestManyLanesDoNotStarveOne: where all lanes together are at the bound, those that wait take turns, however much the others have.
func TestManyLanesDoNotStarveOne(t *testing.T) {
	const lanes, total, takes = 100, 10, 10 * time.Millisecond
	run(t, dispatch.Config{Total: total}, func(t *testing.T, b *bench, d *dispatcher) {
		b.work = func(context.Context, string, job) dispatch.Again {
			time.Sleep(takes)
			return dispatch.Again{}
		}
		for lane := range lanes {
			put(t, d, fmt.Sprintf("many/%d", lane), 50)
		}
		time.Sleep(takes)
		begin := time.Now()
		put(t, d, "one", 20)
		time.Sleep(time.Minute)
		mine := b.times("one")
		require.Len(t, mine, 20)
		// A turn of all lanes is (lanes+1) × takes / total.
		turn := (lanes + 1) * takes / total
		require.LessOrEqual(t, mine[19].Sub(begin), 22*turn)
		others := b.times("many/0")
		require.True(t, others[len(others)-1].After(mine[19]), "the others have far more to do")
	})
}
