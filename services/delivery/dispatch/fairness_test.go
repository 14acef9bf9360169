package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
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
		put(t, d, "many/one", 20)
		time.Sleep(time.Minute)
		mine := b.times("many/one")
		require.Len(t, mine, 20)
		// A turn of all lanes is (lanes+1) × takes / total.
		turn := (lanes + 1) * takes / total
		require.LessOrEqual(t, mine[19].Sub(begin), 22*turn)
		others := b.times("many/0")
		require.True(t, others[len(others)-1].After(mine[19]), "the others have far more to do")
	})
}

// TestManyLanesDoNotStarveATenant: where the lanes of one tenant wait for each other a thousandfold, another one's only lane has every second
// turn.
func TestManyLanesDoNotStarveATenant(t *testing.T) {
	const lanes, total, takes, mine = 1000, 10, 10 * time.Millisecond, 50
	run(t, dispatch.Config{Total: total}, func(t *testing.T, b *bench, d *dispatcher) {
		b.work = func(context.Context, string, job) dispatch.Again {
			time.Sleep(takes)
			return dispatch.Again{}
		}
		for lane := range lanes {
			name := fmt.Sprintf("large/%d", lane)
			b.set(func() { b.limits[name] = dispatch.Limits{Concurrency: 1} })
			put(t, d, name, 5)
			if lane < total {
				time.Sleep(takes / total) // so that one place becomes free after the other
			}
		}
		begin := time.Now()
		put(t, d, "small/0", mine)
		time.Sleep(2 * (mine + 1) * takes / total)
		starts := b.times("small/0")
		require.Len(t, starts, mine, "every second place")
		require.LessOrEqual(t, starts[mine-1].Sub(begin), 2*(mine+1)*takes/total)
		done := 0
		for lane := range lanes {
			done += len(b.times(fmt.Sprintf("large/%d", lane)))
		}
		require.Less(t, done, lanes, "the other has not even begun everywhere")
		time.Sleep(time.Minute)
		for lane := range lanes {
			require.Len(t, b.times(fmt.Sprintf("large/%d", lane)), 5, "and is not starved either")
		}
	})
}

// TestManyBacklogsDoNotStarveATenant: claims of the backlogs of a thousand lanes are few at a time, and another tenant's is among the next.
func TestManyBacklogsDoNotStarveATenant(t *testing.T) {
	const lanes, claims = 1000, 4
	run(t, dispatch.Config{Claims: claims}, func(t *testing.T, b *bench, d *dispatcher) {
		b.set(func() {
			b.claim = 10 * time.Millisecond
			for lane := range lanes {
				b.backlog[fmt.Sprintf("large/%d", lane)] = []dispatch.Item[job]{{Value: 1, Due: time.Now()}}
			}
			b.backlog["small/0"] = []dispatch.Item[job]{{Value: 1, Due: time.Now()}}
		})
		for lane := range lanes {
			d.Wake(fmt.Sprintf("large/%d", lane), time.Now())
		}
		synctest.Wait()
		begin := time.Now()
		d.Wake("small/0", begin)
		time.Sleep(time.Minute)
		require.Equal(t, 20*time.Millisecond, b.times("small/0")[0].Sub(begin), "after those that are under way, one claim")
		last := time.Time{}
		for lane := range lanes {
			starts := b.times(fmt.Sprintf("large/%d", lane))
			require.Len(t, starts, 1)
			if starts[0].After(last) {
				last = starts[0]
			}
		}
		b.set(func() { require.Equal(t, claims, b.claimedAtOnce) })
		require.GreaterOrEqual(t, last.Sub(begin), lanes/claims*10*time.Millisecond)
	})
}
