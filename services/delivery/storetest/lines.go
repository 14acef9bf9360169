package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

// grouped accepts a delivery of a group.
func (f *fixture) grouped(t *testing.T, group string) *delivery.Delivery {
	t.Helper()
	return f.accept(t, lane, func(d *delivery.Delivery) { d.Group = group })
}

// testLines: of a group only the first is due; whatever ends it, the next one is.
func testLines(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	first, second, third := f.grouped(t, "g"), f.grouped(t, "g"), f.grouped(t, "g")
	other := f.grouped(t, "h")
	require.Equal(t, now, first.NextAttempt)
	require.True(t, second.IsBehind())
	got := f.get(t, second.ID)
	require.True(t, got.IsBehind())
	require.Equal(t, "g", got.Group)
	ids, next := f.claim(ctx, t, me, now, 10)
	require.Equal(t, []string{first.ID.Delivery, other.ID.Delivery}, ids)
	require.Equal(t, delivery.Behind(), next)

	first.Owner = me
	retry := *first
	retry.Owner, retry.NextAttempt = "", now.Add(time.Minute)
	applied, err := f.Record(ctx, me, &retry, nil)
	require.NoError(t, err)
	require.True(t, applied)
	ids, next = f.claim(ctx, t, me, now, 10)
	require.Empty(t, ids, "a retry holds the others up")
	require.Equal(t, now.Add(time.Minute), next)
	f.claim(ctx, t, me, next, 1)
	f.end(t, first, dead)
	ids, _ = f.claim(ctx, t, me, now, 10)
	require.Equal(t, []string{second.ID.Delivery}, ids)

	redriven, err := f.Redrive(ctx, first.ID, now, nil)
	require.NoError(t, err)
	require.True(t, redriven.IsBehind(), "at the end of its group")
	second.Owner = me
	f.end(t, second, func(d *delivery.Delivery) { d.State = delivery.Succeeded })
	for _, want := range []*delivery.Delivery{third, first} {
		ids, _ = f.claim(ctx, t, me, now, 10)
		require.Equal(t, []string{want.ID.Delivery}, ids)
		want.Owner = me
		f.end(t, want, func(d *delivery.Delivery) { d.State = delivery.Succeeded })
	}
	require.Equal(t, now, f.grouped(t, "g").NextAttempt, "nobody is left before it")
}

// testLinesCancelled: what is cancelled or too old leaves its group.
func testLinesCancelled(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	f.grouped(t, "g")
	old := f.accept(t, lane, func(d *delivery.Delivery) { d.Group, d.ExpireTime = "g", now })
	c := delivery.Cancellation{Project: "p", ID: f.id(), Bus: bus.Bus, Rule: "r"}
	last := f.grouped(t, "g")
	overdue, err := f.ClaimOverdue(ctx, me, now, 10)
	require.NoError(t, err)
	require.Equal(t, []string{old.ID.Delivery}, idsOf(overdue))
	f.end(t, overdue[0], dead)
	require.True(t, func() bool { d := f.get(t, last.ID); return d.IsBehind() }(), "the first is still there")
	_, done, err := f.Cancel(ctx, c, "", now, 10)
	require.NoError(t, err)
	require.True(t, done)
	ids, _ := f.claim(ctx, t, me, now, 10)
	require.Equal(t, []string{last.ID.Delivery}, ids)
}
