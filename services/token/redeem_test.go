package token_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

const grace = time.Minute

// rotating is a server that replaces refresh tokens, and what the connection knows of it.
type rotating struct {
	name     string
	policy   authserver.RefreshPolicy
	provider token.Provider
}

var (
	singleUse = rotating{
		"single-use", authserver.RefreshPolicy{Rotation: authserver.SingleUse}, token.Provider{Recovery: token.SingleUse},
	}
	withGrace = rotating{
		"grace",
		authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: grace},
		token.Provider{Recovery: token.Grace, RotationGrace: grace},
	}
	untilUsed = rotating{
		"until the successor is used",
		authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: 24 * time.Hour},
		token.Provider{Recovery: token.UntilSuccessorUsed},
	}
	idempotent = rotating{
		"idempotent",
		authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: 24 * time.Hour},
		token.Provider{Recovery: token.Idempotent},
	}
	reusable = rotating{"reusable", authserver.RefreshPolicy{}, token.Provider{Recovery: token.Reusable}}
)

// refreshing are settings with a refresh token of the suite's server.
func (s *suite) refreshing(revision int64, r rotating) token.Settings {
	s.t.Helper()
	require.NoError(s.t, s.auth.SetRefreshPolicy(r.policy))
	seed, err := s.auth.IssueRefreshToken(clientID, "alice", "read")
	require.NoError(s.t, err)
	with := settings(revision)
	with.Kind, with.OAuth2.Grant = token.KindRefreshToken, token.KindRefreshToken
	with.OAuth2.RefreshToken, with.OAuth2.Provider = seal.NewSecret(seed), r.provider
	s.connections.set(crm.ConnectionName(), with)
	return with
}

// authorize asks for a revision's token and waits until there is one.
func (s *suite) authorize(svc *token.Service, revision int64) token.Token {
	s.t.Helper()
	_, err := svc.Authorize(s.t.Context(), crm, uid, revision)
	require.NoError(s.t, err)
	synctest.Wait()
	got, err := svc.Get(s.t.Context(), crm, 0)
	require.NoError(s.t, err)
	return got
}

// unharmed fails the test if a refresh token was presented once too often.
func (s *suite) unharmed() {
	s.t.Helper()
	stats := s.auth.Stats()
	require.Zero(s.t, stats.DoubleRedemptions)
	require.Zero(s.t, stats.FamiliesRevoked)
}

// TestNewestRefreshTokenIsKept, over generations and restarts.
func TestNewestRefreshTokenIsKept(t *testing.T) {
	for _, test := range []rotating{singleUse, withGrace, untilUsed, idempotent, reusable} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				s.refreshing(1, test)
				svc, stop := s.start(s.params())
				s.authorize(svc, 1)
				for range 3 {
					_, err := svc.Refresh(t.Context(), crm)
					require.NoError(t, err)
				}
				stop()
				svc, _ = s.start(s.params())
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				got, err := svc.Get(t.Context(), crm, 0)
				require.NoError(t, err)
				require.GreaterOrEqual(t, got.Generation, int64(6))
				require.Equal(t, int(got.Generation), s.auth.Stats().Requests)
				s.unharmed()

				rotations, err := svc.Rotations(t.Context(), crm, "", 100)
				require.NoError(t, err)
				redeemed := map[string]bool{}
				for _, r := range rotations {
					require.Equal(t, token.RotationCommitted, r.State)
					require.Equal(t, token.KindRefreshToken, r.Kind)
					require.NotEmpty(t, r.RefreshTokenFingerprint)
					redeemed[r.RefreshTokenFingerprint] = true
				}
				if test.policy.Rotation == authserver.Reusable {
					require.Len(t, redeemed, 1, "the server gives none, so the one at hand is kept")
				} else {
					require.Len(t, redeemed, len(rotations))
				}
			})
		})
	}
}

// TestCodeIsRedeemedOnce and its refresh tokens from then on.
func TestCodeIsRedeemedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		require.NoError(t, s.auth.SetRefreshPolicy(singleUse.policy))
		code, err := s.auth.IssueCode(clientID, "alice", "", "", "read")
		require.NoError(t, err)
		with := settings(1)
		with.Kind, with.OAuth2.Grant, with.OAuth2.Code.Code = token.KindAuthorizationCode, token.KindAuthorizationCode, seal.NewSecret(code)
		s.connections.set(crm.ConnectionName(), with)
		svc, stop := s.start(s.params())
		first := s.authorize(svc, 1)
		require.False(t, first.GrantTime.IsZero())
		_, err = svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		stop()
		svc, _ = s.start(s.params())
		third, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		require.Equal(t, first.GrantTime, third.GrantTime)
		requests := s.auth.Requests()
		require.Equal(t, "authorization_code", requests[0].Body.Get("grant_type"))
		require.Equal(t, "refresh_token", requests[1].Body.Get("grant_type"))
		require.Equal(t, "refresh_token", requests[2].Body.Get("grant_type"))
		s.unharmed()
	})
}

// TestSpentSeedIsNotRedeemedAgain although the settings come back with it, or the credential was forgotten.
func TestSpentSeedIsNotRedeemedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		old := s.refreshing(1, singleUse)
		svc, _ := s.start(s.params())
		first := s.authorize(svc, 1)

		s.refreshing(2, singleUse) // imported anew
		second := s.authorize(svc, 2)
		require.EqualValues(t, 2, second.Generation)
		require.NotEqual(t, first.Fingerprint, second.Fingerprint)
		require.Equal(t, 2, s.auth.Stats().Requests)

		old.Revision = 3
		s.connections.set(crm.ConnectionName(), old)
		third := s.authorize(svc, 3)
		require.EqualValues(t, 2, third.Generation, "the token at hand stays in use")
		require.Equal(t, token.ReasonGrantDead, third.LastFailure.Reason)
		require.Equal(t, token.Failing, third.Health(time.Now()))

		s.refreshing(4, singleUse)
		fourth := s.authorize(svc, 4)
		old.Revision = 5
		s.connections.set(crm.ConnectionName(), old)
		require.EqualValues(t, 3, fourth.Generation)
		_, err := svc.Deauthorize(t.Context(), crm, uid, 4, false)
		require.NoError(t, err)
		_, err = svc.Authorize(t.Context(), crm, uid, 5)
		require.NoError(t, err)
		synctest.Wait()
		_, err = svc.Get(t.Context(), crm, 0)
		require.Equal(t, token.ReasonGrantDead, reasonOf(t, err))
		require.Equal(t, 3, s.auth.Stats().Requests)
		s.unharmed()
	})
}

// TestDeauthorizedInMidRedemption: the answer is not wanted any more, but what was redeemed stays redeemed.
func TestDeauthorizedInMidRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		with := s.refreshing(1, singleUse)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: 10 * time.Second, Count: 1})
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = svc.Deauthorize(t.Context(), crm, uid, 1, false)
		require.NoError(t, err)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Equal(t, token.ReasonDeauthorized, s.read().Reason)
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 1)
		require.Equal(t, token.RotationLost, rotations[0].State)

		with.Revision = 2
		s.connections.set(crm.ConnectionName(), with)
		_, err = svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, token.ReasonRotationLost, s.read().Reason)

		with.ConnectionUID = "uid-2" // as another connection of the name
		s.connections.set(crm.ConnectionName(), with)
		_, err = svc.Authorize(t.Context(), crm, "uid-2", 2)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, token.ReasonRotationLost, s.read().Reason)
		require.Equal(t, 1, s.auth.Stats().Requests)
		s.unharmed()
	})
}

// TestReusableSeedBeginsAgain after the credential was forgotten: nothing is spent.
func TestReusableSeedBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		with := s.refreshing(1, reusable)
		svc, _ := s.start(s.params())
		s.authorize(svc, 1)
		_, err := svc.Deauthorize(t.Context(), crm, uid, 1, false)
		require.NoError(t, err)
		_, err = svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		require.Equal(t, 1, s.auth.Stats().Requests, "nothing is asked for with older settings")
		with.Revision = 2
		s.connections.set(crm.ConnectionName(), with)
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
	})
}

// TestTrialRedeemsNothing.
func TestTrialRedeemsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		with := s.refreshing(1, singleUse)
		svc, _ := s.start(s.params())
		_, err := svc.Try(t.Context(), with)
		require.ErrorIs(t, err, token.ErrUnsupported)
		killing := settings(1)
		killing.OAuth2.Provider.OldAccessToken = token.Killed
		_, err = svc.Try(t.Context(), killing)
		require.ErrorIs(t, err, token.ErrUnsupported)
		require.Zero(t, s.auth.Stats().Requests)
	})
}

// TestShutdownWaitsForRedemption: what has left is waited for beyond the drain timeout, up to the request's own.
func TestShutdownWaitsForRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: 25 * time.Second, Count: 1})
		svc, stop := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		stop()
		require.Equal(t, token.StateAuthorized, s.read().State)
	})
}

// TestSameAccessTokenWithNextRefreshToken is a new generation: the refresh token must be kept.
func TestSameAccessTokenWithNextRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		var redeemed []string
		expire := time.Now().Add(time.Hour)
		s.transport = handlerTransport{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			redeemed = append(redeemed, r.FormValue("refresh_token"))
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"same","token_type":"bearer","expires_in":` +
				strconv.Itoa(int(time.Until(expire).Seconds())) + `,"refresh_token":"next-` + strconv.Itoa(len(redeemed)) + `"}`))
		})}
		svc, _ := s.start(s.params())
		s.authorize(svc, 1)
		second, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		require.EqualValues(t, 2, second.Generation)
		_, err = svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		require.Equal(t, []string{"next-1", "next-2"}, redeemed[1:])
	})
}

// TestResetIsNotRepeatedByTransport, on a kept connection and with a method that net/http takes for repeatable.
func TestResetIsNotRepeatedByTransport(t *testing.T) {
	s := newSuite(t, openSQLite(t), time.Hour)
	server := httptest.NewServer(s.auth.Handler())
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	s.transport = transport
	with := s.refreshing(1, singleUse)
	with.OAuth2.TokenEndpoint = server.URL + authserver.PathToken
	s.auth.SetDialect(authserver.Dialect{Method: http.MethodGet})
	with.OAuth2.Dialect.Method = http.MethodGet
	s.connections.set(crm.ConnectionName(), with)
	svc, _ := s.start(s.params())
	_, err := svc.Authorize(t.Context(), crm, uid, 1)
	require.NoError(t, err)
	_, err = svc.Get(expiring(t, 20*time.Second), crm, 0)
	require.NoError(t, err)
	s.auth.Inject(authserver.Fault{Kind: authserver.FaultResetAfterCommit, Count: 1})
	_, err = svc.Refresh(expiring(t, 20*time.Second), crm)
	require.Equal(t, token.ReasonRotationLost, reasonOf(t, err))
	require.Equal(t, 2, s.auth.Stats().Requests)
	s.unharmed()
}

// limited is a server of a provider that limits the number of requests, in a way that does not matter: they are counted after the claim, so
// that the intent to redeem is a write of its own.
func limited(server rotating) rotating {
	server.provider.MintLimit, server.provider.MintPeriod = 1000, time.Hour
	return server
}
