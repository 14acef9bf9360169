package token_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
)

// sharedStore makes two services of a bubble take each other for other processes.
type sharedStore struct{ token.Store }

func (sharedStore) Exclusive() bool { return false }

// TestLeaseIsRenewed: a slow request is not made again by somebody else.
func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 29 * time.Second, Count: 1})
		p := s.params()
		p.Store, p.LeaseTime = sharedStore{p.Store}, 6*time.Second
		first, _ := s.start(p)
		_, err := first.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait() // until its request is under way: on SQLite, replicas do not hear of each other's outcomes
		s.start(p)
		got, err := first.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, 1, s.auth.Stats().Requests)
	})
}

// frozenStore stands still on demand, as that of a process that is paused.
type frozenStore struct {
	token.Store
	until atomic.Pointer[chan struct{}]
}

func (f *frozenStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	if thaw := f.until.Load(); thaw != nil {
		<-*thaw
	}
	return f.Store.Update(ctx, key, known, change)
}

// TestPausedProcess wakes up with an answer after somebody else took over: it may not store it, and says that two requests
// were made.
func TestPausedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Second, Count: 1})
		frozen := &frozenStore{Store: store.New(s.db, s.sealer)}
		reader := metric.NewManualReader()
		p := s.params()
		p.Store, p.LeaseTime, p.Meter = sharedStore{frozen}, 3*time.Second, metric.NewMeterProvider(metric.WithReader(reader))
		first, _ := s.start(p)
		_, err := first.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait() // the request is on its way
		thaw := make(chan struct{})
		frozen.until.Store(&thaw)

		other := s.params()
		other.Store = sharedStore{other.Store}
		second, _ := s.start(other)
		got, err := second.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		close(thaw)
		frozen.until.Store(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		after := s.read()
		require.EqualValues(t, 1, after.Generation)
		require.Equal(t, got.Fingerprint, after.Fingerprint, "what was stored stays")
		require.Equal(t, 2, s.auth.Stats().Requests)
		rotations, err := second.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 2)
		require.Equal(t, token.RotationCommitted, rotations[0].State)
		require.Equal(t, token.RotationAbandoned, rotations[1].State)
		require.EqualValues(t, 1, counted(t, reader, "freshet.token.double_redeem"))
	})
}

// counted returns the total of a counter.
func counted(t *testing.T, reader metric.Reader, name string) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	total := int64(0)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
				for _, point := range data.DataPoints {
					total += point.Value
				}
			}
		}
	}
	return total
}

// unavailableError is what a store says that may be back soon.
type unavailableError struct{}

func (unavailableError) Error() string     { return "store unavailable" }
func (unavailableError) Unavailable() bool { return true }

// flakyStore is unavailable for a number of updates, beginning after another number.
type flakyStore struct {
	token.Store
	after, failing atomic.Int64
}

func (f *flakyStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	if f.after.Add(-1) < 0 && f.failing.Add(-1) >= 0 {
		return token.Token{}, unavailableError{}
	}
	return f.Store.Update(ctx, key, known, change)
}

// TestStoreFails before and after the request: no answer is thrown away, none is asked for twice.
func TestStoreFails(t *testing.T) {
	for name, after := range map[string]int64{"at the claim": 1, "at the answer": 2, "at the commit": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				flaky := &flakyStore{Store: store.New(s.db, s.sealer)}
				flaky.after.Store(after)
				flaky.failing.Store(5)
				p := s.params()
				p.Store = flaky
				svc, _ := s.start(p)
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				got := s.read()
				require.Equal(t, token.StateAuthorized, got.State)
				require.EqualValues(t, 1, got.Generation)
				require.Equal(t, 1, s.auth.Stats().Requests)
			})
		})
	}
}

// TestShortestLives: a token that is over before it is there is not asked for in a tight loop.
func TestShortestLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Millisecond)
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.LessOrEqual(t, s.auth.Stats().Requests, 101)
	})
}

// TestManyTokens keeps two hundred tokens for hours: each generation comes before the former one's end.
func TestManyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		svc, _ := s.start(s.params())
		const tokens = 200
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		for i := range tokens {
			key := token.Key{Project: "default", Connection: "c" + string(rune('a'+i/26%26)) + string(rune('a'+i%26))}
			s.connections.set(key.ConnectionName(), settings(1))
			_, err := svc.Authorize(t.Context(), key, uid, 1)
			require.NoError(t, err)
			require.NoError(t, watcher.Add(t.Context(), key))
		}
		synctest.Wait()
		watcher.Take()
		last := map[token.Key]token.Token{}
		for range tokens * 12 {
			<-watcher.Wake()
			for _, update := range watcher.Take() {
				got := update.Token
				require.Equal(t, token.StateAuthorized, got.State)
				if former, ok := last[got.Key]; ok {
					require.Greater(t, time.Until(former.ExpireTime), 11*time.Minute)
					require.Equal(t, former.Generation+1, got.Generation)
				}
				last[got.Key] = got
			}
		}
		require.Len(t, last, tokens)
	})
}
