package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
)

var everyClass = []token.Class{
	token.ClassGrantDead, token.ClassClientBroken, token.ClassConfiguration, token.ClassThrottled, token.ClassAmbiguous,
	token.ClassNotSent, token.ClassTooEarly, token.ClassOurs,
}

// TestSimulatedFailure rehearses each class across the expiry of a token: no request is made, consumers see what they would see, and all is
// well by itself when the time is over.
func TestSimulatedFailure(t *testing.T) {
	for _, class := range everyClass {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, svc, first := authorized(t, 10*time.Minute)
				got, err := svc.SimulateFailure(t.Context(), crm, class, 20*time.Minute)
				require.NoError(t, err)
				require.Equal(t, first.Credential.AccessToken, got.Credential.AccessToken, "the token at hand stays as it is")

				time.Sleep(time.Until(first.ExpireTime) - time.Second)
				synctest.Wait()
				got, err = svc.Get(t.Context(), crm, 0)
				require.NoError(t, err)
				require.EqualValues(t, 1, got.Generation)
				if class != token.ClassTooEarly { // which is not a failure of anything
					require.Equal(t, class, got.LastFailure.Class)
					require.Contains(t, got.LastFailure.Message, "simulated until ")
					require.NotEqual(t, token.Healthy, got.Health(time.Now()))
				}

				time.Sleep(2 * time.Second)
				synctest.Wait()
				want := token.StateFailedConnectivity
				if class.EndsAttempts() {
					want = token.StateDeauthorized
				}
				require.Equal(t, want, s.read().State)
				require.Equal(t, 1, s.auth.Stats().Requests, "no request is made")

				time.Sleep(time.Until(first.IssueTime.Add(20*time.Minute + time.Second)))
				synctest.Wait()
				got = s.read()
				require.Equal(t, token.StateAuthorized, got.State, "it ends by itself")
				require.EqualValues(t, 2, got.Generation)
				require.Zero(t, got.Simulation)
				require.Nil(t, got.LastFailure)
				require.Equal(t, 2, s.auth.Stats().Requests)
			})
		})
	}
}

func TestSimulatedFailureIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := authorized(t, time.Hour)
		_, err := svc.SimulateFailure(t.Context(), crm, token.ClassGrantDead, time.Hour)
		require.NoError(t, err)
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonGrantDead, reasonOf(t, err))
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonGrantDead, reasonOf(t, err))
		require.Equal(t, 1, s.auth.Stats().Requests)

		_, err = svc.SimulateFailure(t.Context(), crm, token.ClassThrottled, 0)
		require.NoError(t, err, "another one takes its place")
		_, err = svc.SimulateFailure(t.Context(), crm, "", 0)
		require.NoError(t, err)
		synctest.Wait()
		got := s.read()
		require.EqualValues(t, 2, got.Generation, "an attempt follows at once")
		require.Nil(t, got.LastFailure)
		_, err = svc.SimulateFailure(t.Context(), crm, "", 0)
		require.NoError(t, err, "repeating it changes nothing")
	})
}

// TestSimulatedFailureSurvivesRestart: it is stored.
func TestSimulatedFailureSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		svc, stop := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		_, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		_, err = svc.SimulateFailure(t.Context(), crm, token.ClassConfiguration, 10*time.Minute)
		require.NoError(t, err)
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonConfiguration, reasonOf(t, err))
		stop()
		svc, _ = s.start(s.params())
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonConfiguration, reasonOf(t, err))
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, s.read().Generation)
	})
}

func TestSimulatedFailureRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := authorized(t, time.Hour)
		_, err := svc.SimulateFailure(t.Context(), token.Key{Project: "default", Connection: "none"}, token.ClassOurs, 0)
		require.ErrorIs(t, err, token.ErrNotFound)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant", Count: 1})
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonGrantDead, reasonOf(t, err))
		_, err = svc.SimulateFailure(t.Context(), crm, token.ClassOurs, 0)
		require.ErrorIs(t, err, token.ErrStateConflict, "there are no attempts that could fail")

		s.connections.set(crm.ConnectionName(), token.Settings{ConnectionUID: uid, Revision: 2, Kind: token.KindAPIKey, APIKey: token.APIKey{Name: "X-Key"}})
		_, err = svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		synctest.Wait()
		_, err = svc.SimulateFailure(t.Context(), crm, token.ClassOurs, 0)
		require.ErrorIs(t, err, token.ErrStateConflict, "an API key is never refreshed")
	})
}
