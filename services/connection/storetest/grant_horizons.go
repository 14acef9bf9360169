package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
)

// listEndingGrants: the soonest first, with every filter, over pages of two.
func listEndingGrants(t *testing.T, s GrantStore) {
	for i, connectionID := range []string{"a", "b"} {
		for j := range 4 {
			g := granted(connectionID, fmt.Sprintf("g%d", j))
			g.UID += connectionID
			g.EndUser = []string{"ada", ""}[j%2]
			g.State = []connection.State{connection.StateAuthorized, connection.StateDeauthorized}[(i+j)%2]
			g.ExpireTime = noon().Add(time.Duration(4-j) * time.Hour)
			if j == 3 {
				g.ExpireTime = time.Time{}
			}
			putGrants(t, s, g)
		}
	}
	end := noon().Add(4 * time.Hour)
	for _, test := range []struct {
		query connection.GrantQuery
		want  string
	}{
		{connection.GrantQuery{ExpireBefore: end}, "a/g2 b/g2 a/g1 b/g1 "},
		{connection.GrantQuery{ExpireBefore: end.Add(1)}, "a/g2 b/g2 a/g1 b/g1 "},
		{connection.GrantQuery{ExpireBefore: end.Add(time.Microsecond)}, "a/g2 b/g2 a/g1 b/g1 a/g0 b/g0 "},
		{connection.GrantQuery{ExpireBefore: end, Connection: "b"}, "b/g2 b/g1 "},
		{connection.GrantQuery{ExpireBefore: end, State: connection.StateAuthorized}, "a/g2 b/g1 "},
		{connection.GrantQuery{ExpireBefore: end, EndUser: "ada"}, "a/g2 b/g2 "},
		{connection.GrantQuery{ExpireBefore: noon()}, ""},
	} {
		got, q := "", test.query
		for q.Limit = 2; ; {
			page, err := s.ListGrants(t.Context(), "p", q)
			require.NoError(t, err)
			for _, g := range page {
				got += g.Name.Connection.ID + "/" + g.Name.ID + " "
				q.After = g.Cursor()
			}
			if len(page) < q.Limit {
				break
			}
		}
		require.Equal(t, test.want, got, "%+v", test.query)
	}
}

func dueGrantWarnings(t *testing.T, s GrantStore) {
	for i, id := range []string{"late", "soon", "never"} {
		g := granted("c", id)
		g.WarningTime = noon().Add(-time.Duration(i) * time.Hour)
		if id == "never" {
			g.WarningTime = time.Time{}
		}
		putGrants(t, s, g)
	}
	due := func(now time.Time, limit int) (ids string) {
		list, err := s.DueGrantWarnings(t.Context(), now, limit)
		require.NoError(t, err)
		for _, g := range list {
			ids += g.Name.ID + " "
		}
		return ids
	}
	require.Equal(t, "soon late ", due(noon(), 9))
	require.Equal(t, "soon ", due(noon(), 1))
	require.Equal(t, "soon ", due(noon().Add(-time.Microsecond), 9))
	require.Empty(t, due(noon().Add(-2*time.Hour), 9))
}
