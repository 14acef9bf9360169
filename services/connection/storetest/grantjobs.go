package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
)

// GrantJobStore is what jobs and the grants that they are about are kept in.
type GrantJobStore interface {
	GrantStore
	grantjobs.Store
}

// RunGrantJobs runs every rule as a subtest on an empty store of its own.
func RunGrantJobs(t *testing.T, newStore func(t *testing.T) GrantJobStore) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, GrantJobStore)
	}{
		{"EveryFieldComesBack", everyFieldOfAJob},
		{"Names", namesOfJobs},
		{"OneErasureOfASubject", oneErasure},
		{"OneDriver", oneDriver},
		{"End", endOfJobs},
		{"CountGrants", countGrants},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newStore(t)) })
	}
}

func revoking(id string) grantjobs.Job {
	return grantjobs.Job{
		Name: grantjobs.Name{Project: "p", ID: id}, Action: grantjobs.Revoke, State: grantjobs.Running, Matched: 7, SkipRevocation: true,
		Filter: grantjobs.Filter{
			Connection: "c", State: connection.StateDeauthorized, EndUser: "ada", ExpireBefore: noon().Add(time.Hour),
		},
		CreateTime: noon(),
	}
}

func erasing(id string) grantjobs.Job {
	return grantjobs.Job{
		Name: grantjobs.Name{Project: "p", ID: id}, Action: grantjobs.Erase, State: grantjobs.Running,
		Filter: grantjobs.Filter{EndUser: "ada"}, Subject: "digest of ada", CreateTime: noon(),
	}
}

// claimed claims every job that is free.
func claimed(t *testing.T, s GrantJobStore, owner string, now time.Time) []grantjobs.Job {
	t.Helper()
	jobs, err := s.ClaimJobs(t.Context(), owner, now, now.Add(time.Minute), 9)
	require.NoError(t, err)
	return jobs
}

func everyFieldOfAJob(t *testing.T, s GrantJobStore) {
	j := revoking("j")
	require.NoError(t, s.CreateJob(t.Context(), j, 9))
	got, err := s.Job(t.Context(), j.Name)
	require.NoError(t, err)
	require.Equal(t, j, got)

	j = claimed(t, s, "me", noon())[0]
	j.Ended, j.Skipped, j.Filter.EndUser = 5, 2, ""
	j.After = connection.GrantCursor{
		ExpireTime: noon().Add(time.Minute), Name: connection.GrantName{Connection: connection.Name{Project: "p", ID: "c"}, ID: "g"},
	}
	require.NoError(t, s.UpdateJob(t.Context(), j, noon().Add(time.Hour)))
	got, err = s.Job(t.Context(), j.Name)
	require.NoError(t, err)
	require.Equal(t, j, got)
	j.State, j.FinishTime = grantjobs.Succeeded, noon().Add(time.Hour)
	require.NoError(t, s.UpdateJob(t.Context(), j, time.Time{}))
	got, err = s.Job(t.Context(), j.Name)
	require.NoError(t, err)
	require.Equal(t, j, got)
}

func namesOfJobs(t *testing.T, s GrantJobStore) {
	_, err := s.Job(t.Context(), revoking("a").Name)
	require.ErrorIs(t, err, grantjobs.ErrNotFound)
	require.NoError(t, s.CreateJob(t.Context(), revoking("a"), 2))
	require.ErrorIs(t, s.CreateJob(t.Context(), revoking("a"), 2), grantjobs.ErrExists)
	require.NoError(t, s.CreateJob(t.Context(), revoking("b"), 2))
	require.ErrorIs(t, s.CreateJob(t.Context(), revoking("c"), 2), grantjobs.ErrLimit)
	list, err := s.ListJobs(t.Context(), "p", "a", 9)
	require.NoError(t, err)
	require.Equal(t, []grantjobs.Job{revoking("b")}, list)
	list, err = s.ListJobs(t.Context(), "other", "", 9)
	require.NoError(t, err)
	require.Empty(t, list)
}

func oneErasure(t *testing.T, s GrantJobStore) {
	_, err := s.Erasure(t.Context(), "p", "digest of ada")
	require.ErrorIs(t, err, grantjobs.ErrNotFound)
	require.NoError(t, s.CreateJob(t.Context(), erasing("a"), 9))
	require.ErrorIs(t, s.CreateJob(t.Context(), erasing("b"), 9), grantjobs.ErrExists)
	got, err := s.Erasure(t.Context(), "p", "digest of ada")
	require.NoError(t, err)
	require.Equal(t, erasing("a"), got)

	got, err = s.CancelJob(t.Context(), got.Name, noon().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, grantjobs.Cancelled, got.State)
	require.Equal(t, noon().Add(time.Hour), got.FinishTime)
	require.Empty(t, got.Filter.EndUser, "what is kept does not say whose it was")
	require.NoError(t, s.CreateJob(t.Context(), erasing("b"), 9))
}

func oneDriver(t *testing.T, s GrantJobStore) {
	require.Empty(t, claimed(t, s, "me", noon()))
	require.NoError(t, s.CreateJob(t.Context(), revoking("j"), 9))
	mine := claimed(t, s, "me", noon())
	require.Len(t, mine, 1)
	require.Empty(t, claimed(t, s, "you", noon().Add(time.Minute-1)))
	yours := claimed(t, s, "you", noon().Add(time.Minute))
	require.Len(t, yours, 1)
	require.Equal(t, mine[0].Fence+1, yours[0].Fence)
	require.ErrorIs(t, s.UpdateJob(t.Context(), mine[0], noon()), grantjobs.ErrLost)

	require.NoError(t, s.UpdateJob(t.Context(), yours[0], time.Time{}))
	mine = claimed(t, s, "me", noon().Add(time.Minute))
	require.Len(t, mine, 1, "it was given back")
	_, err := s.CancelJob(t.Context(), mine[0].Name, noon())
	require.NoError(t, err)
	require.ErrorIs(t, s.UpdateJob(t.Context(), mine[0], noon()), grantjobs.ErrLost)
	require.Empty(t, claimed(t, s, "me", noon().Add(time.Hour)))
}

func endOfJobs(t *testing.T, s GrantJobStore) {
	j := revoking("j")
	require.ErrorIs(t, s.DeleteJob(t.Context(), j.Name), grantjobs.ErrNotFound)
	_, err := s.CancelJob(t.Context(), j.Name, noon())
	require.ErrorIs(t, err, grantjobs.ErrNotFound)
	require.NoError(t, s.CreateJob(t.Context(), j, 9))
	require.ErrorIs(t, s.DeleteJob(t.Context(), j.Name), grantjobs.ErrEnded)
	got, err := s.CancelJob(t.Context(), j.Name, noon())
	require.NoError(t, err)
	require.Equal(t, "ada", got.Filter.EndUser, "it is no erasure")
	_, err = s.CancelJob(t.Context(), j.Name, noon())
	require.ErrorIs(t, err, grantjobs.ErrEnded)
	require.NoError(t, s.DeleteJob(t.Context(), j.Name))
	_, err = s.Job(t.Context(), j.Name)
	require.ErrorIs(t, err, grantjobs.ErrNotFound)
}

func countGrants(t *testing.T, s GrantJobStore) {
	for i := range 6 {
		g := granted([]string{"a", "b"}[i%2], fmt.Sprintf("g%d", i))
		g.EndUser = []string{"ada", "bob", ""}[i%3]
		g.State = []connection.State{connection.StateAuthorized, connection.StateDeauthorized}[i/3]
		g.ExpireTime = []time.Time{{}, noon(), noon().Add(time.Hour)}[i%3]
		putGrants(t, s, g)
	}
	for _, test := range []struct {
		query connection.GrantQuery
		want  int64
	}{
		{connection.GrantQuery{}, 6},
		{connection.GrantQuery{Connection: "a"}, 3},
		{connection.GrantQuery{State: connection.StateDeauthorized}, 3},
		{connection.GrantQuery{EndUser: "bob"}, 2},
		{connection.GrantQuery{ExpireBefore: noon()}, 0},
		{connection.GrantQuery{ExpireBefore: noon().Add(time.Second)}, 2},
		{connection.GrantQuery{Connection: "b", State: connection.StateAuthorized, EndUser: "bob", ExpireBefore: noon().Add(time.Second)}, 1},
	} {
		n, err := s.CountGrants(t.Context(), "p", test.query)
		require.NoError(t, err)
		require.Equal(t, test.want, n, "%+v", test.query)
	}
}
