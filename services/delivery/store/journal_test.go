package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

var (
	accepted = time.Date(2026, 11, 22, 14, 0, 0, 123456000, time.UTC)
	orders   = delivery.BusName{Project: "p", Bus: delivery.DefaultBus}
	shop     = delivery.DestinationName{Project: "p", Destination: "shop"}
)

// twoProcesses runs a test with two stores on one database, as two processes have: each has a journal of its own in memory.
func twoProcesses(t *testing.T, test func(t *testing.T, mine, other *store.Store)) {
	t.Helper()
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			db := sqltest.Open(t, engine, store.Migrations())
			sealer := deliverytest.NewSealer(t)
			test(t, store.New(db, sealer), store.New(db, sealer))
		})
	}
}

// acceptOwned stores an event with deliveries that the instance "mine" has in memory.
func acceptOwned(t *testing.T, s *store.Store, ids ...string) []*delivery.Delivery {
	t.Helper()
	e := &delivery.Event{
		Project: "p", ID: "E" + ids[0], Bus: orders.Bus, Source: "s", DetailType: "T", Detail: `{"n":12345678901234567890}`,
		Time: accepted.Truncate(time.Second), IngestionTime: accepted,
	}
	list := make([]*delivery.Delivery, len(ids))
	for i, id := range ids {
		list[i] = &delivery.Delivery{
			ID: delivery.ID{Project: "p", Delivery: id}, Event: e, Rule: "r", Destination: shop.Destination, State: delivery.Pending,
			Target: delivery.Target{ID: "t", Destination: shop.Destination, Headers: map[string]string{"X": `"ü`}},
			Owner:  "mine", CreateTime: accepted, NextAttempt: accepted, ExpireTime: accepted.Add(24 * time.Hour),
		}
	}
	require.NoError(t, s.Accept(t.Context(), orders, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		return delivery.Batch{Events: []*delivery.Event{e}, Deliveries: list}, nil
	}))
	return list
}

func succeeded(d *delivery.Delivery) (*delivery.Delivery, *delivery.Attempt) {
	ended := *d
	ended.State, ended.Owner, ended.EndTime, ended.Attempts, ended.Charged = delivery.Succeeded, "", accepted, 1, 1
	return &ended, &delivery.Attempt{Number: 1, StartTime: accepted, StatusCode: 204}
}

// TestJournalOutlivesItsProcess: what a process that is gone had accepted is backlog, all but what it had recorded.
func TestJournalOutlivesItsProcess(t *testing.T) {
	twoProcesses(t, func(t *testing.T, mine, other *store.Store) {
		list := acceptOwned(t, mine, "1", "2", "3")
		ended, attempt := succeeded(list[1])
		applied, err := mine.Record(t.Context(), "mine", ended, attempt)
		require.NoError(t, err)
		require.True(t, applied)

		n, err := other.Adopt(t.Context(), 10)
		require.NoError(t, err)
		require.Positive(t, n)
		n, err = other.Adopt(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n)
		claimed, _, err := other.Claim(t.Context(), shop, "other", accepted, 10)
		require.NoError(t, err)
		for i, d := range []*delivery.Delivery{list[0], list[2]} {
			want := *d
			want.Owner = "other"
			require.Equal(t, want, *claimed[i])
		}
		require.Len(t, claimed, 2)
		stored, err := other.Delivery(t.Context(), ended.ID)
		require.NoError(t, err)
		require.Equal(t, delivery.Succeeded, stored.State)
		require.Len(t, stored.History, 1)
	})
}

// TestJournalOfAProcessTakenForDead: it does not change what another has taken over, but records that it succeeded.
func TestJournalOfAProcessTakenForDead(t *testing.T) {
	twoProcesses(t, func(t *testing.T, mine, other *store.Store) {
		list := acceptOwned(t, mine, "1", "2")
		_, err := other.Adopt(t.Context(), 10)
		require.NoError(t, err)
		failed := *list[0]
		failed.Attempts, failed.Owner = 1, ""
		applied, err := mine.Record(t.Context(), "mine", &failed, &delivery.Attempt{Number: 1, StartTime: accepted, StatusCode: 500})
		require.NoError(t, err)
		require.False(t, applied)
		ended, attempt := succeeded(list[1])
		applied, err = mine.Record(t.Context(), "mine", ended, attempt)
		require.NoError(t, err)
		require.True(t, applied)
		for i, state := range []delivery.State{delivery.Pending, delivery.Succeeded} {
			d, err := other.Delivery(t.Context(), list[i].ID)
			require.NoError(t, err)
			require.Equal(t, state, d.State)
		}
	})
}

// TestUnfold: others see what has not ended for a while, and it can still be recorded.
func TestUnfold(t *testing.T) {
	twoProcesses(t, func(t *testing.T, mine, other *store.Store) {
		list := acceptOwned(t, mine, "1", "2")
		_, err := other.Delivery(t.Context(), list[0].ID)
		require.ErrorIs(t, err, delivery.ErrDeliveryNotFound)
		left, err := mine.Unfold(t.Context(), accepted)
		require.NoError(t, err)
		require.Positive(t, left)
		_, err = mine.Unfold(t.Context(), accepted.Add(time.Second))
		require.NoError(t, err)
		d, err := other.Delivery(t.Context(), list[0].ID)
		require.NoError(t, err)
		require.Equal(t, *list[0], d)
		left, err = mine.Unfold(t.Context(), accepted) // removes the page
		require.NoError(t, err)
		require.Zero(t, left)
		n, err := other.Adopt(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 2, n, "rows of an unknown owner")
		ended, attempt := succeeded(list[1])
		applied, err := mine.Record(t.Context(), "mine", ended, attempt)
		require.NoError(t, err)
		require.True(t, applied)
	})
}

// TestCancellationWaitsForJournals: it is not done while another process has older deliveries without rows.
func TestCancellationWaitsForJournals(t *testing.T) {
	twoProcesses(t, func(t *testing.T, mine, other *store.Store) {
		list := acceptOwned(t, mine, "1")
		require.NoError(t, other.CreateDestination(t.Context(), delivery.Destination{Name: shop}))
		c := delivery.Cancellation{Project: "p", ID: "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", Destination: shop.Destination}
		require.NoError(t, other.DeleteDestination(t.Context(), shop, "", c))
		for _, want := range []int{1, 0} {
			_, done, err := other.Cancel(t.Context(), c, "", accepted, 10)
			require.NoError(t, err)
			require.True(t, done)
			recorded, err := other.Cancellations(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, recorded, want)
			for range 2 { // the row, then the page
				_, err = mine.Unfold(t.Context(), accepted.Add(time.Second))
				require.NoError(t, err)
			}
		}
		d, err := other.Delivery(t.Context(), list[0].ID)
		require.NoError(t, err)
		require.Equal(t, delivery.Cancelled, d.State)
	})
}

// TestAcceptUnknownOutcome: who did not hear whether an Accept was durable releases its deliveries by their ids.
func TestAcceptUnknownOutcome(t *testing.T) {
	twoProcesses(t, func(t *testing.T, mine, again *store.Store) {
		list := acceptOwned(t, mine, "1", "2") // which again knows as little of as one whose commit was cut off
		require.NoError(t, again.Release(t.Context(), "mine", []delivery.ID{list[0].ID, list[1].ID}))
		claimed, _, err := again.Claim(t.Context(), shop, "other", accepted, 10)
		require.NoError(t, err)
		require.Len(t, claimed, 2)
	})
}

// TestAcceptCallersShareNoFate: callers that share a transaction do not share errors, and one that leaves early is not stored.
func TestAcceptCallersShareNoFate(t *testing.T) {
	twoProcesses(t, func(t *testing.T, s, _ *store.Store) {
		acceptOwned(t, s, "taken")
		first, release := make(chan struct{}), make(chan struct{})
		results := make(chan error, 4)
		put := func(ctx context.Context, id string, hold func()) {
			d := &delivery.Delivery{
				ID: delivery.ID{Project: "p", Delivery: id}, Event: &delivery.Event{ID: "Etaken", Bus: orders.Bus}, State: delivery.Pending,
				Destination: shop.Destination, CreateTime: accepted, NextAttempt: accepted,
			}
			results <- s.Accept(ctx, orders, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
				hold()
				return delivery.Batch{Deliveries: []*delivery.Delivery{d}}, nil
			})
		}
		go put(t.Context(), "0", func() { close(first); <-release })
		<-first
		ctx, leave := context.WithCancel(t.Context())
		go put(ctx, "left", func() { t.Error("ran") })
		require.Eventually(t, func() bool { return s.Queued() == 1 }, time.Minute, time.Millisecond)
		leave()
		require.ErrorIs(t, <-results, context.Canceled)
		for i, id := range []string{"1", "1", "2"} { // twice the same
			go put(t.Context(), id, func() {})
			require.Eventually(t, func() bool { return s.Queued() == i+1 }, time.Minute, time.Millisecond)
		}
		close(release)
		failures := 0
		for range 4 {
			if err := <-results; err != nil {
				require.True(t, sqldb.IsUnique(err), "%v", err)
				failures++
			}
		}
		require.Equal(t, 1, failures)
		list, err := s.ListDeliveries(t.Context(), "p", delivery.Filter{}, accepted, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 4, "0, 1, 2 and taken")
	})
}
