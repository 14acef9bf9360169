package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func testBuses(t *testing.T, f *fixture) {
	ctx := t.Context()
	name := delivery.BusName{Project: "p", Bus: "orders"}
	_, err := f.Bus(ctx, name)
	require.ErrorIs(t, err, delivery.ErrBusNotFound)
	b := delivery.Bus{
		Name: name, Description: "about", CreateTime: now, UpdateTime: now, Etag: "1", Settings: delivery.BusSettings{DeduplicateContent: true},
	}
	require.NoError(t, f.CreateBus(ctx, b))
	require.ErrorIs(t, f.CreateBus(ctx, b), delivery.ErrExists)
	got, err := f.Bus(ctx, name)
	require.NoError(t, err)
	require.Equal(t, b, got)

	b.Description, b.UpdateTime, b.Etag = "new", now.Add(time.Second), "2"
	b.Settings = delivery.BusSettings{}
	require.ErrorIs(t, f.ReplaceBus(ctx, b, "0"), delivery.ErrEtagMismatch)
	require.NoError(t, f.ReplaceBus(ctx, b, "1"))
	got, err = f.Bus(ctx, name)
	require.NoError(t, err)
	require.Equal(t, b, got)
	unknown := delivery.Bus{Name: delivery.BusName{Project: "q", Bus: "orders"}}
	require.ErrorIs(t, f.ReplaceBus(ctx, unknown, "1"), delivery.ErrBusNotFound)

	require.ErrorIs(t, f.DeleteBus(ctx, name, "1"), delivery.ErrEtagMismatch)
	f.rule(t, delivery.RuleName{Project: "p", Bus: "orders", Rule: "r"})
	require.ErrorIs(t, f.DeleteBus(ctx, name, ""), delivery.ErrInUse)
	require.NoError(t, f.DeleteRule(ctx, delivery.RuleName{Project: "p", Bus: "orders", Rule: "r"}, "", delivery.Cancellation{ID: "1"}))
	require.NoError(t, f.DeleteBus(ctx, name, "2"))
	require.ErrorIs(t, f.DeleteBus(ctx, name, ""), delivery.ErrBusNotFound)
}

func testDefaultBus(t *testing.T, f *fixture) {
	ctx := t.Context()
	got, err := f.Bus(ctx, bus)
	require.NoError(t, err)
	require.Equal(t, delivery.Bus{Name: bus, Etag: "0"}, got)
	require.ErrorIs(t, f.CreateBus(ctx, got), delivery.ErrExists)
	names := func(after string, limit int) []string {
		list, err := f.ListBuses(ctx, "p", after, limit)
		require.NoError(t, err)
		var names []string
		for _, b := range list {
			names = append(names, b.Name.Bus)
		}
		return names
	}
	for _, id := range []string{"zoo", "Big", "ant"} {
		require.NoError(t, f.CreateBus(ctx, delivery.Bus{Name: delivery.BusName{Project: "p", Bus: id}, CreateTime: now, UpdateTime: now}))
	}
	for range 2 {
		require.Equal(t, []string{"Big", "ant", "default", "zoo"}, names("", 10))
		require.Equal(t, []string{"Big", "ant"}, names("", 2))
		require.Equal(t, []string{"default", "zoo"}, names("ant", 2))
		require.Equal(t, []string{"zoo"}, names("default", 2))
		require.Empty(t, names("zoo", 2))
		if got.Etag != "0" {
			break
		}
		got.Description, got.Etag, got.UpdateTime = "mine", "1", now
		require.NoError(t, f.ReplaceBus(ctx, got, "0")) // from here on it is stored
	}
	stored, err := f.Bus(ctx, bus)
	require.NoError(t, err)
	require.Equal(t, got, stored)
}

func testRules(t *testing.T, f *fixture) {
	ctx := t.Context()
	name := ruleName("r")
	_, err := f.Rule(ctx, name)
	require.ErrorIs(t, err, delivery.ErrRuleNotFound)
	require.ErrorIs(t, f.CreateRule(ctx, delivery.Rule{Name: name, Targets: []delivery.Target{{ID: "a", Destination: "none"}}}),
		delivery.ErrDestinationNotFound)
	require.ErrorIs(t, f.CreateRule(ctx, delivery.Rule{Name: delivery.RuleName{Project: "p", Bus: "none", Rule: "r"}}), delivery.ErrBusNotFound)
	f.destination(t, lane)
	r := f.rule(t, name, "d", "d")
	require.ErrorIs(t, f.CreateRule(ctx, r), delivery.ErrExists)
	got, err := f.Rule(ctx, name)
	require.NoError(t, err)
	require.Equal(t, r, got)

	old := r.Etag
	r.Description, r.Disabled, r.EventPattern, r.Targets, r.Etag = "new", true, `{"a":["b"]}`, r.Targets[:1], f.id()
	cancel := []delivery.Cancellation{{Project: "p", ID: f.id(), Bus: bus.Bus, Rule: "r", Target: "b"}}
	require.ErrorIs(t, f.ReplaceRule(ctx, r, "other", cancel), delivery.ErrEtagMismatch)
	require.NoError(t, f.ReplaceRule(ctx, r, old, cancel))
	got, err = f.Rule(ctx, name)
	require.NoError(t, err)
	require.Equal(t, r, got)
	recorded, err := f.Cancellations(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, cancel, recorded)
	unknown := r
	unknown.Name.Rule = "none"
	require.ErrorIs(t, f.ReplaceRule(ctx, unknown, old, nil), delivery.ErrRuleNotFound)

	f.rule(t, ruleName("A"), "d")
	list, err := f.ListRules(ctx, bus, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "A", list[0].Name.Rule, "by name, byte by byte")
	list, err = f.ListRules(ctx, bus, "A", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = f.ListRules(ctx, delivery.BusName{Project: "p", Bus: "none"}, "", 10)
	require.ErrorIs(t, err, delivery.ErrBusNotFound)

	c := delivery.Cancellation{Project: "p", ID: f.id(), Bus: bus.Bus, Rule: "r"}
	require.ErrorIs(t, f.DeleteRule(ctx, name, "other", c), delivery.ErrEtagMismatch)
	require.NoError(t, f.DeleteRule(ctx, name, r.Etag, c))
	require.ErrorIs(t, f.DeleteRule(ctx, name, "", c), delivery.ErrRuleNotFound)
}

func testVersions(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.destination(t, lane)
	seen := map[string]bool{}
	next := func(rules int) {
		t.Helper()
		set, err := f.RuleSet(ctx, bus)
		require.NoError(t, err)
		require.False(t, seen[set.Version], "a new version with every change")
		seen[set.Version] = true
		require.Len(t, set.Rules, rules)
		require.NoError(t, f.Accept(ctx, bus, func(version string, load func() (delivery.RuleSet, error)) (delivery.Batch, error) {
			require.Equal(t, set.Version, version)
			loaded, err := load()
			require.Equal(t, set, loaded)
			return delivery.Batch{}, err
		}))
	}
	next(0)
	r := f.rule(t, ruleName("r"), "d")
	next(1)
	f.rule(t, ruleName("s"))
	next(2)
	old := r.Etag
	r.Disabled, r.Etag = true, f.id()
	require.NoError(t, f.ReplaceRule(ctx, r, old, nil))
	next(1)
	require.NoError(t, f.DeleteRule(ctx, r.Name, "", delivery.Cancellation{Project: "p", ID: f.id(), Bus: bus.Bus, Rule: "r"}))
	next(1)
	_, err := f.RuleSet(ctx, delivery.BusName{Project: "p", Bus: "none"})
	require.ErrorIs(t, err, delivery.ErrBusNotFound)
}

func testDestinations(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Destination(ctx, lane)
	require.ErrorIs(t, err, delivery.ErrDestinationNotFound)
	d := f.destination(t, lane)
	require.ErrorIs(t, f.CreateDestination(ctx, d), delivery.ErrExists)
	got, err := f.Destination(ctx, lane)
	require.NoError(t, err)
	require.Equal(t, d, got)

	old := d.Etag
	d.Description, d.Connection, d.Endpoint, d.Method, d.RateLimit = "new", "other", "https://x.example", "GET", 1
	d.Timeout, d.UpdateTime, d.Etag = 30*time.Second, now.Add(time.Second), f.id()
	d.Unlimited, d.MaxConcurrency, d.Detail = true, 7, delivery.DetailNone
	d.Statuses = delivery.Statuses{Unauthorized: []int{403}, Retryable: []int{404, 425}, Permanent: []int{501}}
	d.IdempotencyHeader = "X-Id"
	pass := func([]delivery.Rule) error { return nil }
	require.ErrorIs(t, f.ReplaceDestination(ctx, d, "other", pass), delivery.ErrEtagMismatch)
	require.NoError(t, f.ReplaceDestination(ctx, d, old, pass))
	got, err = f.Destination(ctx, lane)
	require.NoError(t, err)
	require.Equal(t, d, got)
	unknown := d
	unknown.Name.Destination = "none"
	require.ErrorIs(t, f.ReplaceDestination(ctx, unknown, "1", pass), delivery.ErrDestinationNotFound)

	f.destination(t, delivery.DestinationName{Project: "p", Destination: "D"})
	f.destination(t, delivery.DestinationName{Project: "q", Destination: "d"})
	list, err := f.ListDestinations(ctx, "p", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "D", list[0].Name.Destination)
	list, err = f.ListDestinations(ctx, "p", "D", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func testInUse(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.destination(t, lane)
	r := f.rule(t, ruleName("r"), "d")
	c := delivery.Cancellation{Project: "p", ID: f.id(), Destination: "d"}
	err := f.DeleteDestination(ctx, lane, "", c)
	require.ErrorIs(t, err, delivery.ErrInUse)
	require.ErrorContains(t, err, r.Name.String())
	unfit := errors.New("does not fit")
	changed := d
	changed.Etag = f.id()
	require.ErrorIs(t, f.ReplaceDestination(ctx, changed, d.Etag, func(users []delivery.Rule) error {
		require.Equal(t, []delivery.Rule{r}, users)
		return unfit
	}), unfit)
	got, err := f.Destination(ctx, lane)
	require.NoError(t, err)
	require.Equal(t, d, got)
	require.NoError(t, f.DeleteRule(ctx, r.Name, "", delivery.Cancellation{Project: "p", ID: f.id(), Bus: bus.Bus, Rule: "r"}))
	require.ErrorIs(t, f.DeleteDestination(ctx, lane, "other", c), delivery.ErrEtagMismatch)
	require.NoError(t, f.DeleteDestination(ctx, lane, d.Etag, c))
	require.ErrorIs(t, f.DeleteDestination(ctx, lane, "", c), delivery.ErrDestinationNotFound)
}
