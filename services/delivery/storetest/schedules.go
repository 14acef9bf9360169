package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func (f *fixture) schedule(t *testing.T, id string, next time.Time) delivery.Schedule {
	t.Helper()
	x := delivery.Schedule{
		Name: delivery.ScheduleName{Project: bus.Project, Bus: bus.Bus, Schedule: id}, Description: "about",
		Timing: delivery.Timing{Expression: "rate(1 hour)", TimeZone: "Europe/Berlin", StartTime: now, EndTime: now.Add(time.Hour)},
		Source: "clock", DetailType: "Tick", Detail: `{"at":"<scheduled-time>"}`, Missed: delivery.FireAll, Anchor: now, NextRun: next,
		CreateTime: now, UpdateTime: now, Etag: f.id(),
	}
	require.NoError(t, f.CreateSchedule(t.Context(), x))
	return x
}

func testSchedules(t *testing.T, f *fixture) {
	ctx := t.Context()
	x := f.schedule(t, "b", now.Add(time.Hour))
	require.ErrorIs(t, f.CreateSchedule(ctx, x), delivery.ErrExists)
	got, err := f.Schedule(ctx, x.Name)
	require.NoError(t, err)
	require.Equal(t, x, got)
	elsewhere := x
	elsewhere.Name.Bus = "nowhere"
	require.ErrorIs(t, f.CreateSchedule(ctx, elsewhere), delivery.ErrBusNotFound)
	_, err = f.ListSchedules(ctx, elsewhere.Name.On(), "", 10)
	require.ErrorIs(t, err, delivery.ErrBusNotFound)
	_, err = f.Schedule(ctx, elsewhere.Name)
	require.ErrorIs(t, err, delivery.ErrScheduleNotFound)

	changed := x
	changed.Description, changed.Detail, changed.Etag, changed.NextRun = "new", "{}", f.id(), now.Add(9*time.Hour)
	require.ErrorIs(t, f.ReplaceSchedule(ctx, changed, changed), delivery.ErrEtagMismatch)
	require.NoError(t, f.ReplaceSchedule(ctx, changed, x))
	got, err = f.Schedule(ctx, x.Name)
	require.NoError(t, err)
	require.Equal(t, x.NextRun, got.NextRun, "the timing is as it was, so it goes on")
	require.Equal(t, "new", got.Description)
	retimed := got
	retimed.Timing.Expression, retimed.NextRun, retimed.Etag = "rate(2 hours)", now.Add(2*time.Hour), f.id()
	stale := got
	stale.LastRun = now
	require.ErrorIs(t, f.ReplaceSchedule(ctx, retimed, stale), delivery.ErrEtagMismatch, "it ran meanwhile")
	require.NoError(t, f.ReplaceSchedule(ctx, retimed, got))
	got, err = f.Schedule(ctx, x.Name)
	require.NoError(t, err)
	require.Equal(t, retimed, got)

	f.schedule(t, "a", now)
	f.schedule(t, "C", time.Time{})
	list, err := f.ListSchedules(ctx, bus, "C", 1)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "a", list[0].Name.Schedule)

	require.ErrorIs(t, f.DeleteSchedule(ctx, x.Name, "other"), delivery.ErrEtagMismatch)
	require.NoError(t, f.DeleteSchedule(ctx, x.Name, got.Etag))
	require.ErrorIs(t, f.DeleteSchedule(ctx, x.Name, ""), delivery.ErrScheduleNotFound)
	require.ErrorIs(t, f.ReplaceSchedule(ctx, changed, x), delivery.ErrScheduleNotFound)
}

func testBusWithSchedules(t *testing.T, f *fixture) {
	name := delivery.BusName{Project: "p", Bus: "clocks"}
	require.NoError(t, f.CreateBus(t.Context(), delivery.Bus{Name: name, CreateTime: now, UpdateTime: now, Etag: "1"}))
	x := f.schedule(t, "x", now)
	x.Name.Bus = name.Bus
	require.NoError(t, f.CreateSchedule(t.Context(), x))
	require.ErrorIs(t, f.DeleteBus(t.Context(), name, ""), delivery.ErrInUse)
	require.NoError(t, f.DeleteSchedule(t.Context(), x.Name, ""))
	require.NoError(t, f.DeleteBus(t.Context(), name, ""))
}

func testDueSchedules(t *testing.T, f *fixture) {
	due, next, err := f.DueSchedules(t.Context(), now, 10)
	require.NoError(t, err)
	require.Empty(t, due)
	require.Zero(t, next)
	f.schedule(t, "later", now.Add(time.Minute))
	f.schedule(t, "second", now)
	f.schedule(t, "first", now.Add(-time.Second))
	f.schedule(t, "never", time.Time{})
	due, _, err = f.DueSchedules(t.Context(), now, 10)
	require.NoError(t, err)
	require.Len(t, due, 2)
	require.Equal(t, "first", due[0].Name.Schedule)
	due, next, err = f.DueSchedules(t.Context(), now.Add(-time.Minute), 10)
	require.NoError(t, err)
	require.Empty(t, due)
	require.Equal(t, now.Add(-time.Second), next)
}

// testTicks: however many instances run a tick at the same time, one of them puts its event.
func testTicks(t *testing.T, f *fixture) {
	ctx := t.Context()
	x := f.schedule(t, "x", now)
	tick := delivery.Tick{Schedule: x.Name, Etag: x.Etag, Due: now, Next: now.Add(time.Hour), Ran: now}
	var taken, refused atomic.Int32
	var running sync.WaitGroup
	for range 8 {
		e := &delivery.Event{Project: "p", ID: f.id(), Bus: bus.Bus, Source: "clock", DetailType: "Tick", Detail: "{}", Time: now, IngestionTime: now}
		d := &delivery.Delivery{
			ID: delivery.ID{Project: "p", Delivery: f.id()}, Event: e, Rule: "r", Destination: "d", State: delivery.Pending,
			Target: delivery.Target{ID: "t", Destination: "d"}, CreateTime: now, NextAttempt: now, ExpireTime: now.Add(time.Hour),
		}
		running.Go(func() {
			err := f.Accept(ctx, bus, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
				return delivery.Batch{Events: []*delivery.Event{e}, Deliveries: []*delivery.Delivery{d}, Tick: &tick}, nil
			})
			if err == nil {
				taken.Add(1)
			} else {
				require.ErrorIs(t, err, delivery.ErrTickTaken)
				refused.Add(1)
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 1, taken.Load())
	require.EqualValues(t, 7, refused.Load())
	require.Len(t, f.list(t, delivery.Filter{}), 1)
	got, err := f.Schedule(ctx, x.Name)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Hour), got.NextRun)
	require.Equal(t, now, got.LastRun)
	require.Equal(t, x.Etag, got.Etag)

	require.ErrorIs(t, f.PassTick(ctx, tick), delivery.ErrTickTaken)
	require.NoError(t, f.PassTick(ctx, delivery.Tick{Schedule: x.Name, Etag: x.Etag, Due: got.NextRun}))
	got, err = f.Schedule(ctx, x.Name)
	require.NoError(t, err)
	require.Zero(t, got.NextRun)
	require.Equal(t, now, got.LastRun, "nothing was put")
}
