package delivery_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func putEntries(t *testing.T, s *deliverytest.Suite, entries ...delivery.Entry) []delivery.EntryResult {
	t.Helper()
	for i := range entries {
		entries[i].Source, entries[i].DetailType = "shop", "Test"
	}
	results, err := s.Service.PutEvents(t.Context(), deliverytest.Default, entries, false)
	require.NoError(t, err)
	return results
}

// TestDeduplication: an event of an id is accepted once within five minutes, also by another instance and after a restart.
func TestDeduplication(t *testing.T) {
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		one := deliverytest.New(t, db, deliverytest.Options{})
		two := deliverytest.New(t, db, deliverytest.Options{})
		one.Destination(t, "shop", "https://api.example", nil)
		one.Rule(t, "shop", nil)
		results := make([]delivery.EntryResult, 16)
		var putting sync.WaitGroup
		for i := range results {
			s := []*deliverytest.Suite{one, two}[i%2]
			putting.Go(func() {
				results[i] = putEntries(t, s, delivery.Entry{Detail: numbers(i + 1)[i], DeduplicationID: "order-7"})[0]
			})
		}
		putting.Wait()
		fresh := 0
		for _, r := range results {
			require.Equal(t, results[0].EventID, r.EventID, "the first one's id for all")
			if !r.Duplicate {
				fresh++
			}
		}
		require.Equal(t, 1, fresh)

		mixed := putEntries(t, two,
			delivery.Entry{Detail: `{"a":1}`, DeduplicationID: "order-8"}, delivery.Entry{Detail: `{}`, DeduplicationID: "order-7"},
			delivery.Entry{Detail: `{"a":2}`, DeduplicationID: "order-8"}, delivery.Entry{Detail: `{}`}, delivery.Entry{Detail: `{}`},
			delivery.Entry{Detail: `[]`, DeduplicationID: "order-9"})
		require.False(t, mixed[0].Duplicate)
		require.Equal(t, delivery.EntryResult{EventID: results[0].EventID, Duplicate: true}, mixed[1])
		require.Equal(t, delivery.EntryResult{EventID: mixed[0].EventID, Duplicate: true}, mixed[2])
		require.False(t, mixed[3].Duplicate || mixed[4].Duplicate, "without an id, equal events are two")
		require.Equal(t, delivery.CodeMalformedDetail, mixed[5].Code)
		list, err := one.Service.ListDeliveries(t.Context(), "p", delivery.Filter{}, "", 100)
		require.NoError(t, err)
		require.Len(t, list, 4)
		long := putEntries(t, one, delivery.Entry{Detail: `{}`, DeduplicationID: string(make([]byte, 129))})
		require.Equal(t, delivery.CodeInvalidArgument, long[0].Code)
	})
}

// TestContentDeduplication: a bus may ask that equal events count once, from the moment it does.
func TestContentDeduplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{})
		same := func() delivery.EntryResult {
			return putEntries(t, s, delivery.Entry{Detail: `{"n": 1}`, Resources: []string{"a", "b"}})[0]
		}
		same()
		require.False(t, same().Duplicate)
		_, err := s.Service.UpdateBus(t.Context(), deliverytest.Default, delivery.Write{}, func(b *delivery.Bus) error {
			b.Settings.DeduplicateContent = true
			return nil
		})
		require.NoError(t, err)
		first := same()
		require.False(t, first.Duplicate)
		time.Sleep(delivery.DeduplicationWindow - time.Second)
		require.Equal(t, delivery.EntryResult{EventID: first.EventID, Duplicate: true}, same())
		for _, other := range []delivery.Entry{
			{Detail: `{"n":1}`, Resources: []string{"a", "b"}},
			{Detail: `{"n": 1}`, Resources: []string{"ab"}},
			{Detail: `{"n": 1}`},
			{Detail: `{"n": 1}`, Resources: []string{"a", "b"}, DeduplicationID: "mine"},
		} {
			require.False(t, putEntries(t, s, other)[0].Duplicate)
		}
		time.Sleep(time.Second)
		require.False(t, same().Duplicate, "the window is over")
		s.Stop()
	})
}
