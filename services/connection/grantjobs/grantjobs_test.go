package grantjobs_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// fixture is a connection service with a connection of users.
type fixture struct {
	*connectiontest.Suite
	jobs *grantjobs.Service
}

func inBubble(t *testing.T, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{Suite: connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations()))}
		connectiontest.Start(t, f.Service)
		synctest.Wait()
		_, err := f.Service.Create(t.Context(), connection.Draft{Name: photos(), Settings: connection.Settings{
			Kind: connection.KindOAuth2,
			OAuth2: connection.OAuth2{
				GrantType: connection.CodeGrant, TokenEndpoint: "https://as.example/token", ClientID: "id",
				ClientSecret: seal.NewSecret("secret"), ClientAuthentication: connection.ClientSecretBasic,
			},
		}}, false)
		require.NoError(t, err)
		f.jobs = f.replica(t)
		fn(t, f)
	})
}

// replica returns another service on the same store. It does not run yet.
func (f *fixture) replica(t *testing.T) *grantjobs.Service {
	t.Helper()
	s, err := grantjobs.NewService(grantjobs.Params{Store: f.Store, Grants: f.Service})
	require.NoError(t, err)
	return s
}

func photos() connection.Name { return connection.Name{Project: "p", ID: "photos"} }

func (f *fixture) grant(t *testing.T, id, endUser string) {
	t.Helper()
	_, err := f.Service.CreateGrant(t.Context(), connection.GrantDraft{
		Name: connection.GrantName{Connection: photos(), ID: id}, EndUser: endUser,
		Credential: connection.GrantCredential{RefreshToken: seal.NewSecret("r-" + id)},
	}, false)
	require.NoError(t, err)
}

// run drives jobs until the returned function is called.
func run(s *grantjobs.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

// requireJob waits until nothing is under way.
func (f *fixture) requireJob(t *testing.T, name grantjobs.Name, want grantjobs.State) grantjobs.Job {
	t.Helper()
	synctest.Wait()
	j, err := f.jobs.Get(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, want, j.State)
	return j
}

func (f *fixture) states(t *testing.T, endUser string) map[connection.State]int {
	t.Helper()
	list, err := f.Service.ListGrants(t.Context(), "p", connection.GrantQuery{EndUser: endUser, Limit: 1000})
	require.NoError(t, err)
	states := map[connection.State]int{}
	for _, g := range list {
		states[g.State]++
	}
	return states
}

// TestRevokeMany: each of those that are selected, page by page; and those that had ended are counted as such.
func TestRevokeMany(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		for i := range 102 {
			f.grant(t, fmt.Sprintf("g%03d", i), "ada")
		}
		f.grant(t, "other", "bob")
		_, err := f.Service.RevokeGrant(t.Context(), connection.GrantName{Connection: photos(), ID: "g000"})
		require.NoError(t, err)
		job := grantjobs.Job{
			Name: grantjobs.Name{Project: "p", ID: "j"}, Action: grantjobs.Revoke, Filter: grantjobs.Filter{Connection: "photos", EndUser: "ada"},
		}
		counted, err := f.jobs.Create(t.Context(), job, true)
		require.NoError(t, err)
		require.EqualValues(t, 102, counted.Matched)
		_, err = f.jobs.Get(t.Context(), job.Name)
		require.ErrorIs(t, err, grantjobs.ErrNotFound)

		defer run(f.jobs)()
		_, err = f.jobs.Create(t.Context(), job, false)
		require.NoError(t, err)
		j := f.requireJob(t, job.Name, grantjobs.Succeeded)
		require.EqualValues(t, 101, j.Ended)
		require.EqualValues(t, 1, j.Skipped)
		require.Equal(t, map[connection.State]int{connection.StateDeauthorized: 102}, f.states(t, "ada"))
		require.Zero(t, f.states(t, "bob")[connection.StateDeauthorized])
	})
}

// TestErase: nothing is left, also of what comes meanwhile, and only once the token service has forgotten it.
func TestErase(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.grant(t, "a", "ada")
		f.grant(t, "b", "ada")
		f.grant(t, "c", "bob")
		synctest.Wait()
		f.Tokens.SetDown(true)
		first := f.replica(t)
		stop := run(first)
		job, err := first.EraseEndUser(t.Context(), "p", "ada")
		require.NoError(t, err)
		require.EqualValues(t, 2, job.Matched)
		time.Sleep(10 * time.Second)
		f.requireJob(t, job.Name, grantjobs.Running)
		require.Equal(t, map[connection.State]int{connection.StateDeleting: 2}, f.states(t, "ada"))
		again, err := f.jobs.EraseEndUser(t.Context(), "p", "ada")
		require.NoError(t, err)
		require.Equal(t, job.Name, again.Name)

		stop() // another instance goes on at once
		f.grant(t, "d", "ada")
		defer run(f.jobs)()
		f.Tokens.SetDown(false)
		time.Sleep(time.Minute)
		done := f.requireJob(t, job.Name, grantjobs.Succeeded)
		require.EqualValues(t, 3, done.Ended)
		require.Empty(t, done.Filter.EndUser)
		require.Equal(t, grantjobs.Subject("p", "ada"), done.Subject)
		require.Empty(t, f.states(t, "ada"))
		require.Nil(t, f.Tokens.Status("projects/p/connections/photos/grants/a/token"))
		require.Len(t, f.states(t, "bob"), 1)

		repeated, err := f.jobs.EraseEndUser(t.Context(), "p", "ada")
		require.NoError(t, err)
		require.NotEqual(t, job.Name, repeated.Name)
		require.Zero(t, f.requireJob(t, repeated.Name, grantjobs.Succeeded).Ended, "there is nothing left to erase")
	})
}

// TestDriverDies: what it leaves behind is taken over when its claim has run out, where it was.
func TestDriverDies(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		for i := range 3 {
			f.grant(t, fmt.Sprintf("g%d", i), "ada")
		}
		job := grantjobs.Job{Name: grantjobs.Name{Project: "p", ID: "j"}, Action: grantjobs.Delete, SkipRevocation: true}
		_, err := f.jobs.Create(t.Context(), job, false)
		require.NoError(t, err)
		now := time.Now()
		claimed, err := f.Store.ClaimJobs(t.Context(), "dead", now, now.Add(time.Minute), 1)
		require.NoError(t, err)
		claimed[0].Skipped, claimed[0].After.Name = 1, connection.GrantName{Connection: photos(), ID: "g0"}
		require.NoError(t, f.Store.UpdateJob(t.Context(), claimed[0], now.Add(time.Minute)))

		defer run(f.jobs)()
		time.Sleep(50 * time.Second)
		f.requireJob(t, job.Name, grantjobs.Running)
		time.Sleep(20 * time.Second)
		require.EqualValues(t, 2, f.requireJob(t, job.Name, grantjobs.Succeeded).Ended)
		require.Len(t, f.states(t, "ada"), 1, "it went on after the first")
	})
}

func TestRefusedJobs(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		var invalid *connection.ValidationError
		_, err := f.jobs.Create(t.Context(), grantjobs.Job{Action: grantjobs.Erase}, true)
		require.ErrorAs(t, err, &invalid)
		_, err = f.jobs.Create(t.Context(), grantjobs.Job{Action: grantjobs.Revoke, SkipRevocation: true}, true)
		require.ErrorAs(t, err, &invalid)
		_, err = f.jobs.Create(t.Context(), grantjobs.Job{Action: grantjobs.Revoke, Filter: grantjobs.Filter{Connection: "none"}}, true)
		require.ErrorIs(t, err, connection.ErrNotFound)
	})
}
