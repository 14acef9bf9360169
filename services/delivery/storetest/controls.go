package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func testControls(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.destination(t, lane)
	pause := delivery.Pause{Time: now, Reason: "because"}
	circuit := delivery.Circuit{
		OpenTime: now, Reason: "refused", Code: delivery.ConnectionFailure, NextProbe: now.Add(time.Minute), Failed: 3,
	}
	none := delivery.DestinationName{Project: "p", Destination: "none"}
	require.ErrorIs(t, f.SetPause(ctx, none, pause), delivery.ErrDestinationNotFound)
	require.NoError(t, f.SetCircuit(ctx, none, circuit))
	require.NoError(t, f.SetPause(ctx, lane, pause))
	require.NoError(t, f.SetCircuit(ctx, lane, circuit))
	d.Pause, d.Circuit = pause, circuit
	got, err := f.Destination(ctx, lane)
	require.NoError(t, err)
	require.Equal(t, d, got, "with the same etag")

	old := d.Etag
	d.Etag, d.Breaker = f.id(), delivery.Breaker{Disabled: true, Failures: 1, FailingTime: 2, Probe: 3, LongestProbe: 4}
	stale := d
	stale.Pause, stale.Circuit = delivery.Pause{}, delivery.Circuit{}
	require.NoError(t, f.ReplaceDestination(ctx, stale, old, func([]delivery.Rule) error { return nil }))
	list, err := f.ListDestinations(ctx, "p", "", 10)
	require.NoError(t, err)
	require.Equal(t, []delivery.Destination{d}, list, "a change of the destination leaves them alone")

	require.NoError(t, f.SetPause(ctx, lane, delivery.Pause{}))
	require.NoError(t, f.SetCircuit(ctx, lane, delivery.Circuit{}))
	d.Pause, d.Circuit = delivery.Pause{}, delivery.Circuit{}
	got, err = f.Destination(ctx, lane)
	require.NoError(t, err)
	require.Equal(t, d, got)
}

func testBacklog(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	b, err := f.Backlog(ctx, lane, 3)
	require.NoError(t, err)
	require.Equal(t, delivery.Backlog{}, b)
	f.accept(t, lane, func(d *delivery.Delivery) { d.Owner, d.NextAttempt = me, now.Add(-time.Hour) })
	f.accept(t, delivery.DestinationName{Project: "p", Destination: "e"}, nil)
	for i := range 3 {
		f.accept(t, lane, func(d *delivery.Delivery) { d.NextAttempt = now.Add(time.Duration(i) * time.Minute) })
	}
	b, err = f.Backlog(ctx, lane, 3)
	require.NoError(t, err)
	require.Equal(t, delivery.Backlog{Waiting: 3, Oldest: now}, b)
	b, err = f.Backlog(ctx, lane, 2)
	require.NoError(t, err)
	require.Equal(t, delivery.Backlog{Waiting: 2, More: true, Oldest: now}, b)
}
