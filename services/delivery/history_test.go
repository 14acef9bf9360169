package delivery_test

import (
	"net/http"
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

func TestRedrive(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		if broken.Load() {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	s := newShop(t, to.URL, nil, nil)
	events := s.Put(t, "shop", numbers(5)...)
	first := await(t, s, events[0], inState(delivery.Dead))
	for _, event := range events[1:] {
		await(t, s, event, inState(delivery.Dead))
	}
	_, err := s.Service.RedriveDelivery(t.Context(), delivery.ID{Project: "p", Delivery: "none"}, delivery.Edit{})
	require.ErrorIs(t, err, delivery.ErrDeliveryNotFound)

	broken.Store(false)
	again, err := s.Service.RedriveDelivery(t.Context(), first.ID, delivery.Edit{})
	require.NoError(t, err)
	require.Equal(t, 1, again.Redrives)
	require.Empty(t, again.Payload)
	require.True(t, again.ExpireTime.After(first.ExpireTime))
	d := await(t, s, events[0], inState(delivery.Succeeded))
	require.Len(t, d.History, 2, "the history is kept")
	require.Equal(t, 2, d.History[1].Number)
	_, err = s.Service.RedriveDelivery(t.Context(), first.ID, delivery.Edit{})
	require.ErrorIs(t, err, delivery.ErrStateConflict)

	n, err := s.Service.RedriveDeliveries(t.Context(), "p", delivery.Filter{Event: events[1]}, 0, true)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = s.Service.RedriveDeliveries(t.Context(), "p", delivery.Filter{}, 3, false)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	n, err = s.Service.RedriveDeliveries(t.Context(), "p", delivery.Filter{}, 0, false)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	for _, event := range events {
		await(t, s, event, inState(delivery.Succeeded))
	}
}

// TestCancel: deliveries of what is removed end, in memory and in the backlog, and can be redriven while their destination is there.
func TestCancel(t *testing.T) {
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		to := newSink(t, nil)
		s := deliverytest.New(t, db, deliverytest.Options{}).Run(t)
		s.Destination(t, "shop", to.URL, func(d *delivery.Destination) { d.RateLimit = 1 })
		rule := s.Rule(t, "shop", func(r *delivery.Rule) {
			r.Targets = append(r.Targets, delivery.Target{ID: "second", Destination: "shop"})
		})
		events := s.Put(t, "shop", numbers(40)...) // more than are delivered, one a second, until the rule has changed
		to.wait(t, 1)
		count := func(state delivery.State) int {
			list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: state}, "", 100)
			require.NoError(t, err)
			return len(list)
		}
		name := delivery.DestinationName{Project: "p", Destination: "shop"}
		require.ErrorIs(t, s.Service.DeleteDestination(t.Context(), name, delivery.Write{}), delivery.ErrInUse)
		_, err := s.Service.UpdateRule(t.Context(), rule.Name, delivery.Write{}, func(r *delivery.Rule) error {
			r.Targets = r.Targets[:1]
			return nil
		})
		require.NoError(t, err)
		require.GreaterOrEqual(t, count(delivery.Cancelled), 20)
		require.NoError(t, s.Service.DeleteRule(t.Context(), rule.Name, delivery.Write{}))
		require.GreaterOrEqual(t, count(delivery.Cancelled), 40)
		require.Zero(t, count(delivery.Pending))

		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{Event: events[39], State: delivery.Cancelled}, "", 2)
		require.NoError(t, err)
		require.Len(t, list, 2)
		_, err = s.Service.RedriveDelivery(t.Context(), list[0].ID, delivery.Edit{})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return ids(to.all())[events[39]] == 1 }, time.Minute, 10*time.Millisecond)

		require.NoError(t, s.Service.DeleteDestination(t.Context(), name, delivery.Write{}))
		_, err = s.Service.RedriveDelivery(t.Context(), list[1].ID, delivery.Edit{})
		require.ErrorIs(t, err, delivery.ErrDestinationNotFound)
	})
}

// TestDestinationChanges: attempts use the destination as it is, deliveries the target as it was.
func TestDestinationChanges(t *testing.T) {
	old := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusServiceUnavailable) })
	to := newSink(t, nil)
	s := newShop(t, old.URL, func(r *delivery.Rule) { r.Targets[0].Headers = map[string]string{"X-V": "1"} }, nil)
	event := s.Put(t, "shop", `{}`)[0]
	old.wait(t, 1)
	_, err := s.Service.UpdateRule(t.Context(), delivery.RuleName{Project: "p", Bus: "default", Rule: "shop"}, delivery.Write{},
		func(r *delivery.Rule) error { r.Targets[0].Headers = map[string]string{"X-V": "2"}; return nil })
	require.NoError(t, err)
	_, err = s.Service.UpdateDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "shop"}, delivery.Write{},
		func(d *delivery.Destination) error { d.Endpoint = to.URL; return nil })
	require.NoError(t, err)
	await(t, s, event, inState(delivery.Succeeded))
	require.Equal(t, "1", to.all()[0].Header.Get("X-V"))
}
