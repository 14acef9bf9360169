package delivery_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// outage is how long the database is away.
func outage(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("FRESHET_TEST_OUTAGE"); text != "" {
		d, err := time.ParseDuration(text)
		require.NoError(t, err)
		return d
	}
	return 2 * time.Second
}

// TestDatabaseOutage: the database server is killed under load and started again. Callers were told that it cannot be used; nothing that was
// acknowledged is lost, and everything goes on by itself. FRESHET_TEST_OUTAGE is how long it is away, 2s by default.
func TestDatabaseOutage(t *testing.T) {
	server := sqltest.NewServer(t)
	db, err := sqldb.OpenPostgres(t.Context(), server.DSN(), "public", sqldb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(t.Context(), store.Migrations()))
	to := newSink(t, nil)
	s := deliverytest.New(t, db, deliverytest.Options{}).Run(t)
	s.Destination(t, "shop", to.URL, func(d *delivery.Destination) { d.Unlimited = true })
	s.Rule(t, "shop", nil)

	var acknowledged sync.Map
	var accepted, refused atomic.Int64
	load, stop := context.WithCancel(t.Context())
	var putting sync.WaitGroup
	for range 4 {
		putting.Go(func() {
			entries := []delivery.Entry{{Source: "shop", DetailType: "T", Detail: `{}`}}
			for load.Err() == nil {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				results, err := s.Service.PutEvents(ctx, deliverytest.Default, entries, false)
				cancel()
				if err == nil {
					acknowledged.Store(results[0].EventID, true)
					accepted.Add(1)
					continue
				}
				var unavailable interface{ Unavailable() bool }
				if !assertAs(t, err, &unavailable) {
					return
				}
				refused.Add(1)
				select { // as a caller does that is told UNAVAILABLE
				case <-load.Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	reach := func(n int64) {
		require.Eventually(t, func() bool { return accepted.Load() >= n }, time.Minute, time.Millisecond)
	}
	reach(200)
	server.Stop(t)
	gone := time.Now()
	require.Eventually(t, func() bool { return refused.Load() > 0 && time.Since(gone) > outage(t) }, 2*time.Minute, time.Millisecond)
	server.Start(t)
	reach(accepted.Load() + 200)
	stop()
	putting.Wait()

	require.Eventually(t, func() bool {
		got, all := ids(to.all()), true
		acknowledged.Range(func(event, _ any) bool {
			all = got[event.(string)] > 0
			return all
		})
		return all
	}, time.Minute, 20*time.Millisecond, "acknowledged, and not delivered")
	require.Eventually(t, func() bool {
		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Pending}, "", 10)
		return err == nil && len(list) == 0
	}, time.Minute, 20*time.Millisecond, "and recorded")
	s.Stop()
}

func assertAs(t *testing.T, err error, target *interface{ Unavailable() bool }) bool {
	t.Helper()
	if errors.As(err, target) && (*target).Unavailable() {
		return true
	}
	t.Errorf("not a store that is unavailable: %v", err)
	return false
}
