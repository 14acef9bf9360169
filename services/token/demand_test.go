package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
)

// authorized starts a service with a token of the given lifetime.
func authorized(t *testing.T, lifetime time.Duration) (*suite, *token.Service, token.Token) {
	t.Helper()
	s := newSuite(t, openSQLite(t), lifetime)
	svc, _ := s.start(s.params())
	_, err := svc.Authorize(t.Context(), crm, uid, 1)
	require.NoError(t, err)
	first, err := svc.Get(t.Context(), crm, 0)
	require.NoError(t, err)
	return s, svc, first
}

// all runs fn so many times at once and returns what each returned.
func all[T any](count int, fn func() (T, error)) ([]T, []error) {
	values, errs := make([]T, count), make([]error, count)
	done := make(chan struct{})
	for i := range count {
		go func() {
			values[i], errs[i] = fn()
			done <- struct{}{}
		}()
	}
	for range count {
		<-done
	}
	return values, errs
}

func TestCallersShareOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := authorized(t, time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Second})
		got, errs := all(100, func() (token.Token, error) { return svc.Refresh(t.Context(), crm) })
		for i := range got {
			require.NoError(t, errs[i])
			require.EqualValues(t, 2, got[i].Generation)
			require.Equal(t, token.StateAuthorized, got[i].State)
		}
		require.Equal(t, 2, s.auth.Stats().Requests)
	})
}

func TestCallersShareOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := authorized(t, time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Delay: time.Second})
		_, errs := all(100, func() (token.Token, error) { return svc.Refresh(t.Context(), crm) })
		for _, err := range errs {
			require.Equal(t, token.ReasonAmbiguous, reasonOf(t, err))
		}
		require.Equal(t, 2, s.auth.Stats().Requests)
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err, "the token at hand stays in use")
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, 1, got.Failures)
	})
}

func TestMinTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		got, err := svc.Get(t.Context(), crm, 24*time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation, "more than half of the lifetime is taken as half")

		time.Sleep(31 * time.Minute)
		got, err = svc.Get(t.Context(), crm, 29*time.Minute)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		results, errs := all(50, func() (token.Token, error) { return svc.Get(t.Context(), crm, 30*time.Minute) })
		for i := range results {
			require.NoError(t, errs[i])
			require.EqualValues(t, 2, results[i].Generation)
		}
		require.Equal(t, 2, s.auth.Stats().Requests)
		rotations, err := svc.Rotations(t.Context(), crm, "", 1)
		require.NoError(t, err)
		require.Equal(t, token.TriggerMinTTL, rotations[0].Trigger)
		require.Equal(t, 29*time.Minute, rotations[0].Lead.Round(time.Second))
		_ = first
	})
}

func TestGetWaitsForTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 3 * time.Second})
		svc, _ := s.start(s.params())
		_, err := svc.Get(t.Context(), crm, 0)
		require.ErrorIs(t, err, token.ErrNotFound)
		authorizing, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		require.Equal(t, token.StateAuthorizing, authorizing.State)
		require.Equal(t, token.ReasonNotReady, authorizing.Reason)
		_, err = svc.Get(expiring(t, time.Second), crm, 0)
		require.ErrorContains(t, err, "deadline exceeded")
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, []string{"read"}, got.Scopes)
		require.Equal(t, "Bearer", got.TokenType)
		require.Equal(t, "Bearer "+got.Credential.AccessToken.Reveal(), got.Credential.HTTP.Headers[0].Value.Reveal())
		require.Equal(t, "X-Tenant", got.Credential.HTTP.Headers[1].Key)
		require.Equal(t, got.Credential.AccessToken.Fingerprint(), got.Fingerprint)
	})
}

// TestGetKeepsTheBackoff: callers of an expired token wait for the next attempt, they do not make their own.
func TestGetKeepsTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Minute)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus})
		time.Sleep(time.Until(first.ExpireTime) + 30*time.Second)
		before := s.auth.Stats().Requests
		_, errs := all(100, func() (token.Token, error) { return svc.Get(expiring(t, time.Minute), crm, 0) })
		for _, err := range errs {
			require.Equal(t, token.ReasonAmbiguous, reasonOf(t, err))
		}
		require.LessOrEqual(t, s.auth.Stats().Requests-before, 1)
	})
}

func TestReportsCauseOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Second})
		report := func(fingerprint string) bool {
			current, _, err := svc.ReportRejected(t.Context(), crm, fingerprint)
			require.NoError(t, err)
			return current
		}
		current, errs := all(100, func() (bool, error) {
			current, generation, err := svc.ReportRejected(t.Context(), crm, first.Fingerprint)
			require.EqualValues(t, 1, generation)
			return current, err
		})
		for i := range current {
			require.NoError(t, errs[i])
			require.True(t, current[i])
		}
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, s.auth.Stats().Requests)
		require.False(t, report(first.Fingerprint), "it is an old one now")
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, s.auth.Stats().Requests)
		rotations, err := svc.Rotations(t.Context(), crm, "", 1)
		require.NoError(t, err)
		require.Equal(t, token.TriggerRejected, rotations[0].Trigger)
	})
}

// TestRejectionLoop: an API that refuses every token does not make us ask for tokens without end.
func TestRejectionLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := authorized(t, time.Hour)
		for range 600 { // ten minutes
			got, err := svc.Get(t.Context(), crm, 0)
			require.NoError(t, err)
			_, _, err = svc.ReportRejected(t.Context(), crm, got.Fingerprint)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		require.Less(t, s.auth.Stats().Requests, 15)
	})
}

func TestSimulateExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		watcher.Take()

		got, err := svc.SimulateExpiry(t.Context(), crm, 2*time.Hour)
		require.NoError(t, err)
		require.Equal(t, first.ExpireTime, got.ExpireTime, "never lengthened")
		require.Equal(t, token.ExpiryExpiresIn, got.ExpirySource)

		got, err = svc.SimulateExpiry(t.Context(), crm, 10*time.Second)
		require.NoError(t, err)
		require.Equal(t, token.ExpirySimulated, got.ExpirySource)
		require.Equal(t, time.Now().Add(10*time.Second).UTC(), got.ExpireTime)
		require.Equal(t, token.StateAuthorized, got.State)
		time.Sleep(6500 * time.Millisecond)
		synctest.Wait()
		current := s.read()
		require.EqualValues(t, 2, current.Generation, "refreshed ahead of the simulated expiry")
		rotations, err := svc.Rotations(t.Context(), crm, "", 1)
		require.NoError(t, err)
		require.Equal(t, token.TriggerSimulation, rotations[0].Trigger)

		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Second, Count: 1})
		watcher.Take()
		got, err = svc.SimulateExpiry(t.Context(), crm, 0)
		require.NoError(t, err)
		require.Equal(t, token.StateFailedConnectivity, got.State)
		require.Equal(t, token.ReasonExpired, got.Reason)
		require.Empty(t, got.Credential.HTTP.Headers)
		synctest.Wait()
		updates := watcher.Take()
		require.Len(t, updates, 1)
		require.Equal(t, token.StateFailedConnectivity, updates[0].Token.State, "watchers see what they would see then")
		_, err = svc.SimulateExpiry(t.Context(), crm, 0)
		require.ErrorIs(t, err, token.ErrStateConflict)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		updates = watcher.Take()
		require.Len(t, updates, 1)
		require.Equal(t, token.StateAuthorized, updates[0].Token.State)
		require.EqualValues(t, 3, updates[0].Token.Generation)
	})
}
