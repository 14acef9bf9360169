package delivery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestDelivers follows events from PutEvents to the destination, on both engines.
func TestDelivers(t *testing.T) {
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		to := newSink(t, nil)
		s := deliverytest.New(t, db, deliverytest.Options{}).Run(t)
		require.True(t, s.Destination(t, "shop", to.URL+"/orders/*?fixed=1", func(d *delivery.Destination) { d.Method = "PATCH" }).Active)
		s.Rule(t, "shop", func(r *delivery.Rule) {
			r.Targets[0].PathParameters = []string{"$.detail.id"}
			r.Targets[0].InputPath = "$.detail"
			r.Targets[0].Headers = map[string]string{"X-Kind": "$['detail-type']", "X-Constant": "c"}
			r.Targets[0].QueryParameters = map[string]string{"n": "$.detail.n"}
		})
		s.Put(t, "elsewhere", `{}`)
		event := s.Put(t, "shop", `{"id": "a/b", "n": 1.50, "z":1,"a":2}`)[0]

		got := to.wait(t, 1)[0]
		require.Equal(t, "PATCH", got.Method)
		require.Equal(t, "/orders/a%2Fb", got.Path)
		require.Equal(t, "fixed=1&n=1.50", got.Query)
		require.Equal(t, `{"id": "a/b", "n": 1.50, "z":1,"a":2}`, got.Body)
		require.Equal(t, "Bearer token-1", got.Header.Get("Authorization"))
		require.Equal(t, "Test", got.Header.Get("X-Kind"))
		require.Equal(t, "c", got.Header.Get("X-Constant"))
		require.Equal(t, "application/json; charset=utf-8", got.Header.Get("Content-Type"))
		require.Equal(t, "Freshet", got.Header.Get("User-Agent"))
		require.Equal(t, event, got.Header.Get("X-Freshet-Event-Id"))

		d := await(t, s, event, inState(delivery.Succeeded))
		require.Equal(t, d.ID.Delivery, got.Header.Get("Idempotency-Key"))
		require.Len(t, d.History, 1)
		require.Equal(t, 200, d.History[0].StatusCode)
		require.EqualValues(t, 1, d.History[0].TokenGeneration)
		require.Empty(t, d.Payload)
	})
}
