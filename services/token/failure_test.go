package token_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
)

// failing is one way a token request goes wrong.
type failing struct {
	name  string
	fault authserver.Fault
	class token.Class
	// ends: no further attempt is made.
	ends bool
}

var failures = []failing{
	{"invalid_grant", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant"}, token.ClassGrantDead, true},
	{"invalid_client", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"}, token.ClassClientBroken, true},
	{"unauthorized_client", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "unauthorized_client"}, token.ClassClientBroken, true},
	{"invalid_scope", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_scope"}, token.ClassConfiguration, true},
	{"unsupported_grant_type", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "unsupported_grant_type"}, token.ClassConfiguration, true},
	{"not found", authserver.Fault{Kind: authserver.FaultStatus, Status: http.StatusNotFound}, token.ClassConfiguration, true},
	{"web page", authserver.Fault{Kind: authserver.FaultHTML}, token.ClassConfiguration, true},
	{"redirect", authserver.Fault{Kind: authserver.FaultRedirect, Location: "https://elsewhere.example/"}, token.ClassConfiguration, true},
	{"429", authserver.Fault{Kind: authserver.FaultStatus, Status: http.StatusTooManyRequests}, token.ClassThrottled, false},
	{"503 with Retry-After", authserver.Fault{Kind: authserver.FaultStatus, Status: http.StatusServiceUnavailable, RetryAfter: time.Second}, token.ClassThrottled, false},
	{"500", authserver.Fault{Kind: authserver.FaultStatus, Status: http.StatusInternalServerError}, token.ClassAmbiguous, false},
	{"malformed", authserver.Fault{Kind: authserver.FaultMalformedJSON}, token.ClassAmbiguous, false},
	{"huge", authserver.Fault{Kind: authserver.FaultHugeBody}, token.ClassAmbiguous, false},
}

// TestFirstTokenFails has no token to serve, so a failure is seen at once.
func TestFirstTokenFails(t *testing.T) {
	for _, test := range failures {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				test.fault.Count = 1
				s.auth.Inject(test.fault)
				svc, _ := s.start(s.params())
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				synctest.Wait()
				got := s.read()
				state := token.StateFailedConnectivity
				if test.ends {
					state = token.StateDeauthorized
				}
				require.Equal(t, state, got.State, got.Message)
				require.Equal(t, token.Reason(test.class), got.Reason)
				require.Equal(t, test.class, got.LastFailure.Class)
				require.Equal(t, token.Failing, got.Health(time.Now()))
				require.NotContains(t, got.Message, clientSecret)
				require.Zero(t, got.Generation)

				time.Sleep(10 * time.Minute)
				synctest.Wait()
				got = s.read()
				if test.ends {
					require.Equal(t, 1, s.auth.Stats().Requests, "attempts ended")
					require.Equal(t, state, got.State)
					_, err = svc.Get(t.Context(), crm, 0)
					require.Equal(t, token.Reason(test.class), reasonOf(t, err))
					// Repaired and authorized anew.
					s.connections.set(crm.ConnectionName(), settings(2))
					_, err = svc.Authorize(t.Context(), crm, uid, 2)
					require.NoError(t, err)
					synctest.Wait()
					got = s.read()
				}
				require.Equal(t, token.StateAuthorized, got.State, "returns by itself")
				require.Equal(t, token.Healthy, got.Health(time.Now()))
				require.EqualValues(t, 1, got.Generation)
				require.Equal(t, 2, s.auth.Stats().Requests)
			})
		})
	}
}

// TestRefreshFails has a token that is valid for a while yet: it stays in use, whatever happens, until it expires.
func TestRefreshFails(t *testing.T) {
	for _, test := range failures {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				svc, _ := s.start(s.params())
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				first, err := svc.Get(t.Context(), crm, 0)
				require.NoError(t, err)
				s.auth.Inject(test.fault)

				time.Sleep(time.Until(first.AttemptAt))
				synctest.Wait()
				got, err := svc.Get(t.Context(), crm, 0)
				require.NoError(t, err, "served while valid")
				require.Equal(t, first.Fingerprint, got.Fingerprint)
				require.Equal(t, token.StateAuthorized, got.State)
				require.Equal(t, test.class, got.LastFailure.Class)
				if test.ends {
					require.Equal(t, token.Failing, got.Health(time.Now()))
				} else {
					require.Equal(t, token.Degraded, got.Health(time.Now()))
				}

				// At the instant of expiry the watchers are told.
				time.Sleep(time.Until(first.ExpireTime) - time.Millisecond)
				synctest.Wait()
				require.Equal(t, token.StateAuthorized, s.read().State)
				time.Sleep(time.Millisecond)
				synctest.Wait()
				got = s.read()
				require.Equal(t, first.ExpireTime, got.StateTime)
				require.Equal(t, token.Reason(test.class), got.Reason)
				require.Empty(t, got.Revealed(time.Now()).Credential.HTTP.Headers)
				_, err = svc.Get(expiring(t, time.Second), crm, 0)
				require.Error(t, err, "an expired token is never served")
				if test.ends {
					require.Equal(t, token.StateDeauthorized, got.State)
					requireEnded(t, test.class, s.auth.Stats().Requests)
					return
				}
				require.Equal(t, token.StateFailedConnectivity, got.State)
				require.Greater(t, s.auth.Stats().Requests, 4, "attempts go on")
				require.Less(t, s.auth.Stats().Requests, 60, "with backoff")
				s.auth.ClearFaults()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				got = s.read()
				require.Equal(t, token.StateAuthorized, got.State, "returns by itself")
				require.EqualValues(t, 2, got.Generation)
			})
		})
	}
}

// TestRetryAfter honours both forms of the header.
func TestRetryAfter(t *testing.T) {
	for name, date := range map[string]bool{"seconds": false, "date": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				s.auth.Inject(authserver.Fault{
					Kind: authserver.FaultStatus, Status: http.StatusTooManyRequests, RetryAfter: 90 * time.Second, RetryAfterDate: date, Count: 1,
				})
				svc, _ := s.start(s.params())
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				time.Sleep(89 * time.Second)
				synctest.Wait()
				require.Equal(t, 1, s.auth.Stats().Requests)
				_, err = svc.Refresh(t.Context(), crm)
				require.Equal(t, token.ReasonThrottled, reasonOf(t, err), "not even when a caller asks")
				require.Equal(t, 1, s.auth.Stats().Requests)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				require.Equal(t, token.StateAuthorized, s.read().State)
			})
		})
	}
}

// TestHangingServer times out, and leaves time for another attempt before the token expires.
func TestHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), 40*time.Second)
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		first, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Hour, Count: 1})
		time.Sleep(time.Until(first.ExpireTime))
		synctest.Wait()
		got := s.read()
		require.EqualValues(t, 2, got.Generation)
		rotations, err := svc.Rotations(t.Context(), crm, "", 2)
		require.NoError(t, err)
		require.Equal(t, token.ClassAmbiguous, rotations[1].FailureClass)
		require.Greater(t, rotations[0].Lead, time.Duration(0))
	})
}

// TestSettingsFail is a fault of ours: attempts go on.
func TestSettingsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.connections.fail(&token.Failure{Class: token.ClassOurs, Reason: token.ReasonSecretUnreadable, Message: "unreadable"})
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		got := s.read()
		require.Equal(t, token.StateFailedConnectivity, got.State)
		require.Equal(t, token.ReasonSecretUnreadable, got.Reason)
		s.connections.fail(errors.New("boom: " + clientSecret))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got = s.read()
		require.Equal(t, token.ReasonInternalFault, got.Reason)
		require.NotContains(t, got.Message, clientSecret)
		s.connections.fail(nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, token.StateAuthorized, s.read().State)
		require.Equal(t, 1, s.auth.Stats().Requests)
	})
}

// TestSameTokenAgain is what servers do that hand out the token at hand until shortly before it expires.
func TestSameTokenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		caching := &cachingServer{until: 5 * time.Second}
		s.transport = caching
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		first, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)

		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonTooEarly, reasonOf(t, err))
		got := s.read()
		require.Equal(t, token.Healthy, got.Health(time.Now()), "not a failure of anything")
		require.EqualValues(t, 1, got.Generation)
		asked := caching.asked()
		_, err = svc.Get(t.Context(), crm, 59*time.Minute)
		require.NoError(t, err, "half the lifetime is enough")
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonTooEarly, reasonOf(t, err))
		require.Equal(t, asked, caching.asked(), "not asked again so soon")

		time.Sleep(time.Until(first.ExpireTime) - time.Second)
		synctest.Wait()
		got = s.read()
		require.EqualValues(t, 2, got.Generation, "the next one came before the first expired")
		require.NotEqual(t, first.Fingerprint, got.Fingerprint)
		require.Less(t, caching.asked(), 20)
	})
}
