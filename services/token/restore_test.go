package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
)

// TestEndSimulations rehearses an outage across a simulated expiry, so that consumers have no token, and takes it all back: the generation
// is as it was, with no request made.
func TestEndSimulations(t *testing.T) {
	for _, class := range everyClass {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, svc, first := authorized(t, time.Hour)
				before := s.read()
				_, err := svc.SimulateFailure(t.Context(), crm, class, 30*time.Minute)
				require.NoError(t, err)
				for range 2 { // the second shortens a life that is simulated already
					_, err = svc.SimulateExpiry(t.Context(), crm, 10*time.Second)
					require.NoError(t, err)
					time.Sleep(5 * time.Second)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.NotEqual(t, token.StateAuthorized, s.read().State)

				got, err := svc.EndSimulations(t.Context(), crm)
				require.NoError(t, err)
				require.Equal(t, first.Credential.AccessToken, got.Credential.AccessToken)
				after := s.read()
				require.Equal(t, token.StateAuthorized, after.State)
				require.Equal(t, before.ExpireTime, after.ExpireTime)
				require.Equal(t, before.ExpirySource, after.ExpirySource)
				require.Equal(t, before.AttemptAt, after.AttemptAt, "it is refreshed when it would have been")
				require.Equal(t, before.Plan, after.Plan)
				require.Zero(t, after.Simulation)
				require.Nil(t, after.LastFailure)
				require.False(t, after.Stopped)

				time.Sleep(time.Until(before.AttemptAt) + time.Second)
				synctest.Wait()
				require.EqualValues(t, 2, s.read().Generation)
				require.Equal(t, 2, s.auth.Stats().Requests)
			})
		})
	}
}

func TestEndSimulationsOfNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := authorized(t, time.Hour)
		before := s.read()
		_, err := svc.EndSimulations(t.Context(), crm)
		require.NoError(t, err)
		require.Equal(t, before, s.read())

		// A token that really has expired is not brought back.
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Status: 503, Count: 100000})
		_, err = svc.SimulateExpiry(t.Context(), crm, time.Second)
		require.NoError(t, err)
		time.Sleep(2 * time.Hour)
		_, err = svc.EndSimulations(t.Context(), crm)
		require.NoError(t, err)
		require.Equal(t, token.StateFailedConnectivity, s.read().State)

		_, err = svc.EndSimulations(t.Context(), token.Key{Project: "p", Connection: "nobody"})
		require.ErrorIs(t, err, token.ErrNotFound)
	})
}
