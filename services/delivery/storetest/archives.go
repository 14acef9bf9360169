package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func archiveName(id string) delivery.ArchiveName {
	return delivery.ArchiveName{Project: bus.Project, Bus: bus.Bus, Archive: id}
}

func (f *fixture) archive(t *testing.T, id string, retention time.Duration) delivery.Archive {
	t.Helper()
	a := delivery.Archive{
		Name: archiveName(id), UID: f.id(), Description: "about", EventPattern: `{"source":["s"]}`, Retention: retention,
		CreateTime: now, UpdateTime: now, Etag: f.id(),
	}
	require.NoError(t, f.CreateArchive(t.Context(), a))
	return a
}

// archived stores events in an archive, the first accepted at a time and each of the others an hour later.
func (f *fixture) archived(t *testing.T, a delivery.Archive, first time.Time, n int) []*delivery.Event {
	t.Helper()
	var events []*delivery.Event
	for i := range n {
		at := first.Add(time.Duration(i) * time.Hour)
		events = append(events, &delivery.Event{
			Project: a.Name.Project, ID: f.id(), Bus: a.Name.Bus, Source: "s", DetailType: "T", Detail: fmt.Sprintf(`{ "n" : %d.0}`, i),
			Resources: []string{"r"}, Time: at.Truncate(time.Second), IngestionTime: at, Traceparent: "00-x",
		})
	}
	require.NoError(t, f.Accept(t.Context(), bus, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		return delivery.Batch{Archived: []delivery.Archived{{Project: a.Name.Project, ArchiveUID: a.UID, Events: events}}}, nil
	}))
	return events
}

func testArchives(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Archive(ctx, archiveName("a"))
	require.ErrorIs(t, err, delivery.ErrArchiveNotFound)
	a := f.archive(t, "a", 48*time.Hour)
	require.ErrorIs(t, f.CreateArchive(ctx, a), delivery.ErrExists)
	got, err := f.Archive(ctx, a.Name)
	require.NoError(t, err)
	require.Equal(t, a, got)
	orphan := a
	orphan.Name.Bus = "none"
	require.ErrorIs(t, f.CreateArchive(ctx, orphan), delivery.ErrBusNotFound)

	f.archive(t, "b", 0)
	f.archive(t, "B", 0)
	list, err := f.ListArchives(ctx, bus, "B", 1)
	require.NoError(t, err)
	require.Equal(t, []delivery.Archive{a}, list)
	_, err = f.ListArchives(ctx, delivery.BusName{Project: "p", Bus: "none"}, "", 1)
	require.ErrorIs(t, err, delivery.ErrBusNotFound)

	set, err := f.RuleSet(ctx, bus)
	require.NoError(t, err)
	require.Len(t, set.Archives, 3)
	old := a.Etag
	a.Description, a.EventPattern, a.Retention, a.Disabled, a.Etag = "new", "", 0, true, f.id()
	require.ErrorIs(t, f.ReplaceArchive(ctx, a, "0"), delivery.ErrEtagMismatch)
	require.NoError(t, f.ReplaceArchive(ctx, a, old))
	got, err = f.Archive(ctx, a.Name)
	require.NoError(t, err)
	require.Equal(t, a, got)
	missing := a
	missing.Name.Archive = "none"
	require.ErrorIs(t, f.ReplaceArchive(ctx, missing, old), delivery.ErrArchiveNotFound)
	changed, err := f.RuleSet(ctx, bus)
	require.NoError(t, err)
	require.NotEqual(t, set.Version, changed.Version)
	require.Len(t, changed.Archives, 2, "a disabled one takes nothing")

	require.ErrorIs(t, f.DeleteArchive(ctx, a.Name, old, f.id(), now), delivery.ErrEtagMismatch)
	require.NoError(t, f.DeleteArchive(ctx, a.Name, a.Etag, f.id(), now))
	require.ErrorIs(t, f.DeleteArchive(ctx, a.Name, "", f.id(), now), delivery.ErrArchiveNotFound)

	other := delivery.BusName{Project: "p", Bus: "orders"}
	require.NoError(t, f.CreateBus(ctx, delivery.Bus{Name: other, Etag: "1"}))
	kept := delivery.Archive{Name: delivery.ArchiveName{Project: "p", Bus: "orders", Archive: "k"}, UID: f.id(), Etag: f.id()}
	require.NoError(t, f.CreateArchive(ctx, kept))
	require.ErrorIs(t, f.DeleteBus(ctx, other, ""), delivery.ErrInUse)
	require.NoError(t, f.DeleteArchive(ctx, kept.Name, "", f.id(), now))
	require.NoError(t, f.DeleteBus(ctx, other, ""))
}

// counts returns how many events an archive says it has, and their size.
func (f *fixture) counts(t *testing.T, name delivery.ArchiveName) (events, bytes int64) {
	t.Helper()
	a, err := f.Archive(t.Context(), name)
	require.NoError(t, err)
	return a.Events, a.Bytes
}

func testArchivedEvents(t *testing.T, f *fixture) {
	ctx := t.Context()
	forever, short := f.archive(t, "forever", 0), f.archive(t, "short", 24*time.Hour)
	size := int64(f.archived(t, forever, now, 3)[0].Size())
	f.archived(t, short, now, 3)
	f.archived(t, short, now.Add(3*time.Hour), 1)
	requireCounts := func(of delivery.Archive, events int64) {
		t.Helper()
		n, bytes := f.counts(t, of.Name)
		require.Equal(t, events, n)
		require.Equal(t, events*size, bytes)
	}
	requireCounts(forever, 3)
	requireCounts(short, 4)
	n, err := f.FoldCounts(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	requireCounts(short, 4)
	expire := func(at time.Time, limit, want int) {
		t.Helper()
		n, err := f.Expire(ctx, at, f.id(), limit)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	expire(now.Add(24*time.Hour), 10, 0)
	expire(now.Add(26*time.Hour), 1, 1)
	expire(now.Add(26*time.Hour), 10, 1)
	expire(now.Add(26*time.Hour), 10, 0)
	requireCounts(short, 2)
	for n := 1; n > 0; {
		n, err = f.FoldCounts(ctx, 10)
		require.NoError(t, err)
	}
	requireCounts(short, 2)
	expire(now.Add(1000*24*time.Hour), 10, 2)
	requireCounts(short, 0)
	requireCounts(forever, 3)
}

func testDeletedArchive(t *testing.T, f *fixture) {
	ctx := t.Context()
	a := f.archive(t, "a", 0)
	f.archived(t, a, now, 3)
	require.NoError(t, f.DeleteArchive(ctx, a.Name, "", f.id(), now))
	n, err := f.FoldCounts(ctx, 10)
	require.NoError(t, err)
	require.Zero(t, n, "the count of nothing")
	again := f.archive(t, "a", 0)
	events, _ := f.counts(t, again.Name)
	require.Zero(t, events, "another archive, although of the same name")
	f.archived(t, again, now, 1)
	for _, want := range []int{2, 1, 0} {
		n, err := f.RemoveRemains(ctx, now, 2)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	f.archived(t, a, now, 1) // by a call that began before
	for _, want := range []int{1, 0, 0} {
		n, err := f.RemoveRemains(ctx, now.Add(time.Hour), 2)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	f.archived(t, a, now, 1)
	n, err = f.RemoveRemains(ctx, now.Add(time.Hour), 2)
	require.NoError(t, err)
	require.Zero(t, n, "it is forgotten in the end")
	events, _ = f.counts(t, again.Name)
	require.EqualValues(t, 1, events)
}
