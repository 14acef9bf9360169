package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/calllog"
)

// Run runs every rule as a subtest on an empty store of its own.
func Run(t *testing.T, newStore func(t *testing.T) calllog.Store) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, calllog.Store)
	}{
		{"EveryFieldComesBack", everyField},
		{"List", list},
		{"Trim", trim},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newStore(t)) })
	}
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC) }

// at is a call that began n seconds after noon.
func at(n int) calllog.Call {
	start := noon().Add(time.Duration(n) * time.Second)
	return calllog.Call{
		Project: "p", ID: calllog.Edge(start), Connection: "c", Grant: "g", StartTime: start, Duration: 1500 * time.Microsecond,
		Method: "GET", Host: "api.example", Path: "/a/b", Status: 200, Attempts: 2, RequestBytes: 1 << 40, ResponseBytes: 7,
		Reason: "UPSTREAM_TIMEOUT", TraceID: "0af7651916cd43dd8448eb211c80319c",
	}
}

func everyField(t *testing.T, s calllog.Store) {
	require.NoError(t, s.AddCalls(t.Context(), []calllog.Call{at(0)}))
	again := at(0)
	again.Path = "/other"
	require.NoError(t, s.AddCalls(t.Context(), []calllog.Call{again, at(1)}))
	got, err := s.ListCalls(t.Context(), "p", calllog.Query{Limit: 9})
	require.NoError(t, err)
	require.Equal(t, []calllog.Call{at(1), at(0)}, got)
	got, err = s.ListCalls(t.Context(), "other", calllog.Query{Limit: 9})
	require.NoError(t, err)
	require.Empty(t, got)
}

// list: every filter, over pages of two.
func list(t *testing.T, s calllog.Store) {
	var calls []calllog.Call
	for i := range 8 {
		c := at(i)
		c.Connection = []string{"a", "b"}[i%2]
		c.Grant = []string{"", "g", "h", "g"}[i/2]
		c.Status = []int{200, 404, 0}[i%3]
		calls = append(calls, c)
	}
	require.NoError(t, s.AddCalls(t.Context(), calls))
	for _, test := range []struct {
		query calllog.Query
		want  string
	}{
		{calllog.Query{}, "7 6 5 4 3 2 1 0 "},
		{calllog.Query{Connection: "a"}, "6 4 2 0 "},
		{calllog.Query{Connection: "b", Grant: "g"}, "7 3 "},
		{calllog.Query{Class: 4}, "7 4 1 "},
		{calllog.Query{Class: calllog.NoAnswer}, "5 2 "},
		{calllog.Query{Connection: "a", Class: 2}, "6 0 "},
		{calllog.Query{Connection: "b", Grant: "g", Class: 4}, "7 "},
		{calllog.Query{From: noon().Add(5 * time.Second)}, "7 6 5 "},
		{calllog.Query{Before: noon().Add(2 * time.Second)}, "1 0 "},
		{calllog.Query{Connection: "a", From: noon().Add(time.Second), Before: noon().Add(6 * time.Second)}, "4 2 "},
		{calllog.Query{Connection: "z"}, ""},
	} {
		got, q := "", test.query
		for q.Limit = 2; ; {
			page, err := s.ListCalls(t.Context(), "p", q)
			require.NoError(t, err)
			for _, c := range page {
				got += fmt.Sprintf("%d ", c.StartTime.Sub(noon())/time.Second)
				q.After = c.ID
			}
			if len(page) < q.Limit {
				break
			}
		}
		require.Equal(t, test.want, got, "%+v", test.query)
	}
}

func trim(t *testing.T, s calllog.Store) {
	newest, err := s.NewestCalls(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, newest)
	var calls []calllog.Call
	for i := range 5 {
		calls = append(calls, at(i))
		calls[i].Project = fmt.Sprintf("p%d", i%2)
	}
	require.NoError(t, s.AddCalls(t.Context(), calls))
	newest, err = s.NewestCalls(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, calls[3].ID, newest)
	newest, err = s.NewestCalls(t.Context(), 6)
	require.NoError(t, err)
	require.Empty(t, newest)

	for _, want := range []int{2, 1, 0} {
		n, err := s.TrimCalls(t.Context(), calls[3].ID, 2)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	left, err := s.ListCalls(t.Context(), "p0", calllog.Query{Limit: 9})
	require.NoError(t, err)
	require.Equal(t, calls[4:], left)
}
