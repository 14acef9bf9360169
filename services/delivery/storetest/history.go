package storetest

import (
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func testTrim(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	succeeded := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	applied, err := f.Record(ctx, me, ended(succeeded, delivery.Succeeded), &delivery.Attempt{Number: 1, StartTime: now})
	require.NoError(t, err)
	require.True(t, applied)
	lost := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	f.end(t, lost, dead)
	pending := f.accept(t, lane, nil)
	elsewhere := f.accept(t, delivery.DestinationName{Project: "q", Destination: "d"}, nil)

	projects, err := f.Projects(ctx, "", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"p", "q"}, projects)
	projects, err = f.Projects(ctx, "p", 1)
	require.NoError(t, err)
	require.Equal(t, []string{"q"}, projects)

	events := []string{succeeded.Event.ID, lost.Event.ID, pending.Event.ID}
	old := func(scope delivery.HistoryScope, after, before string, limit int) ([]string, string) {
		ids, last, err := f.OldEvents(ctx, scope, after, before, limit)
		require.NoError(t, err)
		return ids, last
	}
	ids, last := old(delivery.HistoryScope{Project: "p"}, "", pending.Event.ID, 10)
	require.Equal(t, events[:2], ids)
	require.Equal(t, events[1], last)
	ids, last = old(delivery.HistoryScope{Project: "p", Bus: bus.Bus}, events[0], "7", 1)
	require.Equal(t, events[1:2], ids)
	require.Equal(t, events[1], last)
	ids, last = old(delivery.HistoryScope{Project: "p", But: []string{"x", bus.Bus}}, "", "7", 10)
	require.Empty(t, ids)
	require.Equal(t, events[2], last, "it was looked at")

	trim := func(ended, dead time.Time) delivery.Trimmed {
		n, err := f.Trim(ctx, "p", append(events, elsewhere.Event.ID), ended, dead)
		require.NoError(t, err)
		return n
	}
	late := now.AddDate(1, 0, 0) // the ids are of a day of their own
	_, err = f.Unfold(ctx, late)
	require.NoError(t, err)
	require.Zero(t, trim(time.Time{}, time.Time{}))
	f.measure(t)
	require.Zero(t, trim(now.Add(-time.Microsecond), now.Add(-time.Microsecond)))
	require.Equal(t, delivery.Trimmed{Events: 1, Deliveries: 1, Bytes: eventBytes}, trim(late, now.Add(-time.Microsecond)))
	_, err = f.Delivery(ctx, succeeded.ID)
	require.ErrorIs(t, err, delivery.ErrDeliveryNotFound)
	require.Equal(t, delivery.Trimmed{Deliveries: 1}, trim(time.Time{}, now), "the event is not old enough")
	require.Equal(t, delivery.Trimmed{Events: 1, Bytes: eventBytes}, trim(late, time.Time{}))
	require.Equal(t, pending.ID, f.get(t, pending.ID).ID, "what has not ended stays")
	require.Equal(t, elsewhere.ID, f.get(t, elsewhere.ID).ID)
}

// ended is a delivery as it is recorded at its end.
func ended(d *delivery.Delivery, state delivery.State) *delivery.Delivery {
	e := *d
	e.Owner, e.EndTime, e.State, e.Attempts = "", now, state, 1
	return &e
}

// testTrimBesideJournal: an event stays while its delivery has no row of its own.
func testTrimBesideJournal(t *testing.T, f *fixture) {
	d := f.accept(t, lane, func(d *delivery.Delivery) {
		d.Owner = me
		d.ID.Delivery = leastID(now) // as it is in the service: of the moment of acceptance
		d.Event.ID = d.ID.Delivery
	})
	late := now.AddDate(1, 0, 0)
	f.measure(t)
	n, err := f.Trim(t.Context(), "p", []string{d.Event.ID}, late, late)
	require.NoError(t, err)
	require.Zero(t, n)
	applied, err := f.Record(t.Context(), me, ended(d, delivery.Succeeded), &delivery.Attempt{Number: 1, StartTime: now})
	require.NoError(t, err)
	require.True(t, applied)
	_, err = f.Unfold(t.Context(), late)
	require.NoError(t, err)
	n, err = f.Trim(t.Context(), "p", []string{d.Event.ID}, late, late)
	require.NoError(t, err)
	require.Equal(t, delivery.Trimmed{Events: 1, Deliveries: 1, Bytes: eventBytes}, n)
}

// leastID is the least id of a time's millisecond.
func leastID(at time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(at))
	return id.String()
}

func testRetentions(t *testing.T, f *fixture) {
	own := delivery.Retention{MaxAge: time.Hour, DeadLetterAge: delivery.Forever}
	for id, r := range map[string]delivery.Retention{"a": own, "b": {}} {
		require.NoError(t, f.CreateBus(t.Context(), delivery.Bus{
			Name: delivery.BusName{Project: "p", Bus: id}, CreateTime: now, UpdateTime: now, Settings: delivery.BusSettings{Retention: r},
		}))
	}
	got, err := f.Retentions(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, map[string]delivery.Retention{"a": own}, got)
}
