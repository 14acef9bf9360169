package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestListsUseIndexes: no list reads a whole table or sorts what it read, however much is stored.
func TestListsUseIndexes(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, store.Migrations())
	for name, c := range map[string]struct {
		filter delivery.Filter
		index  string
	}{
		"all":                   {delivery.Filter{}, "sqlite_autoindex_deliveries_1"},
		"pending":               {delivery.Filter{State: delivery.Pending}, "deliveries_open"},
		"delivering":            {delivery.Filter{State: delivery.Delivering}, "deliveries_open"},
		"dead":                  {delivery.Filter{State: delivery.Dead}, "deliveries_dead"},
		"cancelled":             {delivery.Filter{State: delivery.Cancelled}, "deliveries_cancelled"},
		"destination":           {delivery.Filter{Destination: "d"}, "deliveries_destination"},
		"dead of a destination": {delivery.Filter{State: delivery.Dead, Destination: "d"}, "deliveries_dead_destination"},
		"rule":                  {delivery.Filter{Bus: "b", Rule: "r"}, "deliveries_rule"},
		"event":                 {delivery.Filter{Event: "e"}, "deliveries_event"},
		"time":                  {delivery.Filter{From: time.Unix(1, 0), Before: time.Unix(2, 0)}, "sqlite_autoindex_deliveries_1"},
	} {
		t.Run(name, func(t *testing.T) {
			query, args := store.ListQuery("p", c.filter, time.Now(), "01M", 50)
			var steps []string
			require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				rows, err := tx.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
				require.NoError(t, err)
				for rows.Next() {
					var id, parent, unused int
					var detail string
					require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
					steps = append(steps, detail)
				}
				return rows.Close()
			}))
			plan := strings.Join(steps, "\n")
			require.Contains(t, plan, "USING INDEX "+c.index+" (")
			require.NotContains(t, plan, "SCAN")
			require.NotContains(t, plan, "TEMP B-TREE")
		})
	}
}
