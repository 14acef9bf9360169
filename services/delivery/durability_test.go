package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func ids(received []received) map[string]int {
	counts := map[string]int{}
	for _, r := range received {
		counts[r.Header.Get("X-Freshet-Event-Id")]++
	}
	return counts
}

// numbers returns n details.
func numbers(n int) []string {
	details := make([]string, n)
	for i := range details {
		details[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	return details
}

// failingStore is a store that from some moment on does not record or hand back anything, as if its process were gone.
type failingStore struct {
	delivery.Store
	gone chan struct{}
}

func (s *failingStore) dead() error {
	select {
	case <-s.gone:
		return context.Canceled
	default:
		return nil
	}
}

func (s *failingStore) Record(ctx context.Context, owner string, d *delivery.Delivery, a *delivery.Attempt) (bool, error) {
	if err := s.dead(); err != nil {
		return false, err
	}
	return s.Store.Record(ctx, owner, d, a)
}

func (s *failingStore) Leave(ctx context.Context, instance string, limit int) (int, error) {
	if err := s.dead(); err != nil {
		return 0, err
	}
	return s.Store.Leave(ctx, instance, limit)
}

// TestProcessThatDies: what was acknowledged before a process died without a word is delivered by the next one.
func TestProcessThatDies(t *testing.T) {
	to := newSink(t, nil)
	path := filepath.Join(t.TempDir(), "db")
	acknowledged := map[string]bool{}
	for round := range 4 {
		db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), store.Migrations()))
		gone := make(chan struct{})
		s := deliverytest.New(t, db, deliverytest.Options{Params: func(p *delivery.Params) {
			p.Drain = 10 * time.Millisecond
			p.Store = &failingStore{Store: p.Store, gone: gone}
		}}).Run(t)
		if round == 0 {
			s.Destination(t, "shop", to.URL, nil)
			s.Rule(t, "shop", nil)
		}
		if round < 3 {
			before := len(to.all())
			for _, event := range s.Put(t, "shop", numbers(150)...) {
				acknowledged[event] = true
			}
			to.wait(t, before+20)
			close(gone) // the process is dead: nothing is recorded any more
		} else {
			require.Eventually(t, func() bool {
				list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Succeeded}, "", 1000)
				require.NoError(t, err)
				return len(list) == len(acknowledged)
			}, time.Minute, 10*time.Millisecond)
		}
		s.Stop()
		require.NoError(t, db.Close())
	}
	counts := ids(to.all())
	for event := range acknowledged {
		require.Positive(t, counts[event], "lost")
	}
	require.Len(t, counts, len(acknowledged))
}

// TestInstancesShare: two instances on one PostgreSQL deliver everything, together within the rate; one takes over from the other.
func TestInstancesShare(t *testing.T) {
	const rate = 100
	to := newSink(t, nil)
	db := sqltest.Open(t, sqldb.Postgres, store.Migrations())
	tokens := deliverytest.NewTokens()
	tokens.Bearer(deliverytest.CRM, "token")
	one := deliverytest.New(t, db, deliverytest.Options{Tokens: tokens}).Run(t)
	two := deliverytest.New(t, db, deliverytest.Options{Tokens: tokens}).Run(t)
	one.Destination(t, "shop", to.URL, func(d *delivery.Destination) { d.RateLimit = rate })
	one.Rule(t, "shop", nil)
	var all sync.Map
	var putting sync.WaitGroup
	for _, s := range []*deliverytest.Suite{one, two} {
		for range 2 {
			putting.Go(func() {
				for _, event := range s.Put(t, "shop", numbers(100)...) {
					all.Store(event, true)
				}
			})
		}
	}
	putting.Wait()
	to.wait(t, 50)
	one.Stop()
	got := to.wait(t, 400)
	counts := ids(got)
	all.Range(func(event, _ any) bool {
		require.Equal(t, 1, counts[event.(string)], "each once: nobody died")
		return true
	})
	// A window of arrivals says more about the machine than about the pace, which dispatch tests exactly. But two that did not share the
	// rate would be done in little more than half the time, however busy the machine is.
	took := got[len(got)-1].At.Sub(got[0].At)
	require.GreaterOrEqual(t, took, time.Duration(len(got)-1)*time.Second/rate*3/4, "the rate holds over both")
}

// TestEndHandsBack: what has not been attempted when a service ends is backlog, owned by nobody.
func TestEndHandsBack(t *testing.T) {
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		block := make(chan struct{})
		to := newSink(t, func(_ http.ResponseWriter, _ *http.Request, _ int) { <-block })
		t.Cleanup(func() { close(block) })
		s := deliverytest.New(t, db, deliverytest.Options{Params: func(p *delivery.Params) {
			p.Drain = 20 * time.Millisecond
		}}).Run(t)
		s.Destination(t, "shop", to.URL, func(d *delivery.Destination) { d.MaxConcurrency = 4 })
		s.Rule(t, "shop", nil)
		s.Put(t, "shop", numbers(20)...)
		to.wait(t, 4)
		s.Stop()
		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Pending}, "", 100)
		require.NoError(t, err)
		require.Len(t, list, 20)
		for _, d := range list {
			require.Empty(t, d.Owner)
			require.Zero(t, d.Attempts, "an attempt that was cut off is not counted")
		}
		event := s.Put(t, "shop", `{}`)[0]
		d := await(t, s, event, inState(delivery.Pending))
		require.Empty(t, d.Owner)
	})
}

// TestSlowDestinationDelaysNoOther: one destination hangs, another is quick.
func TestSlowDestinationDelaysNoOther(t *testing.T) {
	block := make(chan struct{})
	slow := newSink(t, func(_ http.ResponseWriter, _ *http.Request, _ int) { <-block })
	quick := newSink(t, nil)
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Params: func(p *delivery.Params) {
		p.Drain = time.Millisecond
	}}).Run(t)
	t.Cleanup(func() { close(block) })
	for name, to := range map[string]*sink{"slow": slow, "quick": quick} {
		s.Destination(t, name, to.URL, func(d *delivery.Destination) { d.Timeout, d.MaxConcurrency = 30*time.Second, 4 })
		s.Rule(t, name, nil)
	}
	s.Put(t, "slow", numbers(200)...)
	slow.wait(t, 4)
	quickEvents := s.Put(t, "quick", numbers(100)...)
	quick.wait(t, 100)
	await(t, s, quickEvents[99], inState(delivery.Succeeded))
	require.Len(t, slow.all(), 4)
}

// TestOverflow: more than fits in memory goes through the backlog, all of it.
func TestOverflow(t *testing.T) {
	to := newSink(t, nil)
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{}).Run(t)
	s.Destination(t, "shop", to.URL, nil)
	s.Rule(t, "shop", func(r *delivery.Rule) {
		for i := range 30 {
			r.Targets = append(r.Targets, delivery.Target{ID: fmt.Sprint(i), Destination: "shop"})
		}
	})
	tokensGone(t, s)
	s.Put(t, "shop", numbers(50)...) // 1550 deliveries, of which a lane holds 1024
	s.Tokens.Bearer(deliverytest.CRM, "token-2")
	require.Eventually(t, func() bool {
		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Succeeded}, "", 2000)
		require.NoError(t, err)
		return len(list) == 50*31 // at 300 a second
	}, time.Minute, 100*time.Millisecond)
	for _, n := range ids(to.all()) {
		require.Equal(t, 31, n)
	}
}

// tokensGone takes the credential away and waits until the service knows.
func tokensGone(t *testing.T, s *deliverytest.Suite) {
	t.Helper()
	s.Tokens.Deauthorize(deliverytest.CRM)
	require.Eventually(t, func() bool {
		list, err := s.Service.ListDestinations(t.Context(), "p", "", 10)
		require.NoError(t, err)
		return !list[0].Active
	}, time.Minute, time.Millisecond)
}
