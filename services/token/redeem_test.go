package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
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
		"grace", authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: grace},
		token.Provider{Recovery: token.Grace, RotationGrace: grace},
	}
	untilUsed = rotating{
		"until the successor is used", authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: 24 * time.Hour},
		token.Provider{Recovery: token.UntilSuccessorUsed},
	}
	idempotent = rotating{
		"idempotent", authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: 24 * time.Hour},
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

// outageStore is a real store that can be out of reach.
type outageStore struct {
	token.Store
	down atomic.Bool
}

type outage struct{}

func (outage) Error() string     { return "the store is out of reach" }
func (outage) Unavailable() bool { return true }

func (o *outageStore) Update(ctx context.Context, key token.Key, change func(*token.Record) error) (token.Token, error) {
	if o.down.Load() {
		return token.Token{}, outage{}
	}
	return o.Store.Update(ctx, key, change)
}

func (o *outageStore) Get(ctx context.Context, key token.Key) (token.Token, error) {
	if o.down.Load() {
		return token.Token{}, outage{}
	}
	return o.Store.Get(ctx, key)
}

// settingsThen does something each time settings were read: between the claim of a rotation and its request.
type settingsThen struct {
	token.SettingsSource

	then func()
}

func (s settingsThen) AuthorizationSettings(ctx context.Context, name string) (token.Settings, error) {
	defer s.then()
	return s.SettingsSource.AuthorizationSettings(ctx, name)
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
		_, err := svc.Deauthorize(t.Context(), crm, uid, 4)
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

// TestReusableSeedBeginsAgain after the credential was forgotten: nothing is spent.
func TestReusableSeedBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		with := s.refreshing(1, reusable)
		svc, _ := s.start(s.params())
		s.authorize(svc, 1)
		_, err := svc.Deauthorize(t.Context(), crm, uid, 1)
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
		require.Zero(t, s.auth.Stats().Requests)
	})
}

// TestCrashAfterRedemption loses the answer. What follows is what the provider allows.
func TestCrashAfterRedemption(t *testing.T) {
	for _, test := range []struct {
		rotating

		pause    time.Duration
		recovers bool
	}{
		{singleUse, 0, false},
		{withGrace, 0, true},
		{withGrace, grace - 2*time.Second, false}, // too late to be sure that it arrives in time
		{untilUsed, time.Hour, true},
		{idempotent, time.Hour, true},
		{reusable, time.Hour, true},
	} {
		t.Run(test.name+" after "+test.pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), 6*time.Hour)
				s.refreshing(1, test.rotating)
				svc, stop := s.start(s.params())
				first := s.authorize(svc, 1)
				stop()

				dying := newDyingStore(store.New(s.db, s.sealer))
				p := s.params()
				p.Store = dying
				svc, stop = s.start(p)
				dying.left.Store(2) // the claim, the intent to redeem
				_, err := svc.Refresh(t.Context(), crm)
				require.Error(t, err)
				stop()
				require.Equal(t, 2, s.auth.Stats().Requests)
				require.Zero(t, s.auth.Stats().DoubleRedemptions)

				time.Sleep(test.pause)
				svc, _ = s.start(s.params())
				watcher := svc.Watch(t.Context())
				defer watcher.Close(t.Context())
				require.NoError(t, watcher.Add(t.Context(), crm))
				synctest.Wait()
				got, err := svc.Get(t.Context(), crm, 0)
				require.NoError(t, err)
				if test.recovers {
					require.EqualValues(t, 2, got.Generation)
					require.Nil(t, got.LastFailure)
					require.Equal(t, 3, s.auth.Stats().Requests)
					require.Zero(t, s.auth.Stats().FamiliesRevoked)
					return
				}
				require.Equal(t, first.Fingerprint, got.Fingerprint, "served as long as it is valid")
				require.Equal(t, token.ReasonRotationLost, got.LastFailure.Reason)
				require.Equal(t, 2, s.auth.Stats().Requests)
				s.unharmed()
				rotations, err := svc.Rotations(t.Context(), crm, "", 1)
				require.NoError(t, err)
				require.Contains(t, []token.RotationState{token.RotationLost, token.RotationFailed}, rotations[0].State)

				time.Sleep(time.Until(first.ExpireTime))
				synctest.Wait()
				<-watcher.Wake()
				shown := watcher.Take()[0].Token.Revealed(time.Now())
				require.Equal(t, token.StateDeauthorized, shown.State)
				require.Equal(t, token.ReasonRotationLost, shown.Reason)
				require.Empty(t, shown.Credential.HTTP.Headers)

				s.refreshing(2, test.rotating) // the end user authorized again
				require.EqualValues(t, 2, s.authorize(svc, 2).Generation)
			})
		})
	}
}

// TestCrashBeforeRedemption is no loss: without the intent in the journal nothing was sent.
func TestCrashBeforeRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		dying := newDyingStore(store.New(s.db, s.sealer))
		p := s.params()
		p.Store = dying
		svc, stop := s.start(p)
		dying.left.Store(2) // Authorize, the claim
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		stop()
		require.Zero(t, s.auth.Stats().Requests)
		svc, _ = s.start(s.params())
		synctest.Wait()
		_, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.Equal(t, 1, s.auth.Stats().Requests)
	})
}

// answered leaves a process dead that has stored the answer to its first redemption.
func (s *suite) answered() {
	s.t.Helper()
	dying := newDyingStore(store.New(s.db, s.sealer))
	p := s.params()
	p.Store = dying
	svc, stop := s.start(p)
	dying.left.Store(4) // Authorize, the claim, the intent to redeem, the answer
	_, err := svc.Authorize(s.t.Context(), crm, uid, 1)
	require.NoError(s.t, err)
	synctest.Wait()
	stop()
	require.Equal(s.t, 1, s.auth.Stats().Requests)
}

// TestStoredAnswerBelongsToItsGrant and not to the one that the settings have begun since.
func TestStoredAnswerBelongsToItsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		s.answered()
		fresh := s.refreshing(2, singleUse)
		svc, err := token.NewService(s.params())
		require.NoError(t, err)
		_, err = svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		svc, _ = s.start(s.params())
		synctest.Wait()
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		require.EqualValues(t, 2, got.GenerationRevision)
		require.Equal(t, 2, s.auth.Stats().Requests)
		rotations, err := svc.Rotations(t.Context(), crm, "", 2)
		require.NoError(t, err)
		require.Equal(t, fresh.OAuth2.RefreshToken.Fingerprint(), rotations[0].RefreshTokenFingerprint)
		_, err = svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		s.unharmed()
	})
}

// TestStoredAnswerWaitsForSettings and is not thrown away while they cannot be had.
func TestStoredAnswerWaitsForSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		s.answered()
		s.connections.fail(&token.Failure{Class: token.ClassOurs, Reason: token.ReasonServiceUnavailable, Message: "down"})
		svc, stop := s.start(s.params())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		stop()
		svc, _ = s.start(s.params())
		time.Sleep(time.Minute)
		s.connections.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, 1, s.auth.Stats().Requests)
	})
}

// TestStoreFailsAfterRedemption keeps the answer in memory until it can be written.
func TestStoreFailsAfterRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		p := s.params()
		failing := &outageStore{Store: p.Store}
		p.Store = failing
		svc, _ := s.start(p)
		s.authorize(svc, 1)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: time.Second, Count: 1})
		refreshed := make(chan error, 1)
		go func() {
			_, err := svc.Refresh(t.Context(), crm)
			refreshed <- err
		}()
		time.Sleep(time.Second / 2)
		failing.down.Store(true)
		time.Sleep(5 * time.Minute)
		failing.down.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, <-refreshed)
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		require.Equal(t, 2, s.auth.Stats().Requests)
		s.unharmed()
	})
}

// TestStoreFailsBeforeRedemption redeems nothing that could not be kept.
func TestStoreFailsBeforeRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		p := s.params()
		failing := &outageStore{Store: p.Store}
		p.Store = failing
		svc, stop := s.start(p)
		first := s.authorize(svc, 1)
		stop()
		var once sync.Once
		p.Settings = settingsThen{s.connections, func() { once.Do(func() { failing.down.Store(true) }) }}
		svc, _ = s.start(p)
		time.Sleep(time.Until(first.AttemptAt) + 5*time.Minute)
		synctest.Wait()
		require.Equal(t, 1, s.auth.Stats().Requests)
		failing.down.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		require.Equal(t, 2, s.auth.Stats().Requests)
		s.unharmed()
	})
}

// TestRescue is of an answer that arrives after another process declared its rotation lost.
func TestRescue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: 20 * time.Second, Count: 1})
		p := s.params()
		p.LeaseTime = time.Minute
		svc, _ := s.start(p)
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		time.Sleep(time.Second)
		s.start(s.params()) // takes the store for its own, and the first for dead
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, token.ReasonRotationLost, s.read().Reason)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		got := s.read()
		require.Equal(t, token.StateAuthorized, got.State)
		require.EqualValues(t, 1, got.Generation)
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 1)
		require.Equal(t, token.RotationCommitted, rotations[0].State)
		_, err = svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		s.unharmed()
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
