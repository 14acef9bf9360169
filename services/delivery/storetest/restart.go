package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

func testRedrives(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	j := jobs.Job{
		Name: jobs.Name{Project: "p", Kind: jobs.KindRedrive, ID: "j"}, State: jobs.Starting, Rate: 1, Total: 7, CreateTime: now,
		Redrive: jobs.Redrive{
			Text: "text", UseRules: true, Destination: "spare",
			Filter: delivery.Filter{
				State: delivery.Dead, Destination: "d", Bus: "b", Rule: "r", Event: "e", ErrorCode: delivery.Timeout, From: now, Before: now,
			},
		},
	}
	_, err := f.jobs.Job(ctx, j.Name)
	require.ErrorIs(t, err, jobs.ErrRedriveNotFound)
	require.NoError(t, f.jobs.CreateJob(ctx, j, 1))
	f.create(t, "j") // of another kind
	got, err := f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	require.Equal(t, j, got)
	_, err = f.jobs.SetState(ctx, j.Name, []jobs.State{jobs.Starting}, jobs.Paused)
	require.NoError(t, err)
	other := j
	other.Name.ID = "k"
	require.ErrorIs(t, f.jobs.CreateJob(ctx, other, 1), jobs.ErrLimit, "a paused one has not ended")
	require.ErrorIs(t, f.jobs.DeleteJob(ctx, j.Name), delivery.ErrStateConflict)
	_, err = f.Beat(ctx, me, now, now.Add(time.Minute))
	require.NoError(t, err)
	claimed, err := f.jobs.ClaimJobs(ctx, me, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1, "but is not driven")
}

func testRestart(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	f.destination(t, lane)
	f.destination(t, delivery.DestinationName{Project: "p", Destination: "spare"})
	gone := delivery.DestinationName{Project: "p", Destination: "gone"}
	var all []*delivery.Delivery
	for _, to := range []delivery.DestinationName{lane, lane, gone, lane, lane} {
		d := f.accept(t, to, func(d *delivery.Delivery) { d.Owner = me })
		f.end(t, d, dead)
		all = append(all, d)
	}
	f.end(t, f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me }), func(d *delivery.Delivery) { d.State = delivery.Succeeded })
	far := now.Add(365 * 24 * time.Hour)
	list, err := f.jobs.ListDead(ctx, "p", delivery.Filter{}, far, all[0].ID.Delivery, 3)
	require.NoError(t, err)
	require.Equal(t, idsOf(all[1:4]), idsOf(list))
	require.Equal(t, all[1].Target, list[0].Target)
	require.Equal(t, all[1].Event.ID, list[0].Event.ID)
	require.Equal(t, all[1].Event.Bus, list[0].Event.Bus)
	require.Equal(t, all[1].CreateTime, list[0].CreateTime)
	list, err = f.jobs.ListDead(ctx, "p", delivery.Filter{}, time.Unix(1, 0), "", 3)
	require.NoError(t, err)
	require.Empty(t, list, "accepted later")
	list, err = f.jobs.ListDead(ctx, "p", delivery.Filter{Destination: "gone"}, far, "", 3)
	require.NoError(t, err)
	require.Equal(t, idsOf(all[2:3]), idsOf(list))

	j := f.claimed(t, "j", me)
	j.Items = 4
	elsewhere := all[1].Target
	body := "text"
	elsewhere.Destination, elsewhere.Body, elsewhere.Retry.MaxAge = "spare", &body, 2*time.Hour
	later := now.Add(time.Hour)
	_, err = f.Redrive(ctx, all[3].ID, now, nil) // by somebody else
	require.NoError(t, err)
	lanes, err := f.jobs.Restart(ctx, j, []jobs.Restart{
		{ID: all[0].ID, Destination: "d"},
		{ID: all[1].ID, Destination: "spare", Target: &elsewhere},
		{ID: all[2].ID, Destination: "gone"},
		{ID: all[3].ID, Destination: "d"},
	}, later)
	require.NoError(t, err)
	require.Equal(t, []delivery.DestinationName{lane, {Project: "p", Destination: "spare"}}, lanes)
	first, second := f.get(t, all[0].ID), f.get(t, all[1].ID)
	require.Equal(t, delivery.Pending, first.State)
	require.Equal(t, later.Add(time.Hour), first.ExpireTime)
	require.Equal(t, "d", first.Destination)
	require.Equal(t, delivery.Pending, second.State)
	require.Equal(t, later.Add(2*time.Hour), second.ExpireTime)
	require.Equal(t, "spare", second.Destination)
	require.Equal(t, elsewhere, second.Target)
	require.Equal(t, delivery.Dead, f.get(t, all[2].ID).State)
	got, err := f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	require.EqualValues(t, 4, got.Items)
	require.EqualValues(t, 2, got.Effects)

	j.Fence--
	_, err = f.jobs.Restart(ctx, j, []jobs.Restart{{ID: all[4].ID, Destination: "d"}}, later)
	require.ErrorIs(t, err, jobs.ErrLost)
	require.Equal(t, delivery.Dead, f.get(t, all[4].ID).State)
	again, err := f.Redrive(ctx, all[4].ID, later, &elsewhere)
	require.NoError(t, err)
	require.Equal(t, elsewhere, again.Target)
	require.Equal(t, later.Add(2*time.Hour), again.ExpireTime)
}
