package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

// governed starts a service with a token of an hour under the given policy and provider.
func governed(t *testing.T, change func(*token.OAuth2)) (*suite, *token.Service, token.Token) {
	t.Helper()
	s := newSuite(t, openSQLite(t), time.Hour)
	with := settings(1)
	change(&with.OAuth2)
	s.connections.set(crm.ConnectionName(), with)
	svc, _ := s.start(s.params())
	_, err := svc.Authorize(t.Context(), crm, uid, 1)
	require.NoError(t, err)
	first, err := svc.Get(t.Context(), crm, 0)
	require.NoError(t, err)
	return s, svc, first
}

func mode(m token.Mode) func(*token.OAuth2) {
	return func(o *token.OAuth2) { o.Policy.Mode = m }
}

// TestUnwatchedCostsNoRefresh: neither mode refreshes a token that nobody watches or asks for, and its end is no failure.
func TestUnwatchedCostsNoRefresh(t *testing.T) {
	for _, m := range []token.Mode{token.WhileWatched, token.OnDemand} {
		t.Run(string(m), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, svc, _ := governed(t, mode(m))
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				require.Equal(t, 1, s.auth.Stats().Requests)
				got := s.read()
				require.Equal(t, token.StateAuthorizing, got.State)
				require.Equal(t, token.ReasonExpired, got.Reason)
				require.Equal(t, token.Healthy, got.Health(time.Now()))
				require.Zero(t, got.DueAt(), "the scheduler has nothing to do with it")

				got, err := svc.Get(t.Context(), crm, 0)
				require.NoError(t, err, "asking revives it")
				require.EqualValues(t, 2, got.Generation)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				require.Equal(t, 2, s.auth.Stats().Requests)

				watcher := svc.Watch(t.Context())
				defer watcher.Close(t.Context())
				require.NoError(t, watcher.Add(t.Context(), crm))
				synctest.Wait()
				require.EqualValues(t, 3, s.read().Generation, "watching revives it")
			})
		})
	}
}

func TestRefreshedWhileWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := governed(t, mode(token.WhileWatched))
		watcher := svc.Watch(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		var lived []token.State
		for range 10 * 60 {
			time.Sleep(time.Minute)
			synctest.Wait()
			lived = append(lived, s.read().State)
		}
		require.NotContains(t, lived, token.StateAuthorizing, "as ALWAYS while somebody watches")
		requests := s.auth.Stats().Requests
		require.GreaterOrEqual(t, requests, 11)
		watcher.Close(t.Context())
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		require.Equal(t, requests, s.auth.Stats().Requests)
	})
}

// TestRefreshedWhileWatchedElsewhere: the watcher is at one replica, the rotation before was made by another.
func TestRefreshedWhileWatchedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked, _ := governed(t, mode(token.WhileWatched))
		p := s.params()
		p.Instance = "other"
		watched, _ := s.start(p)
		synctest.Wait()
		watcher := watched.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		_, err := asked.Refresh(t.Context(), crm)
		require.NoError(t, err)
		time.Sleep(55 * time.Minute)
		synctest.Wait()
		got := s.read()
		require.EqualValues(t, 3, got.Generation)
		require.Equal(t, token.StateAuthorized, got.State)
	})
}

func TestOnDemandIsRefreshedWhenAskedForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := governed(t, mode(token.OnDemand))
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		time.Sleep(50 * time.Minute)
		got, err := svc.Get(t.Context(), crm, 5*time.Minute)
		require.NoError(t, err)
		require.Equal(t, first.Generation, got.Generation, "good enough, and not refreshed ahead although watched")
		got, err = svc.Get(t.Context(), crm, 20*time.Minute)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		_, _, err = svc.ReportRejected(t.Context(), crm, got.Fingerprint)
		require.NoError(t, err)
		synctest.Wait()
		require.EqualValues(t, 3, s.read().Generation, "a report asks too")
	})
}

func TestKeepAlive(t *testing.T) {
	for _, m := range []token.Mode{token.Always, token.OnDemand} {
		t.Run(string(m), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, first := governed(t, func(o *token.OAuth2) { o.Policy.Mode, o.Policy.KeepAlive = m, 20*time.Minute })
				time.Sleep(time.Until(first.IssueTime.Add(17 * time.Minute)))
				synctest.Wait()
				require.EqualValues(t, 1, s.read().Generation)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				require.EqualValues(t, 2, s.read().Generation)
				time.Sleep(24*time.Hour - 20*time.Minute)
				synctest.Wait()
				require.GreaterOrEqual(t, s.auth.Stats().Requests, 72, "at least so often")
				require.LessOrEqual(t, s.auth.Stats().Requests, 82)
			})
		})
	}
}

// TestNotBefore: a server that refreshes only tokens of some age is not asked before.
func TestNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := governed(t, func(o *token.OAuth2) { o.Provider.NotBefore = 58 * time.Minute })
		time.Sleep(57 * time.Minute)
		_, err := svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonTooEarly, reasonOf(t, err))
		_, _, err = svc.ReportRejected(t.Context(), crm, first.Fingerprint)
		require.NoError(t, err)
		_, err = svc.SimulateExpiry(t.Context(), crm, 2*time.Minute)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 1, s.auth.Stats().Requests)
		time.Sleep(time.Until(first.IssueTime.Add(58*time.Minute + time.Second)))
		synctest.Wait()
		got := s.read()
		require.EqualValues(t, 2, got.Generation)
		require.Equal(t, got.IssueTime.Add(58*time.Minute), got.NotBefore)
		require.False(t, got.RefreshAt.Before(got.NotBefore))
		require.True(t, got.RefreshAt.Before(got.ExpireTime))
	})
}

// TestGrantWarning: the end of a grant that no refresh can move is told once ahead of it.
func TestGrantWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), 24*time.Hour)
		with := s.refreshing(1, reusable)
		with.OAuth2.Provider.GrantLifetime = 30 * 24 * time.Hour
		with.OAuth2.Policy.GrantWarning = 7*24*time.Hour + time.Hour // not at a refresh
		s.connections.set(crm.ConnectionName(), with)
		svc, _ := s.start(s.params())
		first := s.authorize(svc, 1)
		end := first.IssueTime.Add(30 * 24 * time.Hour)
		require.Equal(t, end, first.GrantExpireTime)
		require.False(t, first.GrantExpiring(time.Now()))

		time.Sleep(time.Until(first.GrantWarningDue()) - time.Second)
		synctest.Wait()
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		synctest.Wait()
		before := watcher.Take()[0].Token
		require.False(t, before.GrantExpiring(time.Now()))
		time.Sleep(time.Second)
		synctest.Wait()
		updates := watcher.Take()
		require.Len(t, updates, 1)
		warned := updates[0].Token
		require.True(t, warned.GrantExpiring(time.Now()))
		require.Equal(t, before.Generation, warned.Generation)
		require.Equal(t, token.StateAuthorized, warned.State)

		time.Sleep(time.Until(warned.RefreshAt) + time.Second)
		synctest.Wait()
		updates = watcher.Take()
		require.Len(t, updates, 1, "a new generation, and no warning of its own")
		require.Equal(t, warned.Generation+1, updates[0].Token.Generation)
		require.True(t, updates[0].Token.GrantExpiring(time.Now()))
		require.Equal(t, end, updates[0].Token.GrantExpireTime, "refreshing does not move it")
	})
}
