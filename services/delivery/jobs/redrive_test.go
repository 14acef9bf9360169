package jobs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

func redriveName(id string) jobs.Name { return jobs.Name{Project: "p", Kind: jobs.KindRedrive, ID: id} }

func (w *world) redrive(t *testing.T, id string, change func(*jobs.Job)) jobs.Job {
	t.Helper()
	j := jobs.Job{Name: redriveName(id)}
	if change != nil {
		change(&j)
	}
	j, err := w.Jobs.CreateRedrive(t.Context(), j, false)
	require.NoError(t, err)
	return j
}

// deaths makes n deliveries that are dead, of a rule, and forgets their attempts.
func (w *world) deaths(t *testing.T, n int, change func(*delivery.Rule)) {
	t.Helper()
	w.answer(400)
	w.Rule(t, "shop", change)
	w.Put(t, "shop", numbers(n)...)
	time.Sleep(2 * time.Second)
	require.GreaterOrEqual(t, len(w.take()), n)
}

func (w *world) count(t *testing.T, state delivery.State) int {
	t.Helper()
	list, err := w.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: state}, "", 1000)
	require.NoError(t, err)
	return len(list)
}

// TestRedrive: every dead delivery once, at the rate, also if it dies again.
func TestRedrive(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.deaths(t, 100, nil)
		j := w.redrive(t, "again", func(j *jobs.Job) { j.Rate = 20 })
		require.EqualValues(t, 100, j.Total)
		time.Sleep(2500 * time.Millisecond)
		j = w.get(t, j.Name)
		require.Equal(t, jobs.Running, j.State)
		require.InDelta(t, 50, j.Items, 5)
		require.InDelta(t, 0.5, j.Progress(), 0.05)
		require.InDelta(t, 2.5, time.Until(w.Jobs.Estimate(&j)).Seconds(), 0.5)
		time.Sleep(5 * time.Second)
		j = w.get(t, j.Name)
		require.Equal(t, jobs.Completed, j.State)
		require.EqualValues(t, 100, j.Effects)
		sent := w.take()
		require.Len(t, sent, 100)
		for i := 24; i < len(sent); i++ {
			require.Greater(t, sent[i].at.Sub(sent[i-24].at), 990*time.Millisecond)
		}
		require.Equal(t, 100, w.count(t, delivery.Dead))
		w.answer(200)
		j = w.redrive(t, "nothing", func(j *jobs.Job) { j.Redrive.Filter.Rule, j.Redrive.Filter.Bus = "other", "default" })
		require.Zero(t, j.Total)
		w.redrive(t, "well", nil)
		time.Sleep(10 * time.Second)
		require.Zero(t, w.get(t, redriveName("nothing")).Items)
		require.Equal(t, 100, w.count(t, delivery.Succeeded))
	})
}

// TestRedriveElsewhere: to another destination, or as the rule has the target now.
func TestRedriveElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.deaths(t, 3, func(r *delivery.Rule) {
			r.Targets[0].InputPath = "$.source"
			r.Targets = append(r.Targets, delivery.Target{ID: "u", Destination: "shop", InputPath: "$.source"})
		})
		w.Destination(t, "spare", "https://spare.example", nil)
		_, err := w.Service.UpdateRule(ctx, delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "shop"}, delivery.Write{},
			func(r *delivery.Rule) error {
				r.Targets = r.Targets[:1]
				r.Targets[0].InputPath = "$.detail"
				return nil
			})
		require.NoError(t, err)
		w.answer(200)
		w.redrive(t, "both", func(j *jobs.Job) { j.Redrive.UseRules, j.Redrive.Destination = true, "spare" })
		time.Sleep(time.Second)
		j := w.get(t, redriveName("both"))
		require.EqualValues(t, 6, j.Items)
		require.EqualValues(t, 3, j.Effects, "the other target is gone")
		sent := w.take()
		require.Len(t, sent, 3)
		for _, s := range sent {
			require.Equal(t, "https://spare.example", s.url)
			require.True(t, strings.HasPrefix(s.body, `{"n":`), s.body)
		}
		list, err := w.Service.ListDeliveries(ctx, "p", delivery.Filter{Destination: "spare", State: delivery.Succeeded}, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 3)
		_, err = w.Jobs.CreateRedrive(ctx, jobs.Job{Name: redriveName("x"), Redrive: jobs.Redrive{Destination: "none"}}, false)
		require.ErrorIs(t, err, delivery.ErrDestinationNotFound)
	})
}

func TestRedrivePauseAndCancel(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.deaths(t, 60, nil)
		w.answer(200)
		name := w.redrive(t, "slow", func(j *jobs.Job) { j.Rate = 5 }).Name
		_, err := w.Jobs.Resume(ctx, name)
		require.ErrorIs(t, err, delivery.ErrStateConflict)
		time.Sleep(3 * time.Second)
		j, err := w.Jobs.Pause(ctx, name)
		require.NoError(t, err)
		require.Equal(t, jobs.Paused, j.State)
		time.Sleep(6 * time.Second)
		held := len(w.take())
		require.InDelta(t, 15, held, 3)
		require.Empty(t, w.get(t, name).Owner, "nobody drives it")
		time.Sleep(6 * time.Second)
		w.Stop()
		w.start(t)
		time.Sleep(6 * time.Second)
		require.Empty(t, w.take())
		_, err = w.Jobs.Resume(ctx, name)
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		require.NotEmpty(t, w.take())
		_, err = w.Jobs.Pause(ctx, name)
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		_, err = w.Jobs.Cancel(ctx, name)
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, jobs.Cancelled, w.get(t, name).State)
		require.NoError(t, w.Jobs.Delete(ctx, name))
		_, err = w.Jobs.Get(ctx, name)
		require.ErrorIs(t, err, jobs.ErrRedriveNotFound)
		require.Positive(t, w.count(t, delivery.Dead))
	})
}
