package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func testFilters(t *testing.T, f *fixture) {
	owned := func(d *delivery.Delivery) { d.Owner = me }
	waiting := f.accept(t, lane, func(d *delivery.Delivery) { d.NextAttempt = now.Add(time.Minute) })
	active := f.accept(t, lane, owned)
	done, failed, gone := f.accept(t, lane, owned), f.accept(t, lane, owned), f.accept(t, lane, owned)
	f.end(t, done, func(d *delivery.Delivery) { d.State = delivery.Succeeded })
	f.end(t, failed, dead)
	f.end(t, gone, func(d *delivery.Delivery) { d.State = delivery.Cancelled })
	elsewhere := f.accept(t, delivery.DestinationName{Project: "p", Destination: "e"}, func(d *delivery.Delivery) { d.Rule = "other" })
	f.accept(t, delivery.DestinationName{Project: "q", Destination: "d"}, nil)

	all := []*delivery.Delivery{elsewhere, gone, failed, done, active, waiting}
	for _, c := range []struct {
		name   string
		filter delivery.Filter
		want   []*delivery.Delivery
	}{
		{"all, newest first", delivery.Filter{}, all},
		{"pending", delivery.Filter{State: delivery.Pending}, []*delivery.Delivery{elsewhere, waiting}},
		{"delivering", delivery.Filter{State: delivery.Delivering}, []*delivery.Delivery{active}},
		{"succeeded", delivery.Filter{State: delivery.Succeeded}, []*delivery.Delivery{done}},
		{"dead", delivery.Filter{State: delivery.Dead}, []*delivery.Delivery{failed}},
		{"cancelled", delivery.Filter{State: delivery.Cancelled}, []*delivery.Delivery{gone}},
		{"destination", delivery.Filter{Destination: "e"}, []*delivery.Delivery{elsewhere}},
		{"dead of a destination", delivery.Filter{Destination: "d", State: delivery.Dead}, []*delivery.Delivery{failed}},
		{"rule", delivery.Filter{Bus: bus.Bus, Rule: "other"}, []*delivery.Delivery{elsewhere}},
		{"rule of another bus", delivery.Filter{Bus: "b", Rule: "other"}, nil},
		{"event", delivery.Filter{Event: done.Event.ID}, []*delivery.Delivery{done}},
		{"error code", delivery.Filter{ErrorCode: delivery.Timeout}, []*delivery.Delivery{failed}},
		{"another error code", delivery.Filter{ErrorCode: delivery.Throttling}, nil},
	} {
		require.Equal(t, idsOf(c.want), f.list(t, c.filter), c.name)
	}
}

func testPages(t *testing.T, f *fixture) {
	var want []string
	times := map[string]time.Time{}
	for i := range 10 {
		at := now.Add(time.Duration(i) * 300 * time.Microsecond)
		d := f.accept(t, lane, func(d *delivery.Delivery) {
			d.CreateTime = at
			d.ID.Delivery = ulidAt(at) + d.ID.Delivery[10:]
		})
		want = append(want, d.ID.Delivery)
		times[d.ID.Delivery] = at
	}
	slices.Reverse(want)
	var got []string
	for before := ""; ; before = got[len(got)-1] {
		list, err := f.ListDeliveries(t.Context(), "p", delivery.Filter{}, now, before, 3)
		require.NoError(t, err)
		if len(list) == 0 {
			break
		}
		got = append(got, idsOf(list)...)
	}
	require.Equal(t, want, got)
	for _, id := range want {
		at := times[id]
		i := slices.Index(want, id)
		require.Equal(t, want[:i+1], f.list(t, delivery.Filter{From: at}), "from is inclusive")
		require.Equal(t, append([]string{}, want[i+1:]...), f.list(t, delivery.Filter{Before: at}), "before is exclusive")
	}
}

// ulidAt returns the ten characters of a ULID that stand for its time.
func ulidAt(at time.Time) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	text := make([]byte, 10)
	ms := at.UnixMilli()
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = alphabet[ms%32]
		ms /= 32
	}
	return string(text)
}

func testRedrive(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	_, err := f.Redrive(ctx, d.ID, now, nil)
	require.ErrorIs(t, err, delivery.ErrDestinationNotFound)
	f.destination(t, lane)
	_, err = f.Redrive(ctx, d.ID, now, nil)
	require.ErrorIs(t, err, delivery.ErrStateConflict)
	_, err = f.Redrive(ctx, delivery.ID{Project: "p", Delivery: "none"}, now, nil)
	require.ErrorIs(t, err, delivery.ErrDeliveryNotFound)
	f.end(t, d, func(d *delivery.Delivery) {
		dead(d)
		d.Attempts, d.Charged, d.AuthForgiven, d.Condition = 3, 2, true, delivery.RetriesExhausted
	})
	later := now.Add(24 * time.Hour)
	again, err := f.Redrive(ctx, d.ID, later, nil)
	require.NoError(t, err)
	want := *d
	want.Owner, want.Attempts, want.NextAttempt, want.ExpireTime, want.Redrives = "", 3, later, later.Add(time.Hour), 1
	require.Equal(t, want, again)
	require.Equal(t, want, f.get(t, d.ID))
	claimed, _ := f.claim(ctx, t, me, later, 1)
	require.Len(t, claimed, 1)
}

func testRedriveDead(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	gone := delivery.DestinationName{Project: "p", Destination: "gone"}
	for range 5 {
		f.end(t, f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me }), dead)
		f.end(t, f.accept(t, gone, func(d *delivery.Delivery) { d.Owner = me }), dead)
	}
	f.accept(t, lane, nil)
	count := func(filter delivery.Filter, limit int) int {
		n, err := f.CountDead(ctx, "p", filter, limit)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 5, count(delivery.Filter{}, 10))
	require.Equal(t, 2, count(delivery.Filter{}, 2))
	require.Zero(t, count(delivery.Filter{ErrorCode: delivery.Throttling}, 10))
	require.Zero(t, count(delivery.Filter{Destination: "gone"}, 10))
	for _, want := range []int{3, 2, 0} {
		started, err := f.RedriveDead(ctx, "p", delivery.Filter{Destination: "d"}, now, 3)
		require.NoError(t, err)
		require.Equal(t, want, started[lane])
	}
	require.Len(t, f.list(t, delivery.Filter{State: delivery.Pending}), 6)
	require.Len(t, f.list(t, delivery.Filter{State: delivery.Dead}), 5)
}

func testCancel(t *testing.T, f *fixture) {
	ctx := t.Context()
	owned := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	waiting := f.accept(t, lane, nil)
	target := f.accept(t, lane, func(d *delivery.Delivery) { d.Target.ID = "u" })
	rule := f.accept(t, lane, func(d *delivery.Delivery) { d.Rule = "other" })
	done := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	f.end(t, done, func(d *delivery.Delivery) { d.State = delivery.Succeeded })
	c := delivery.Cancellation{Project: "p", ID: f.id(), Bus: bus.Bus, Rule: "r", Target: "t"}
	newer := f.accept(t, lane, nil)
	f.destination(t, lane)
	f.rule(t, ruleName("r"), "d")
	require.NoError(t, f.DeleteRule(ctx, ruleName("r"), "", c))

	last := ""
	for _, want := range []string{owned.ID.Delivery, waiting.ID.Delivery, waiting.ID.Delivery} {
		after, finished, err := f.Cancel(ctx, c, last, now, 1)
		require.NoError(t, err)
		require.Equal(t, want, after)
		require.Equal(t, after == last, finished)
		last = after
	}
	for _, d := range []*delivery.Delivery{owned, waiting} {
		got := f.get(t, d.ID)
		require.Equal(t, delivery.Cancelled, got.State)
		require.Equal(t, now, got.EndTime)
		require.Empty(t, got.Owner)
		require.True(t, c.Covers(d))
	}
	require.Equal(t, delivery.Succeeded, f.get(t, done.ID).State)
	for _, d := range []*delivery.Delivery{target, rule, newer} {
		require.Equal(t, delivery.Pending, f.get(t, d.ID).State)
		require.False(t, c.Covers(d))
	}
	left, err := f.Cancellations(ctx, 10)
	require.NoError(t, err)
	require.Empty(t, left)

	made, err := ulid.ParseStrict(c.ID)
	require.NoError(t, err)
	since := ulid.Time(made.Time()).Add(time.Millisecond)
	_, err = f.Redrive(ctx, owned.ID, since, nil)
	require.NoError(t, err)
	_, err = f.Redrive(ctx, waiting.ID, since.Add(-time.Microsecond), nil)
	require.NoError(t, err)
	_, finished, err := f.Cancel(ctx, c, "", now, 10) // once more, as by an instance that read the record before
	require.NoError(t, err)
	require.True(t, finished)
	require.Equal(t, delivery.Pending, f.get(t, owned.ID).State, "started anew since")
	require.Equal(t, delivery.Cancelled, f.get(t, waiting.ID).State)

	require.NoError(t, made.SetTime(made.Time()+2))
	whole := delivery.Cancellation{Project: "p", ID: made.String(), Destination: "d"}
	require.NoError(t, f.DeleteDestination(ctx, lane, "", whole))
	_, finished, err = f.Cancel(ctx, whole, "", now, 10)
	require.NoError(t, err)
	require.True(t, finished)
	require.Empty(t, f.list(t, delivery.Filter{State: delivery.Pending}))
}
