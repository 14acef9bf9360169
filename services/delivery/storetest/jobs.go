package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

// JobStore is a store of the delivery service and of its jobs.
type JobStore interface {
	delivery.Store
	jobs.Store
}

// RunJobs runs the suite of jobs.Store. newStore returns an empty store.
func RunJobs(t *testing.T, newStore func(t *testing.T) JobStore) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *jobFixture)
	}{
		{"Jobs", testJobs},
		{"ClaimJobs", testClaimJobs},
		{"JobsOfOneDriver", testFence},
		{"Advance", testAdvance},
		{"AdvanceOnce", testAdvanceOnce},
		{"AdvanceOfTheMeasured", testAdvanceOfTheMeasured},
		{"AdvanceBesideTrim", testAdvanceBesideTrim},
		{"CreateRuleWith", testCreateRuleWith},
		{"Past", testPast},
		{"Redrives", testRedrives},
		{"Restart", testRestart},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			c.test(t, &jobFixture{fixture: fixture{Store: s}, jobs: s})
		})
	}
}

type jobFixture struct {
	fixture
	jobs jobs.Store
}

func replayName(id string) jobs.Name { return jobs.Name{Project: "p", Kind: jobs.KindReplay, ID: id} }

func (f *jobFixture) create(t *testing.T, id string) jobs.Job {
	t.Helper()
	j := jobs.Job{
		Name: replayName(id), Description: "about", State: jobs.Starting, Rate: 50, CreateTime: now,
		Replay: jobs.Replay{
			Bus: bus, Archive: "a", Archives: []string{"u"}, Rules: []string{"r"}, Start: now.Add(-time.Hour), End: now, Backfill: true,
		},
	}
	require.NoError(t, f.jobs.CreateJob(t.Context(), j, 10))
	return j
}

// claimed returns a running job that an instance drives.
func (f *jobFixture) claimed(t *testing.T, id, owner string) jobs.Job {
	t.Helper()
	f.create(t, id)
	_, err := f.Beat(t.Context(), owner, now, now.Add(time.Minute))
	require.NoError(t, err)
	list, err := f.jobs.ClaimJobs(t.Context(), owner, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	j := list[0]
	j.State, j.BeginTime = jobs.Running, now
	require.NoError(t, f.jobs.UpdateJob(t.Context(), j, jobs.Starting))
	return j
}

func testJobs(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	_, err := f.jobs.Job(ctx, replayName("j"))
	require.ErrorIs(t, err, jobs.ErrReplayNotFound)
	j := f.create(t, "j")
	require.ErrorIs(t, f.jobs.CreateJob(ctx, j, 10), delivery.ErrExists)
	got, err := f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	require.Equal(t, j, got)
	f.create(t, "k")
	more := j
	more.Name = replayName("l")
	require.ErrorIs(t, f.jobs.CreateJob(ctx, more, 2), jobs.ErrLimit)
	more.Name.Project = "q"
	require.NoError(t, f.jobs.CreateJob(ctx, more, 2), "each project has its own")
	list, err := f.jobs.ListJobs(ctx, "p", jobs.KindReplay, "j", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, replayName("k"), list[0].Name)

	require.ErrorIs(t, f.jobs.DeleteJob(ctx, j.Name), delivery.ErrStateConflict)
	_, err = f.jobs.SetState(ctx, j.Name, []jobs.State{jobs.Running}, jobs.Cancelling)
	require.ErrorIs(t, err, delivery.ErrStateConflict)
	require.ErrorContains(t, err, "is STARTING")
	got, err = f.jobs.SetState(ctx, j.Name, []jobs.State{jobs.Starting}, jobs.Cancelled)
	require.NoError(t, err)
	require.Equal(t, jobs.Cancelled, got.State)
	more.Name = replayName("l")
	require.NoError(t, f.jobs.CreateJob(ctx, more, 2), "one that has ended does not count")
	require.NoError(t, f.jobs.DeleteJob(ctx, j.Name))
	require.ErrorIs(t, f.jobs.DeleteJob(ctx, j.Name), jobs.ErrReplayNotFound)
	_, err = f.jobs.SetState(ctx, j.Name, nil, jobs.Cancelling)
	require.ErrorIs(t, err, jobs.ErrReplayNotFound)
}

func testClaimJobs(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	for _, id := range []string{"a", "b", "c"} {
		f.create(t, id)
	}
	claim := func(owner string, limit int) []string {
		t.Helper()
		list, err := f.jobs.ClaimJobs(ctx, owner, limit)
		require.NoError(t, err)
		ids := []string{}
		for _, j := range list {
			require.Equal(t, owner, j.Owner)
			stored, err := f.jobs.Job(ctx, j.Name)
			require.NoError(t, err)
			require.Equal(t, stored, j)
			ids = append(ids, j.Name.ID)
		}
		return ids
	}
	require.Empty(t, claim(me, 10), "an instance that others could not tell to be alive")
	_, err := f.Beat(ctx, me, now, now.Add(time.Minute))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a", "b"}, claim(me, 2))
	require.ElementsMatch(t, []string{"c"}, claim(me, 2))
	require.Empty(t, claim(me, 2))
	left, err := f.Leave(ctx, me, 10)
	require.NoError(t, err)
	require.Zero(t, left)
	_, err = f.Beat(ctx, other, now, now.Add(time.Minute))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a", "b", "c"}, claim(other, 10), "what an instance had that is gone")
	j, err := f.jobs.Job(ctx, replayName("a"))
	require.NoError(t, err)
	require.EqualValues(t, 2, j.Fence)
	require.NoError(t, f.jobs.ReleaseJob(ctx, j))
	require.NoError(t, f.jobs.ReleaseJob(ctx, jobs.Job{Name: replayName("b"), Owner: other, Fence: 1}), "of a former claim")
	require.Equal(t, []string{"a"}, claim(other, 10))
	_, err = f.jobs.SetState(ctx, replayName("a"), []jobs.State{jobs.Starting}, jobs.Failed)
	require.NoError(t, err)
	j.Fence++
	require.NoError(t, f.jobs.ReleaseJob(ctx, j))
	require.Empty(t, claim(other, 10), "one that has ended")
}

func testFence(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	j := f.claimed(t, "j", me)
	j.Cursor, j.Items, j.LastTime = jobs.Cursor{Phase: 1, Time: now, ID: "e"}, 7, now
	require.NoError(t, f.jobs.UpdateJob(ctx, j, jobs.Running))
	got, err := f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	require.Equal(t, j, got)
	for name, change := range map[string]func(*jobs.Job){
		"fence": func(j *jobs.Job) { j.Fence-- },
		"owner": func(j *jobs.Job) { j.Owner = other },
		"name":  func(j *jobs.Job) { j.Name.ID = "none" },
	} {
		foreign := j
		change(&foreign)
		require.ErrorIs(t, f.jobs.UpdateJob(ctx, foreign, jobs.Running), jobs.ErrLost, name)
		_, err := f.jobs.Advance(ctx, foreign, bus, never(t), false)
		require.ErrorIs(t, err, jobs.ErrLost, name)
	}
	require.ErrorIs(t, f.jobs.UpdateJob(ctx, j, jobs.Starting), jobs.ErrLost)
	_, err = f.jobs.SetState(ctx, j.Name, []jobs.State{jobs.Running}, jobs.Cancelling)
	require.NoError(t, err)
	_, err = f.jobs.Advance(ctx, j, bus, never(t), false)
	require.ErrorIs(t, err, jobs.ErrLost)
}

// never is a plan that is not asked for.
func never(t *testing.T) delivery.Plan {
	return func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		t.Error("planned")
		return delivery.Batch{}, nil
	}
}

// planned is a plan of an event with a delivery for each target.
func (f *jobFixture) planned(e *delivery.Event, targets ...string) delivery.Plan {
	return func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		batch := delivery.Batch{Events: []*delivery.Event{e}}
		for _, id := range targets {
			batch.Deliveries = append(batch.Deliveries, &delivery.Delivery{
				ID: delivery.ID{Project: "p", Delivery: f.id()}, Event: e, Rule: "r", Destination: "d", State: delivery.Pending,
				Target:     delivery.Target{ID: id, Destination: "d", Retry: delivery.RetryPolicy{MaxAge: time.Hour}},
				CreateTime: now, NextAttempt: now, ExpireTime: now.Add(time.Hour),
			})
		}
		return batch, nil
	}
}

func (f *jobFixture) event() *delivery.Event {
	return &delivery.Event{
		Project: "p", ID: f.id(), Bus: bus.Bus, Source: "s", DetailType: "T", Detail: "{}", Time: now.Truncate(time.Second),
		IngestionTime: now, Replay: "j",
	}
}

func testAdvance(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	j := f.claimed(t, "j", me)
	j.Items, j.Effects = 3, 5
	e := f.event()
	stored, err := f.jobs.Advance(ctx, j, bus, f.planned(e, "t", "u"), false)
	require.NoError(t, err)
	require.Len(t, stored, 2)
	d := f.get(t, stored[0].ID)
	require.Equal(t, e, d.Event)
	got, err := f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	require.EqualValues(t, 3, got.Items)
	require.EqualValues(t, 7, got.Effects)

	j.Items = 4
	_, err = f.jobs.Advance(ctx, j, bus, f.planned(e, "t"), false)
	require.Error(t, err, "the event is there")
	_, err = f.jobs.Advance(ctx, j, delivery.BusName{Project: "p", Bus: "none"}, never(t), false)
	require.ErrorIs(t, err, delivery.ErrBusNotFound)
	got, err = f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	require.EqualValues(t, 3, got.Items, "effects and progress are stored together or not at all")
}

func testAdvanceOnce(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	j := f.claimed(t, "j", me)
	e := f.event()
	for _, c := range []struct {
		targets []string
		new     int
	}{{[]string{"t"}, 1}, {[]string{"t", "u"}, 1}, {[]string{"t", "u"}, 0}, {nil, 0}} {
		stored, err := f.jobs.Advance(ctx, j, bus, f.planned(e, c.targets...), true)
		require.NoError(t, err)
		require.Len(t, stored, c.new)
	}
	require.Len(t, f.list(t, delivery.Filter{Event: e.ID}), 2)
	alone := f.event()
	_, err := f.jobs.Advance(ctx, j, bus, f.planned(alone), true)
	require.NoError(t, err)
	list, err := f.jobs.History(ctx, "p", now.Add(-time.Hour), now.Add(365*24*time.Hour), "", 10)
	require.NoError(t, err)
	require.Equal(t, []*delivery.Event{e}, list, "no event is stored for nothing")
}

// testAdvanceOfTheMeasured: an event that comes back into the history counts again, although those around it are measured; one that is there
// does not count twice.
func testAdvanceOfTheMeasured(t *testing.T, f *jobFixture) {
	ctx, late := t.Context(), now.AddDate(1, 0, 0)
	f.destination(t, lane)
	j := f.claimed(t, "j", me)
	old := f.event()
	f.accept(t, lane, nil)
	f.measure(t)
	require.Equal(t, eventBytes, f.size(t))
	for _, target := range []string{"t", "u"} {
		stored, err := f.jobs.Advance(ctx, j, bus, f.planned(old, target), true)
		require.NoError(t, err)
		f.end(t, stored[0], dead)
	}
	whole := f.size(t)
	removed, err := f.Trim(ctx, "p", []string{old.ID}, late, late)
	require.NoError(t, err)
	require.Equal(t, 1, removed.Events)
	require.Equal(t, eventBytes+removed.Bytes, whole)
	require.Equal(t, eventBytes, f.size(t))
}

// testAdvanceBesideTrim: an event that is removed because nothing needs it any more, while a replay gives it a delivery, is there after both.
func testAdvanceBesideTrim(t *testing.T, f *jobFixture) {
	ctx, late := t.Context(), now.AddDate(1, 0, 0)
	j := f.claimed(t, "j", me)
	for range 40 {
		e := f.event()
		stored, err := f.jobs.Advance(ctx, j, bus, f.planned(e, "t"), true)
		require.NoError(t, err)
		f.end(t, stored[0], dead)
		trimmed := make(chan error, 1)
		go func() {
			_, err := f.Trim(ctx, "p", []string{e.ID}, late, late)
			trimmed <- err
		}()
		stored, err = f.jobs.Advance(ctx, j, bus, f.planned(e, "u"), true)
		require.NoError(t, err)
		require.NoError(t, <-trimmed)
		require.Len(t, stored, 1)
		require.Equal(t, e, f.get(t, stored[0].ID).Event)
	}
}

func testCreateRuleWith(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	j := jobs.Job{Name: replayName("j"), State: jobs.Starting, Rate: 1, CreateTime: now, Replay: jobs.Replay{Bus: bus}}
	r := delivery.Rule{Name: ruleName("r"), EventPattern: "{}", Etag: f.id(), CreateTime: now, UpdateTime: now}
	require.ErrorIs(t, f.jobs.CreateRuleWith(ctx, r, j, 0), jobs.ErrLimit)
	_, err := f.Rule(ctx, r.Name)
	require.ErrorIs(t, err, delivery.ErrRuleNotFound, "both or neither")
	require.NoError(t, f.jobs.CreateRuleWith(ctx, r, j, 1))
	_, err = f.jobs.Job(ctx, j.Name)
	require.NoError(t, err)
	j.Name = replayName("k")
	require.ErrorIs(t, f.jobs.CreateRuleWith(ctx, r, j, 9), delivery.ErrExists)
	_, err = f.jobs.Job(ctx, j.Name)
	require.ErrorIs(t, err, jobs.ErrReplayNotFound)
}

func testPast(t *testing.T, f *jobFixture) {
	ctx := t.Context()
	a := f.archive(t, "a", 0)
	other := f.archive(t, "b", 0)
	f.archived(t, other, now, 1)
	events := f.archived(t, a, now, 5)
	key := jobs.ArchiveKey{Bus: bus, UID: a.UID}
	list, err := f.jobs.ArchivedByTime(ctx, key, events[1].Time, events[4].Time, jobs.Cursor{}, 2)
	require.NoError(t, err)
	require.Equal(t, events[1:3], list)
	list, err = f.jobs.ArchivedByTime(ctx, key, events[1].Time, events[4].Time, jobs.Cursor{Time: events[2].Time, ID: events[2].ID}, 2)
	require.NoError(t, err)
	require.Equal(t, events[3:4], list, "the end is not in the range")
	list, err = f.jobs.ArchivedByAcceptance(ctx, key, events[3].IngestionTime, events[4].IngestionTime, jobs.Cursor{}, 9)
	require.NoError(t, err)
	require.Equal(t, events[3:4], list)
	list, err = f.jobs.ArchivedByAcceptance(ctx, key, now, now.Add(time.Hour*9), jobs.Cursor{Time: events[3].IngestionTime, ID: events[3].ID}, 9)
	require.NoError(t, err)
	require.Equal(t, events[4:], list)

	first, second := f.accept(t, lane, nil), f.accept(t, lane, nil)
	far := now.Add(365 * 24 * time.Hour)
	list, err = f.jobs.History(ctx, "p", time.Time{}, far, "", 1)
	require.NoError(t, err)
	require.Equal(t, []*delivery.Event{first.Event}, list)
	list, err = f.jobs.History(ctx, "p", time.Time{}, far, first.Event.ID, 9)
	require.NoError(t, err)
	require.Equal(t, []*delivery.Event{second.Event}, list)
	list, err = f.jobs.History(ctx, "p", far, far, "", 9)
	require.NoError(t, err)
	require.Empty(t, list)
	list, err = f.jobs.History(ctx, "p", time.Time{}, time.Unix(1, 0), "", 9)
	require.NoError(t, err)
	require.Empty(t, list)
	list, err = f.jobs.History(ctx, "q", time.Time{}, far, "", 9)
	require.NoError(t, err)
	require.Empty(t, list)
}
