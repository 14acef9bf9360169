package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

// TestReplay: events of the range come again, as new events that say so, and are not archived again.
func TestReplay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Rule(t, "shop", nil)
		begin := time.Now()
		for hour := range 4 {
			_, err := w.Service.PutEvents(t.Context(), deliverytest.Default, []delivery.Entry{{
				Source: "shop", DetailType: "T", Detail: fmt.Sprintf(`{ "n":%d.0 }`, hour), Resources: []string{"r"},
				Time: begin.Add(time.Duration(hour) * time.Hour),
			}}, false)
			require.NoError(t, err)
		}
		time.Sleep(time.Second)
		first := w.take()
		require.Len(t, first, 4)
		w.replay(t, "again", func(j *jobs.Job) {
			j.Replay.Start, j.Replay.End = begin.Add(time.Hour), begin.Add(3*time.Hour) // half open
		})
		time.Sleep(time.Second)
		j := w.get(t, name("again"))
		require.Equal(t, jobs.Completed, j.State)
		require.EqualValues(t, 2, j.Items)
		require.EqualValues(t, 2, j.Effects)
		require.InDelta(t, 1, j.Progress(), 0)
		require.False(t, j.EndTime.IsZero())
		again := w.take()
		require.Len(t, again, 2)
		for _, s := range again {
			hour := 1
			if strings.Contains(s.body, `"n":2.0`) {
				hour = 2
			}
			for _, f := range first {
				require.NotEqual(t, f.event, s.event, "a new event")
			}
			require.Contains(t, s.body, `"replay-name":"again"`)
			require.Contains(t, s.body, fmt.Sprintf(`"time":%q`, begin.Add(time.Duration(hour)*time.Hour).UTC().Format(time.RFC3339)))
			require.Contains(t, s.body, fmt.Sprintf(`"resources":["r"],"detail":{ "n":%d.0 }}`, hour))
		}
		a, err := w.Service.GetArchive(t.Context(), archive("all"))
		require.NoError(t, err)
		require.EqualValues(t, 4, a.Events)

		w.replay(t, "history", func(j *jobs.Job) { // without what was replayed
			j.Replay.Archive, j.Replay.Start, j.Replay.End = "", begin, begin.Add(3*time.Hour)
		})
		time.Sleep(time.Second)
		require.Len(t, w.take(), 3)
		require.EqualValues(t, 3, w.get(t, name("history")).Items)
	})
}

// TestReplayForRules: only the chosen rules get the events, as they are now; a rule may leave replayed events out by itself.
func TestReplayForRules(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Put(t, "shop", numbers(3)...)
		for _, id := range []string{"one", "two", "live"} {
			w.Rule(t, "shop", func(r *delivery.Rule) {
				r.Name.Rule = id
				r.Targets[0].Headers = map[string]string{"X-Rule": id}
				if id == "live" {
					r.EventPattern = `{"source":["shop"],"replay-name":[{"exists":false}]}`
				}
			})
		}
		w.replay(t, "some", func(j *jobs.Job) { j.Replay.Rules = []string{"one"} })
		time.Sleep(time.Second)
		require.Len(t, w.take(), 3)
		w.replay(t, "all", nil)
		time.Sleep(time.Second)
		require.Len(t, w.take(), 6)
		w.Put(t, "shop", "{}")
		time.Sleep(time.Second)
		require.Len(t, w.take(), 3)
	})
}

// TestReplayRate: no second has more events than the replay's rate, and the time it takes is what the rate says.
func TestReplayRate(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Put(t, "shop", numbers(200)...)
		w.Rule(t, "shop", nil)
		w.replay(t, "slow", func(j *jobs.Job) { j.Rate = 20 })
		begin := time.Now()
		time.Sleep(5 * time.Second)
		j := w.get(t, name("slow"))
		require.Equal(t, jobs.Running, j.State)
		require.InDelta(t, 100, j.Items, 5)
		time.Sleep(6 * time.Second)
		j = w.get(t, name("slow"))
		require.Equal(t, jobs.Completed, j.State)
		require.InDelta(t, 10, j.EndTime.Sub(begin).Seconds(), 0.5)
		all := w.take()
		require.Len(t, all, 200)
		for i := range all {
			if i >= 25 {
				require.Greater(t, all[i].at.Sub(all[i-25].at), 990*time.Millisecond)
			}
		}
	})
}

func TestReplayEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Put(t, "shop", numbers(50)...)
		w.Rule(t, "shop", nil)
		w.replay(t, "slow", func(j *jobs.Job) { j.Rate = 5 })
		time.Sleep(3100 * time.Millisecond) // between two steps
		require.ErrorIs(t, w.Jobs.Delete(ctx, name("slow")), delivery.ErrStateConflict)
		j, err := w.Jobs.Cancel(ctx, name("slow"))
		require.NoError(t, err)
		require.Equal(t, jobs.Cancelling, j.State)
		_, err = w.Jobs.Cancel(ctx, name("slow"))
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		j = w.get(t, name("slow"))
		require.Equal(t, jobs.Cancelled, j.State)
		require.Less(t, j.Items, int64(25))
		sent := len(w.take())
		require.EqualValues(t, j.Items, sent)
		_, err = w.Jobs.Cancel(ctx, name("slow"))
		require.ErrorIs(t, err, delivery.ErrStateConflict)
		require.NoError(t, w.Jobs.Delete(ctx, name("slow")))

		w.replay(t, "orphan", func(j *jobs.Job) { j.Rate = 5 })
		time.Sleep(time.Second)
		require.NoError(t, w.Service.DeleteArchive(ctx, archive("all"), delivery.Write{}))
		time.Sleep(2 * time.Second)
		j = w.get(t, name("orphan"))
		require.Equal(t, jobs.Failed, j.State)
		require.Equal(t, "the archive was deleted", j.Reason)
	})
}

// TestReplayGoesOn: the next process takes a replay up where the former one left it, whether that said goodbye or not.
func TestReplayGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Put(t, "shop", numbers(60)...)
		w.Rule(t, "shop", nil)
		w.replay(t, "long", func(j *jobs.Job) { j.Rate = 10 })
		for range 3 {
			time.Sleep(1500 * time.Millisecond)
			w.Stop()
			w.start(t)
		}
		time.Sleep(10 * time.Second)
		j := w.get(t, name("long"))
		require.Equal(t, jobs.Completed, j.State)
		require.EqualValues(t, 60, j.Items)
		require.GreaterOrEqual(t, j.Fence, int64(4))
		events := map[string]int{}
		for _, s := range w.take() {
			events[s.event]++
		}
		require.Len(t, events, 60)
	})
}

// TestBackfill: a new rule gets the events from before it was created and those that come by themselves, none twice, none left out.
func TestBackfill(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Put(t, "shop", numbers(5)...) // too old
		time.Sleep(time.Hour)
		want := w.Put(t, "shop", numbers(60)...)
		want = append(want, w.Put(t, "other", `{}`)...)[:60]
		time.Sleep(time.Minute)
		rule := delivery.Rule{
			Name:         delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "new"},
			EventPattern: `{"source":["shop"]}`, Targets: []delivery.Target{{ID: "t", Destination: "shop"}},
		}
		start := time.Now().Add(-30 * time.Minute)
		_, _, err := w.Jobs.CreateRule(ctx, rule, time.Now().Add(time.Second), 0, delivery.Write{})
		require.ErrorContains(t, err, "start_time")
		_, job, err := w.Jobs.CreateRule(ctx, rule, start, 50, delivery.Write{})
		require.NoError(t, err)
		for range 70 { // go on coming
			want = append(want, w.Put(t, "shop", `{}`)...)
			time.Sleep(time.Second)
		}
		j := w.get(t, job)
		require.Equal(t, jobs.Completed, j.State, "%+v", j)
		require.EqualValues(t, 60, j.Effects)
		var got []string
		for _, s := range w.take() {
			got = append(got, s.event)
		}
		require.ElementsMatch(t, want, got)

		_, job, err = w.Jobs.CreateRule(ctx, delivery.Rule{
			Name: delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "gone"}, EventPattern: `{"source":["shop"]}`,
		}, start, 50, delivery.Write{})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, w.Service.DeleteRule(ctx, delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "gone"}, delivery.Write{}))
		time.Sleep(2 * time.Second)
		require.Equal(t, jobs.Failed, w.get(t, job).State)
	})
}
