package token_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
)

// errDied is what a store returns to a process that is to look dead.
var errDied = errors.New("the process is dead")

// dyingStore is a real store that can be cut off: after so many more updates every call fails, as if the process had died
// between two of its writes.
type dyingStore struct {
	token.Store
	left atomic.Int64 // updates; negative: any number
}

func newDyingStore(s token.Store) *dyingStore {
	d := &dyingStore{Store: s}
	d.left.Store(-1)
	return d
}

func (d *dyingStore) dead() bool { return d.left.Load() == 0 }

func (d *dyingStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	if d.dead() {
		return token.Token{}, errDied
	}
	t, err := d.Store.Update(ctx, key, known, change)
	if err == nil && d.left.Load() > 0 {
		d.left.Add(-1)
	}
	return t, err
}

func (d *dyingStore) Get(ctx context.Context, key token.Key) (token.Token, error) {
	if d.dead() {
		return token.Token{}, errDied
	}
	return d.Store.Get(ctx, key)
}

// TestCrashAtEveryStep kills the process after each durable step of a rotation. What the next one finds decides what it does.
func TestCrashAtEveryStep(t *testing.T) {
	for _, test := range []struct {
		name     string
		updates  int64 // that the first process makes after Authorize
		requests int   // to the authorization server, in all
		states   []token.RotationState
		triggers []token.Trigger
	}{
		{
			"before the claim", 0, 1,
			[]token.RotationState{token.RotationCommitted},
			[]token.Trigger{token.TriggerAuthorize},
		},
		{
			"after the intent", 1, 2,
			[]token.RotationState{token.RotationCommitted, token.RotationAbandoned},
			[]token.Trigger{token.TriggerRecovery, token.TriggerAuthorize},
		},
		{
			"after the commit", 2, 1,
			[]token.RotationState{token.RotationCommitted},
			[]token.Trigger{token.TriggerAuthorize},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				dying := newDyingStore(store.New(s.db, s.sealer))
				p := s.params()
				p.Store = dying
				first, stop := s.start(p)
				dying.left.Store(test.updates + 1)
				_, err := first.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				synctest.Wait()
				dying.left.Store(0)
				stop()

				second, _ := s.start(s.params())
				got, err := second.Get(t.Context(), crm, 0)
				require.NoError(t, err)
				require.EqualValues(t, 1, got.Generation)
				require.Equal(t, token.StateAuthorized, got.State)
				require.NotEmpty(t, got.Credential.AccessToken.Reveal())
				require.Equal(t, test.requests, s.auth.Stats().Requests)
				require.Empty(t, got.Lease.Owner)

				rotations, err := second.Rotations(t.Context(), crm, "", 10)
				require.NoError(t, err)
				var states []token.RotationState
				var triggers []token.Trigger
				for _, r := range rotations {
					states, triggers = append(states, r.State), append(triggers, r.Trigger)
				}
				require.Equal(t, test.states, states)
				require.Equal(t, test.triggers, triggers)
			})
		})
	}
}

// TestStoredAnswerOfOlderSettings is applied, and the present settings are asked for at once.
func TestStoredAnswerOfOlderSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		dying := newDyingStore(store.New(s.db, s.sealer))
		p := s.params()
		p.Store, p.Exchanger = dying, stumbling{p.Exchanger}
		first, stop := s.start(p)
		dying.left.Store(3)
		_, err := first.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		stop()

		s.connections.set(crm.ConnectionName(), settings(2))
		second, err := token.NewService(s.params())
		require.NoError(t, err)
		_, err = second.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		s.start(s.params())
		synctest.Wait()
		got := s.read()
		require.EqualValues(t, 2, got.Generation)
		require.EqualValues(t, 2, got.GenerationRevision)
		require.Equal(t, 2, s.auth.Stats().Requests)
	})
}

// TestStoredAnswerUnreadable happens when the master key was replaced: the request is repeated.
func TestStoredAnswerUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openSQLite(t)
		s := newSuite(t, db, time.Hour)
		dying := newDyingStore(store.New(db, s.sealer))
		p := s.params()
		p.Store, p.Exchanger = dying, stumbling{p.Exchanger}
		first, stop := s.start(p)
		dying.left.Store(3)
		_, err := first.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		stop()

		other := newSuite(t, db, time.Hour) // with a master key of its own
		other.start(other.params())
		time.Sleep(5 * time.Second)
		synctest.Wait()
		got := other.read()
		require.Equal(t, token.StateAuthorized, got.State)
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, 1, other.auth.Stats().Requests)
	})
}

// TestMasterKeyReplaced makes the stored token unreadable: it is obtained anew, and never served empty.
func TestMasterKeyReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openSQLite(t)
		s := newSuite(t, db, time.Hour)
		svc, stop := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		_, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		stop()

		other := newSuite(t, db, time.Hour)
		svc, _ = other.start(other.params())
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		require.NotEmpty(t, got.Credential.AccessToken.Reveal())
	})
}

// TestShutdownInMidRequest gives up a request that does not end in time, and the next process repeats it.
func TestShutdownInMidRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Hour, Count: 1})
		svc, stop := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		waited := make(chan error, 1)
		go func() {
			_, err := svc.Get(t.Context(), crm, 0)
			waited <- err
		}()
		synctest.Wait()
		start := time.Now()
		stop()
		require.Equal(t, 10*time.Second, time.Since(start), "the drain timeout")
		require.ErrorIs(t, <-waited, token.ErrShuttingDown)
		_, err = svc.Refresh(t.Context(), crm)
		require.Error(t, err)

		svc, _ = s.start(s.params())
		_, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 2)
		require.Equal(t, token.RotationAbandoned, rotations[1].State)
		require.Equal(t, token.TriggerRecovery, rotations[0].Trigger)
	})
}

// TestShutdownLetsRequestsFinish waits for a request that is answered in time.
func TestShutdownLetsRequestsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 5 * time.Second, Count: 1})
		svc, stop := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		stop()
		require.Equal(t, token.StateAuthorized, s.read().State)
	})
}

// TestReplicas runs two processes on one PostgreSQL database: no generation is requested twice, and both push each.
func TestReplicas(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, store.Migrations())
	s := newSuite(t, db, 3*time.Second)
	var replicas []*token.Service
	for range 2 {
		svc, _ := s.start(s.params())
		replicas = append(replicas, svc)
	}
	_, err := replicas[0].Authorize(t.Context(), crm, uid, 1)
	require.NoError(t, err)

	const generations = 4
	var last token.Token
	for _, svc := range replicas {
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		var expire time.Time
		for last = (token.Token{}); last.Generation < generations; {
			select {
			case <-watcher.Wake():
			case <-time.After(20 * time.Second):
				require.FailNow(t, "no push")
			}
			for _, update := range watcher.Take() {
				if !expire.IsZero() && update.Token.Generation > last.Generation {
					require.Positive(t, time.Until(expire), "pushed ahead of expiry")
				}
				last, expire = update.Token, update.Token.ExpireTime
			}
		}
	}

	// Both are asked at once; whoever is first makes the request for all.
	before, err := replicas[0].Get(t.Context(), crm, 0)
	require.NoError(t, err)
	results := make(chan error, 40)
	for i := range cap(results) {
		go func() {
			_, _, err := replicas[i%2].ReportRejected(context.WithoutCancel(t.Context()), crm, before.Fingerprint)
			results <- err
		}()
	}
	for range cap(results) {
		require.NoError(t, <-results)
	}
	for _, svc := range replicas {
		_, err = svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
	}

	rotations, err := replicas[0].Rotations(t.Context(), crm, "", 100)
	require.NoError(t, err)
	seen := map[int64]bool{}
	for _, r := range rotations {
		if r.State == token.RotationIntent || r.State == token.RotationResponded {
			continue // runs
		}
		require.Equal(t, token.RotationCommitted, r.State, r.FailureMessage)
		require.False(t, seen[r.Generation], "generation %d was made twice", r.Generation)
		seen[r.Generation] = true
	}
	require.LessOrEqual(t, s.auth.Stats().Requests, len(rotations)+1)
	require.Equal(t, 1, s.auth.Stats().MaxInFlight)
}

// TestReplicaTakesOver lets a replica die in the middle; the other waits for its lease to run out, then goes on.
func TestReplicaTakesOver(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, store.Migrations())
	s := newSuite(t, db, time.Hour)
	dying := newDyingStore(store.New(db, s.sealer))
	p := s.params()
	p.Store, p.Exchanger, p.LeaseTime = dying, stumbling{p.Exchanger}, 500*time.Millisecond
	first, stop := s.start(p)
	other := s.params()
	other.LeaseTime = p.LeaseTime
	second, _ := s.start(other)
	dying.left.Store(3) // Authorize, claim, answer
	_, err := first.Authorize(t.Context(), crm, uid, 1)
	require.NoError(t, err)
	got, err := second.Get(expiring(t, 20*time.Second), crm, 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Generation)
	require.LessOrEqual(t, s.auth.Stats().Requests, 2)
	stop()
}
