package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

// eventBytes is what an event of accept counts.
const eventBytes = int64(len("s") + len("T") + len("{ \"n\" : 1.50,\"a\":\"ü\\u0000\" }") + len(`["r1","r\"2"]`))

// measure measures every event of p.
func (f *fixture) measure(t *testing.T) {
	t.Helper()
	for {
		n, err := f.Measure(t.Context(), "p", now.AddDate(1, 0, 0), 2)
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

// size is what the bus has, by each way to ask for it.
func (f *fixture) size(t *testing.T) int64 {
	t.Helper()
	size, oldest, err := f.BusSize(t.Context(), bus)
	require.NoError(t, err)
	if size > 0 {
		require.Equal(t, now.Truncate(24*time.Hour), oldest)
	}
	stored, err := f.Bus(t.Context(), bus)
	require.NoError(t, err)
	require.Equal(t, size, stored.Bytes)
	list, err := f.ListBuses(t.Context(), "p", "", 10)
	require.NoError(t, err)
	require.Equal(t, size, list[0].Bytes)
	return size
}

func testSizes(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	var list []*delivery.Delivery
	for i := range 5 {
		d := f.accept(t, lane, nil)
		switch i {
		case 0:
			f.end(t, d, dead)
		case 1: // pending
		default:
			f.end(t, d, func(d *delivery.Delivery) { d.State = delivery.Succeeded })
		}
		list = append(list, d)
	}
	elsewhere := f.accept(t, delivery.DestinationName{Project: "q", Destination: "d"}, nil)
	require.Zero(t, f.size(t))
	n, err := f.Measure(ctx, "p", now.AddDate(1, 0, 0), 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, 2*eventBytes, f.size(t))
	f.measure(t)
	require.Equal(t, 5*eventBytes, f.size(t))
	whole, err := f.HistorySize(ctx, "p")
	require.NoError(t, err)
	require.Equal(t, 5*eventBytes, whole)
	whole, err = f.HistorySize(ctx, "q")
	require.NoError(t, err)
	require.Zero(t, whole)

	settled := func(dead time.Time) ([]string, string) {
		ids, last, err := f.SettledEvents(ctx, bus, "", elsewhere.Event.ID, dead, 4)
		require.NoError(t, err)
		return ids, last
	}
	ids, last := settled(now.Add(-time.Microsecond))
	require.Equal(t, []string{list[2].Event.ID, list[3].Event.ID}, ids, "neither the dead one nor the pending one")
	require.Equal(t, list[3].Event.ID, last)
	ids, _ = settled(time.Time{})
	require.Len(t, ids, 2)
	ids, _ = settled(now)
	require.Equal(t, []string{list[0].Event.ID, list[2].Event.ID, list[3].Event.ID}, ids, "the dead one is old enough")

	late := now.AddDate(1, 0, 0)
	all := []string{list[1].Event.ID, list[2].Event.ID, list[3].Event.ID, list[4].Event.ID}
	removed, above, err := f.Shed(ctx, bus, all, 5*eventBytes, late, time.Time{})
	require.NoError(t, err)
	require.Zero(t, removed)
	require.False(t, above)
	removed, above, err = f.Shed(ctx, bus, all, 4*eventBytes-1, late, time.Time{})
	require.NoError(t, err)
	require.Equal(t, delivery.Trimmed{Events: 2, Deliveries: 2, Bytes: 2 * eventBytes}, removed, "no more than needed")
	require.False(t, above)
	require.Equal(t, 3*eventBytes, f.size(t))
	removed, above, err = f.Shed(ctx, bus, all, 0, late, time.Time{})
	require.NoError(t, err)
	require.Equal(t, 1, removed.Events)
	require.True(t, above, "what is open is left")
	require.Equal(t, 2*eventBytes, f.size(t))
	require.Equal(t, list[1].ID, f.get(t, list[1].ID).ID)
	require.Equal(t, list[0].ID, f.get(t, list[0].ID).ID)
}
