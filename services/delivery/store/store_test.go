package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/delivery/storetest"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

func TestStore(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) delivery.Store {
				return store.New(sqltest.Open(t, engine, store.Migrations()), deliverytest.NewSealer(t))
			})
			storetest.RunJobs(t, func(t *testing.T) storetest.JobStore {
				return store.New(sqltest.Open(t, engine, store.Migrations()), deliverytest.NewSealer(t))
			})
		})
	}
}

func TestClosedDatabaseIsUnavailable(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, store.Migrations())
	require.NoError(t, db.Close())
	_, err := store.New(db, deliverytest.NewSealer(t)).Bus(t.Context(), delivery.BusName{Project: "p", Bus: "b"})
	var unavailable interface{ Unavailable() bool }
	require.ErrorAs(t, err, &unavailable)
	require.True(t, unavailable.Unavailable())
	require.ErrorIs(t, err, sqldb.ErrClosed)
}

// TestWatch: what one instance changes, another hears of.
func TestWatch(t *testing.T) {
	s := store.New(sqltest.Open(t, sqldb.Postgres, store.Migrations()), deliverytest.NewSealer(t))
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan delivery.Change, 10)
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(c delivery.Change) { changes <- c }) }()
	require.Equal(t, delivery.Change{}, <-changes)
	name := delivery.DestinationName{Project: "p", Destination: "d"}
	require.NoError(t, s.CreateDestination(t.Context(), delivery.Destination{Name: name}))
	require.Equal(t, delivery.Change{Destination: &name}, <-changes)
	_, err := s.Beat(t.Context(), "i", time.Now(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, delivery.Change{Instances: true}, <-changes)
	c := delivery.Cancellation{Project: "p", ID: "01M81WBVY9G4A7XXCEJ0000001", Destination: "d"}
	require.NoError(t, s.DeleteDestination(t.Context(), name, "", c))
	require.Equal(t, delivery.Change{Destination: &name}, <-changes)
	_, _, err = s.Cancel(t.Context(), c, "", time.Now(), 10)
	require.NoError(t, err)
	require.Equal(t, delivery.Change{Cancelled: &c}, <-changes)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
