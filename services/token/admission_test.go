package token_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
)

// tenants starts a service with many connections of one and the same client.
func tenants(t *testing.T, count int, change func(*token.OAuth2)) (*suite, *token.Service, []token.Key) {
	t.Helper()
	s := newSuite(t, openSQLite(t), time.Hour)
	svc, _ := s.start(s.params())
	keys := make([]token.Key, count)
	for i := range keys {
		keys[i] = token.Key{Project: "default", Connection: fmt.Sprintf("tenant-%d", i)}
		with := settings(1)
		if change != nil {
			change(&with.OAuth2)
		}
		s.connections.set(keys[i].ConnectionName(), with)
		_, err := svc.Authorize(t.Context(), keys[i], uid, 1)
		require.NoError(t, err)
	}
	synctest.Wait()
	return s, svc, keys
}

// states are how many tokens are in each state.
func (s *suite) states(keys []token.Key) map[token.State]int {
	s.t.Helper()
	count := map[token.State]int{}
	for _, key := range keys {
		got, err := store.New(s.db, s.sealer).Get(s.t.Context(), key)
		require.NoError(s.t, err)
		count[got.State]++
	}
	return count
}

// TestOneBreakerPerClient: a client that is refused costs a request now and then, not one for each of its connections again and again;
// and when the server takes it back, all of them are well by themselves.
func TestOneBreakerPerClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 20
		s, _, keys := tenants(t, count, nil)
		require.Equal(t, map[token.State]int{token.StateAuthorized: count}, s.states(keys))
		before := s.auth.Stats().Requests
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"})
		time.Sleep(59 * time.Minute) // all of them were due
		synctest.Wait()
		require.Equal(t, map[token.State]int{token.StateAuthorized: count}, s.states(keys), "the tokens at hand stay in use")
		require.Less(t, s.auth.Stats().Requests-before, 12)
		got, err := store.New(s.db, s.sealer).Get(t.Context(), keys[count-1])
		require.NoError(t, err)
		require.Equal(t, token.ClassClientBroken, got.LastFailure.Class)
		require.NotEqual(t, token.Healthy, got.Health(time.Now()))

		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Zero(t, s.states(keys)[token.StateAuthorized])
		s.auth.ClearFaults()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, map[token.State]int{token.StateAuthorized: count}, s.states(keys))
	})
}

// TestOnePausePerEndpoint: what one connection is told, the others heed, and they do not all come back at once.
func TestOnePausePerEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 50
		s, svc, keys := tenants(t, count, nil)
		s.auth.Inject(authserver.Fault{
			Kind: authserver.FaultStatus, Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Minute, Count: 1,
		})
		_, err := svc.Refresh(t.Context(), keys[0])
		require.Equal(t, token.ReasonThrottled, reasonOf(t, err))
		before := s.auth.Stats().Requests
		for _, key := range keys {
			_, err := svc.Refresh(t.Context(), key)
			require.Equal(t, token.ReasonThrottled, reasonOf(t, err))
			got, err := svc.Get(t.Context(), key, 0)
			require.NoError(t, err, "what is valid is served")
			require.EqualValues(t, 1, got.Generation)
		}
		require.Equal(t, before, s.auth.Stats().Requests)
		time.Sleep(10*time.Minute + 5*time.Second)
		synctest.Wait()
		early := s.auth.Stats().Requests - before
		require.Less(t, early, count/2, "the return is spread")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, count, s.auth.Stats().Requests-before)
		require.Equal(t, map[token.State]int{token.StateAuthorized: count}, s.states(keys))
	})
}

// TestMintLimit: a client never makes more requests in a period than the provider allows.
func TestMintLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, keys := tenants(t, 12, func(o *token.OAuth2) { o.Provider.MintLimit, o.Provider.MintPeriod = 10, 10*time.Minute })
		require.Equal(t, 10, s.auth.Stats().Requests)
		require.Equal(t, map[token.State]int{token.StateAuthorized: 10, token.StateFailedConnectivity: 2}, s.states(keys))
		_, err := svc.Get(expiring(t, time.Second), keys[0], 0)
		require.NoError(t, err)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		require.Equal(t, 10, s.auth.Stats().Requests)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, 12, s.auth.Stats().Requests)
		require.Equal(t, map[token.State]int{token.StateAuthorized: 12}, s.states(keys))
	})
}

// TestMintLimitOfReplicas: they share what the provider allows, and a restart forgets nothing.
func TestMintLimitOfReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		with := settings(1)
		with.OAuth2.Provider.MintLimit, with.OAuth2.Provider.MintPeriod = 4, 30*time.Minute
		s.connections.set(crm.ConnectionName(), with)
		one, stop := s.start(s.params())
		s.authorize(one, 1)
		other, _ := s.start(s.params())
		refresh := func(svc *token.Service) error {
			_, err := svc.Refresh(t.Context(), crm)
			time.Sleep(time.Second)
			return err
		}
		require.NoError(t, refresh(other))
		require.NoError(t, refresh(one))
		stop()
		require.NoError(t, refresh(other))
		again, _ := s.start(s.params())
		for _, svc := range []*token.Service{other, again} {
			require.Equal(t, token.ReasonThrottled, reasonOf(t, refresh(svc)))
		}
		require.Equal(t, 4, s.auth.Stats().Requests)
		time.Sleep(32 * time.Minute)
		require.NoError(t, refresh(again))
	})
}

// TestRefusedClientComesBack: a client that is repaired at its server is found again, by few requests, by whichever process runs then.
func TestRefusedClientComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		svc, stop := s.start(s.params())
		s.connections.set(crm.ConnectionName(), settings(1))
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		before := s.auth.Stats().Requests
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"})
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		require.Equal(t, token.StateDeauthorized, s.read().State)
		require.LessOrEqual(t, s.auth.Stats().Requests-before, 10)
		require.GreaterOrEqual(t, s.auth.Stats().Requests-before, 6)
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonClientBroken, reasonOf(t, err), "who asks gets the answer that there is")

		s.auth.ClearFaults()
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Count: 1}) // a look that finds nothing out
		stop()
		s.start(s.params())
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		got := s.read()
		require.Equal(t, token.StateDeauthorized, got.State)
		require.Equal(t, token.ReasonClientBroken, got.Reason)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		require.Equal(t, token.StateAuthorized, s.read().State)
	})
}
