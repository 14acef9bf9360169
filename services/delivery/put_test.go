package delivery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestEntriesStandForThemselves(t *testing.T) {
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
		Params: func(p *delivery.Params) { p.MaxEntries = 100 },
	})
	good := delivery.Entry{Source: "shop", DetailType: "T", Detail: "{}"}
	with := func(change func(*delivery.Entry)) delivery.Entry {
		e := good
		change(&e)
		return e
	}
	cases := []struct {
		entry     delivery.Entry
		code, msg string
	}{
		{good, "", ""},
		{with(func(e *delivery.Entry) { e.Source = "" }), "InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."},
		{with(func(e *delivery.Entry) { e.DetailType = "" }), "InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."},
		{with(func(e *delivery.Entry) { e.Detail = "" }), "InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."},
		{with(func(e *delivery.Entry) { e.Detail = `"text"` }), "MalformedDetail", "Detail is malformed."},
		{with(func(e *delivery.Entry) { e.Detail = `[{}]` }), "MalformedDetail", "Detail is malformed."},
		{with(func(e *delivery.Entry) { e.Detail = `{"a":1` }), "MalformedDetail", "Detail is malformed."},
		{
			with(func(e *delivery.Entry) { e.Detail = `{"a":[9223372036854775808]}` }), "InvalidArgument",
			"Parameter Detail is not valid. Reason: integers in Detail must be within the range of int64; larger ones can be strings.",
		},
		{with(func(e *delivery.Entry) { e.Detail = `{} {}` }), "MalformedDetail", "Detail is malformed."},
		{with(func(e *delivery.Entry) { e.Detail = nested(1001) }), "InvalidArgument", "at most 1000 levels"},
		{with(func(e *delivery.Entry) { e.Detail = nested(1000) }), "", ""},
		{with(func(e *delivery.Entry) { e.Source = strings.Repeat("ä", 257) }), "InvalidArgument", "at most 256 characters"},
		{with(func(e *delivery.Entry) { e.Source = strings.Repeat("ä", 256) }), "", ""},
		{with(func(e *delivery.Entry) { e.Source = "a\x00" }), "InvalidArgument", "control characters"},
		{with(func(e *delivery.Entry) { e.DetailType = strings.Repeat("x", 129) }), "InvalidArgument", "at most 128 characters"},
		{with(func(e *delivery.Entry) { e.Resources = make([]string, 101) }), "InvalidArgument", "at most 100 elements"},
		{with(func(e *delivery.Entry) { e.Resources = []string{strings.Repeat("x", 2049)} }), "InvalidArgument", "2048"},
		{with(func(e *delivery.Entry) { e.Time = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }), "InvalidArgument", "Time"},
		{with(func(e *delivery.Entry) { e.Source = "freshet.connection" }), "NotAuthorizedForSourceException", "the suite's own"},
		{good, "", ""},
	}
	var entries []delivery.Entry
	for _, c := range cases {
		entries = append(entries, c.entry)
	}
	results, err := s.Service.PutEvents(t.Context(), deliverytest.Default, entries, false)
	require.NoError(t, err)
	require.Len(t, results, len(cases))
	last := ""
	for i, c := range cases {
		require.Equal(t, c.code, results[i].Code, i)
		require.Contains(t, results[i].Message, c.msg, i)
		require.Equal(t, c.code == "", results[i].EventID != "", i)
		if c.code == "" {
			require.Greater(t, results[i].EventID, last, "ids rise")
			last = results[i].EventID
		}
	}
	results, err = s.Service.PutEvents(t.Context(), deliverytest.Default,
		[]delivery.Entry{with(func(e *delivery.Entry) { e.Source = "freshet.connection" })}, true)
	require.NoError(t, err)
	require.Empty(t, results[0].Code, "services of the suite may")
}

func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth-1) + `{}` + strings.Repeat(`}`, depth-1)
}

func TestWholeRequests(t *testing.T) {
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{})
	put := func(bus string, entries ...delivery.Entry) error {
		_, err := s.Service.PutEvents(t.Context(), delivery.BusName{Project: "p", Bus: bus}, entries, false)
		return err
	}
	good := delivery.Entry{Source: "shop", DetailType: "T", Detail: "{}"}
	var invalid *delivery.InvalidError
	require.ErrorAs(t, put("default"), &invalid)
	require.ErrorAs(t, put("default", make([]delivery.Entry, 11)...), &invalid)
	require.ErrorContains(t, invalid, "1 to 10 entries, not 11")
	// 14 bytes for the time, and the bytes of the fields.
	entry := delivery.Entry{Source: "é", DetailType: "T", Resources: []string{"r"}, Time: time.Now()}
	entry.Detail = `{"a":"` + strings.Repeat("x", 1<<20-14-2-1-1-len(`{"a":""}`)) + `"}`
	require.NoError(t, put("default", entry))
	entry.Source += "é"
	require.ErrorAs(t, put("default", entry), &invalid)
	require.ErrorContains(t, invalid, "Total size of the entries in the request is over the limit")

	require.ErrorIs(t, put("none", good), delivery.ErrBusNotFound)
	require.ErrorIs(t, put("none", delivery.Entry{}), delivery.ErrBusNotFound)
}

// TestRuleChangesAreInForce: every event put after a rule changed is matched by the new rule, also on another instance.
func TestRuleChangesAreInForce(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, store.Migrations())
	tokens := deliverytest.NewTokens()
	tokens.Bearer(deliverytest.CRM, "token")
	one := deliverytest.New(t, db, deliverytest.Options{Tokens: tokens})
	two := deliverytest.New(t, db, deliverytest.Options{Tokens: tokens})
	one.Destination(t, "a", "http://127.0.0.1:1", nil)
	matches := func(s *deliverytest.Suite) int {
		event := s.Put(t, "a", `{}`)[0]
		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{Event: event}, "", 10)
		require.NoError(t, err)
		return len(list)
	}
	require.Zero(t, matches(one))
	require.Zero(t, matches(two))
	rule := one.Rule(t, "a", nil)
	require.Equal(t, 1, matches(one))
	require.Equal(t, 1, matches(two))
	change := func(s *deliverytest.Suite, change func(*delivery.Rule)) {
		_, err := s.Service.UpdateRule(t.Context(), rule.Name, delivery.Write{}, func(r *delivery.Rule) error { change(r); return nil })
		require.NoError(t, err)
	}
	change(two, func(r *delivery.Rule) {
		r.Targets = append(r.Targets, delivery.Target{ID: "second", Destination: "a"})
	})
	require.Equal(t, 2, matches(one))
	change(one, func(r *delivery.Rule) { r.Disabled = true })
	require.Zero(t, matches(two))
	change(one, func(r *delivery.Rule) { r.Disabled, r.EventPattern = false, `{"source":["b"]}` })
	require.Zero(t, matches(two))
	change(one, func(r *delivery.Rule) { r.EventPattern = `{"detail-type":["Test"]}` })
	require.Equal(t, 2, matches(two))
	require.NoError(t, two.Service.DeleteRule(t.Context(), rule.Name, delivery.Write{}))
	require.Zero(t, matches(one))
}

// TestEventsOfANewBus: a bus that is deleted and made again has none of the old one's rules.
func TestEventsOfANewBus(t *testing.T) {
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{})
	name := delivery.BusName{Project: "p", Bus: "b"}
	s.Destination(t, "a", "http://127.0.0.1:1", nil)
	for range 3 {
		_, err := s.Service.CreateBus(t.Context(), delivery.Bus{Name: name}, delivery.Write{})
		require.NoError(t, err)
		put := func() []delivery.Delivery {
			results, err := s.Service.PutEvents(t.Context(), name, []delivery.Entry{{Source: "a", DetailType: "T", Detail: "{}"}}, false)
			require.NoError(t, err)
			list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{Event: results[0].EventID}, "", 10)
			require.NoError(t, err)
			return list
		}
		require.Empty(t, put())
		rule := s.Rule(t, "a", func(r *delivery.Rule) { r.Name.Bus = "b" })
		require.Len(t, put(), 1)
		require.ErrorIs(t, s.Service.DeleteBus(t.Context(), name, delivery.Write{}), delivery.ErrInUse)
		require.NoError(t, s.Service.DeleteRule(t.Context(), rule.Name, delivery.Write{}))
		require.NoError(t, s.Service.DeleteBus(t.Context(), name, delivery.Write{}))
	}
	require.ErrorIs(t, s.Service.DeleteBus(t.Context(), deliverytest.Default, delivery.Write{}), delivery.ErrStateConflict)
}
