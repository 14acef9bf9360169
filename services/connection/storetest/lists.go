package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
)

func names(list []connection.Connection) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.Name.Project+"/"+c.Name.ID)
	}
	return out
}

func list(t *testing.T, s connection.Store) {
	for _, id := range []string{"b", "_", "a", "B", "a.b", "a-b", "0"} {
		create(t, s, named("p", id))
	}
	authorized := named("p", "c")
	authorized.State = connection.StateAuthorized
	create(t, s, authorized)
	create(t, s, named("q", "x"))

	page := func(project string, q connection.Query) []string {
		got, err := s.List(t.Context(), project, q)
		require.NoError(t, err)
		return names(got)
	}
	// In the order of bytes, on every engine and whatever its locale.
	all := []string{"p/0", "p/B", "p/_", "p/a", "p/a-b", "p/a.b", "p/b", "p/c"}
	require.Equal(t, all, page("p", connection.Query{Limit: 10}))
	require.Equal(t, all[:3], page("p", connection.Query{Limit: 3}))
	require.Equal(t, all[3:6], page("p", connection.Query{Limit: 3, After: "_"}))
	require.Empty(t, page("p", connection.Query{Limit: 3, After: "c"}))
	require.Equal(t, []string{"p/c"}, page("p", connection.Query{Limit: 3, State: connection.StateAuthorized}))
	require.Equal(t, all[1:3], page("p", connection.Query{Limit: 2, State: connection.StateCreating, After: "0"}))
	require.Empty(t, page("none", connection.Query{Limit: 3}))
}

func scan(t *testing.T, s connection.Store) {
	done := named("p", "b")
	done.Pending = connection.PendingNothing
	create(t, s, done)
	create(t, s, named("q", "a"))
	create(t, s, named("p", "c"))
	create(t, s, named("p-q", "a"))

	page := func(after connection.Name, limit int, pendingOnly bool) []string {
		got, err := s.Scan(t.Context(), after, limit, pendingOnly)
		require.NoError(t, err)
		return names(got)
	}
	require.Equal(t, []string{"p/b", "p/c", "p-q/a", "q/a"}, page(connection.Name{}, 10, false))
	require.Equal(t, []string{"p/c", "p-q/a"}, page(connection.Name{Project: "p", ID: "b"}, 2, false))
	require.Equal(t, []string{"p/c", "p-q/a", "q/a"}, page(connection.Name{}, 10, true))
	require.Equal(t, []string{"q/a"}, page(connection.Name{Project: "p-q", ID: "a"}, 10, true))
	require.Empty(t, page(connection.Name{Project: "q", ID: "a"}, 10, false))
}

// event is one of a connection, after noon.
func event(c connection.Connection, after time.Duration) *connection.StateEvent {
	return &connection.StateEvent{
		ID: c.Name.ID + "-" + after.String(), Connection: c.Name, UID: c.UID, State: c.State, Previous: connection.StateUpdating,
		Reason: c.Reason, Message: c.Message, Time: noon().Add(after), Kind: connection.EventGrantExpiring,
		GrantExpireTime: noon().Add(time.Hour),
	}
}

func claim(t *testing.T, s connection.Store, owner string, now time.Time) []connection.StateEvent {
	t.Helper()
	events, err := s.ClaimEvents(t.Context(), owner, now, now.Add(time.Minute), 100)
	require.NoError(t, err)
	return events
}

func dueWarnings(t *testing.T, s connection.Store) {
	for id, after := range map[string]time.Duration{"a": 3 * time.Hour, "b": time.Hour, "c": 0, "d": 2 * time.Hour} {
		c := named("p", id)
		c.GrantExpireTime, c.GrantWarningTime = noon().Add(100*time.Hour), noon().Add(after)
		create(t, s, c)
	}
	create(t, s, named("q", "e")) // has no end
	ids := func(now time.Time, limit int) (ids []string) {
		due, err := s.DueWarnings(t.Context(), now, limit)
		require.NoError(t, err)
		for _, c := range due {
			ids = append(ids, c.Name.ID)
		}
		return ids
	}
	require.Equal(t, []string{"c"}, ids(noon(), 10))
	require.Equal(t, []string{"c", "b", "d"}, ids(noon().Add(2*time.Hour), 10))
	require.Equal(t, []string{"c", "b"}, ids(noon().Add(24*time.Hour), 2))
	require.Empty(t, ids(noon().Add(-time.Second), 10))
}

func eventsWithTheirChange(t *testing.T, s connection.Store) {
	c := full()
	created := event(c, 0)
	require.NoError(t, s.Create(t.Context(), c, created))
	c.RowVersion = 1
	updated := event(c, time.Second)
	require.NoError(t, s.Update(t.Context(), c, updated))
	c.RowVersion = 2
	changed := event(c, 2*time.Second)
	require.NoError(t, s.UpdateSettings(t.Context(), c, changed))
	require.Equal(t, []connection.StateEvent{*created, *updated, *changed}, claim(t, s, "o", noon()))

	// They stay until they are removed.
	require.Len(t, claim(t, s, "o", noon()), 3)
	require.NoError(t, s.RemoveEvents(t.Context(), []connection.StateEvent{*created, *changed}))
	require.NoError(t, s.RemoveEvents(t.Context(), []connection.StateEvent{*created}))
	require.NoError(t, s.RemoveEvents(t.Context(), nil))
	require.Equal(t, []connection.StateEvent{*updated}, claim(t, s, "o", noon()))
}

func eventsInOrder(t *testing.T, s connection.Store) {
	for id, after := range map[string]time.Duration{
		"a": 3 * time.Microsecond, "b": time.Microsecond, "c": 2 * time.Microsecond, "d": 4 * time.Microsecond,
	} {
		c := named("p", id)
		require.NoError(t, s.Create(t.Context(), c, event(c, after)))
	}
	events, err := s.ClaimEvents(t.Context(), "o", noon(), noon().Add(time.Minute), 3)
	require.NoError(t, err)
	var ids []string
	for _, e := range events {
		ids = append(ids, e.Connection.ID)
	}
	require.Equal(t, []string{"b", "c", "a"}, ids)
}

func claimsByProject(t *testing.T, s connection.Store) {
	put := func(project, id string, after time.Duration) {
		c := named(project, id)
		require.NoError(t, s.Create(t.Context(), c, event(c, after)))
	}
	put("p", "a", 1*time.Second)
	require.Len(t, claim(t, s, "one", noon()), 1)
	put("p", "b", 2*time.Second)
	put("q", "c", 3*time.Second)

	others := claim(t, s, "two", noon())
	require.Len(t, others, 1)
	require.Equal(t, "q", others[0].Connection.Project)

	mine := claim(t, s, "one", noon())
	require.Len(t, mine, 2)

	// Claims end.
	require.Len(t, claim(t, s, "two", noon().Add(time.Minute)), 3)
}

func concurrentClaims(t *testing.T, s connection.Store) {
	for _, id := range []string{"a", "b", "c", "d"} {
		c := named("p", id)
		require.NoError(t, s.Create(t.Context(), c, event(c, 0)))
	}
	type outcome struct {
		events []connection.StateEvent
		err    error
	}
	outcomes := make(chan outcome, 4)
	for _, owner := range []string{"one", "two", "three", "four"} {
		go func() {
			events, err := s.ClaimEvents(t.Context(), owner, noon(), noon().Add(time.Minute), 10)
			outcomes <- outcome{events, err}
		}()
	}
	claimed := 0
	for range 4 {
		o := <-outcomes
		require.NoError(t, o.err)
		require.Contains(t, []int{0, 4}, len(o.events))
		claimed += len(o.events)
	}
	require.Equal(t, 4, claimed)
}
