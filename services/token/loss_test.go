package token_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
)

// outageStore is a real store that can be out of reach, or take no writes.
type outageStore struct {
	token.Store
	down, full atomic.Bool
}

type outage struct{}

func (outage) Error() string     { return "the store is out of reach" }
func (outage) Unavailable() bool { return true }

func (o *outageStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	if o.down.Load() || o.full.Load() {
		return token.Token{}, outage{}
	}
	return o.Store.Update(ctx, key, known, change)
}

func (o *outageStore) Get(ctx context.Context, key token.Key) (token.Token, error) {
	if o.down.Load() {
		return token.Token{}, outage{}
	}
	return o.Store.Get(ctx, key)
}

// settingsThen does something each time settings were read: before the claim of a rotation.
type settingsThen struct {
	token.SettingsSource

	then func()
}

func (s settingsThen) AuthorizationSettings(ctx context.Context, name string) (token.Settings, error) {
	defer s.then()
	return s.SettingsSource.AuthorizationSettings(ctx, name)
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
				dying.left.Store(1) // the claim, with the intent to redeem
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
				s.lostFor(svc, watcher, first, test.rotating)
			})
		})
	}
}

// lostFor looks at a rotation that is lost: what is served and pushed until the end user authorizes again.
func (s *suite) lostFor(svc *token.Service, watcher *token.Watcher, first token.Token, server rotating) {
	t := s.t
	got := s.read()
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

	s.refreshing(2, server) // the end user authorized again
	require.EqualValues(t, 2, s.authorize(svc, 2).Generation)
}

// TestCrashBeforeRedemption is no loss: without the intent in the journal nothing was sent.
func TestCrashBeforeRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, limited(singleUse))
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

// answered leaves a process dead that has stored the answer to its first redemption, which it could not read.
func (s *suite) answered() {
	s.t.Helper()
	dying := newDyingStore(store.New(s.db, s.sealer))
	p := s.params()
	p.Store, p.Exchanger = dying, stumbling{p.Exchanger}
	svc, stop := s.start(p)
	dying.left.Store(3) // Authorize, the claim with the intent to redeem, the answer
	_, err := svc.Authorize(s.t.Context(), crm, uid, 1)
	require.NoError(s.t, err)
	synctest.Wait()
	stop()
	require.Equal(s.t, 1, s.auth.Stats().Requests)
}

// unfitStore is a real store that cannot take the credential of a generation.
type unfitStore struct{ token.Store }

var errUnfit = errors.New("the credential cannot be stored")

func (u unfitStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	return u.Store.Update(ctx, key, known, func(rec *token.Record) error {
		if err := change(rec); err != nil || rec.Credential == nil || rec.Credential.AccessToken.IsZero() {
			return err
		}
		return errUnfit
	})
}

// TestAnswerIsKeptWhenItsGenerationIsNot until there is a process that can store what it brought.
func TestAnswerIsKeptWhenItsGenerationIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		p := s.params()
		p.Store = unfitStore{p.Store}
		svc, stop := s.start(p)
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		stop()
		require.Zero(t, s.read().Generation)

		svc, _ = s.start(s.params())
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, 1, s.auth.Stats().Requests)
		s.unharmed()
	})
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
		_, stop := s.start(s.params())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		stop()
		svc, _ := s.start(s.params())
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
