package store_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestQueriesUseIndexes: on neither engine does a query read a whole table, or sort what it read.
func TestQueriesUseIndexes(t *testing.T) {
	queries := store.Queries()
	for name, filter := range map[string]delivery.Filter{
		"all": {}, "pending": {State: delivery.Pending}, "delivering": {State: delivery.Delivering}, "dead": {State: delivery.Dead},
		"cancelled": {State: delivery.Cancelled}, "destination": {Destination: "d"},
		"dead of a destination": {State: delivery.Dead, Destination: "d"}, "rule": {Bus: "b", Rule: "r"}, "event": {Event: "e"},
		"time": {From: time.Unix(1, 0), Before: time.Unix(2, 0)},
	} {
		text, args := store.ListQuery("p", filter, time.Now(), "01M", 50)
		queries["list deliveries: "+name] = store.Query{Text: text, Args: args}
	}
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		for name, q := range queries {
			require.Empty(t, faults(t, db, q), name)
		}
		for name, q := range store.New(db, deliverytest.NewSealer(t)).Claims() {
			require.Empty(t, faults(t, db, q), name)
		}
		require.NotEmpty(t, faults(t, db, store.Query{Text: "SELECT event_id FROM events WHERE source = 's' LIMIT 1"}), "a scan is seen")
		require.NotEmpty(t, faults(t, db, store.Query{Text: "SELECT event_id FROM events WHERE project = 'p' ORDER BY time"}), "a sort is seen")
		if db.Engine() == sqldb.Postgres {
			require.Contains(t, faults(t, db, store.Query{Text: `DELETE FROM events WHERE (project, event_id) IN (
				SELECT project, event_id FROM events WHERE project = 'p' LIMIT 1 FOR UPDATE SKIP LOCKED)`}), "LockRows", "a lock in a subquery is seen")
		}
	})
}

// faults returns the steps of a query's plan that read a whole table or sort.
func faults(t *testing.T, db *sqldb.DB, q store.Query) (bad []string) {
	t.Helper()
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		if db.Engine() == sqldb.SQLite {
			bad = sqliteFaults(ctx, t, tx, q)
		} else {
			bad = postgresFaults(ctx, t, tx, q)
		}
		return nil
	}))
	return bad
}

// sqliteFaults reads SQLite's plan. A scan of an index is allowed: it is one that yields its first entry, for MIN.
func sqliteFaults(ctx context.Context, t *testing.T, tx sqldb.Tx, q store.Query) (bad []string) {
	rows, err := tx.QueryContext(ctx, "EXPLAIN QUERY PLAN "+q.Text, q.Args...)
	require.NoError(t, err)
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		scanned, scan := strings.CutPrefix(detail, "SCAN ")
		if strings.Contains(detail, "TEMP B-TREE") || scan && !strings.Contains(detail, "INDEX") && !slices.Contains(small, scanned) {
			bad = append(bad, detail)
		}
	}
	require.NoError(t, rows.Close())
	return bad
}

// planNode is a step of PostgreSQL's plan.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Subplan  string     `json:"Subplan Name"`
	Plans    []planNode `json:"Plans"`
}

// small are what may be read whole, since it has few rows: instances, archives, their counts that are not folded yet, and what a
// statement has chosen itself.
var small = []string{"instances", "archives", "a", "archive_counts", "c", "claimed"}

// faults of a step and those below it. Rows are locked in a common table expression, which runs once, so that a limit holds.
func (n planNode) faults(once bool) (bad []string) {
	once = once || strings.HasPrefix(n.Subplan, "CTE ")
	if strings.Contains(n.Type, "Seq Scan") && !slices.Contains(small, n.Relation) || strings.Contains(n.Type, "Sort") ||
		n.Type == "LockRows" && !once {
		bad = append(bad, n.Type)
	}
	for _, below := range n.Plans {
		bad = append(bad, below.faults(once)...)
	}
	return bad
}

// postgresFaults reads PostgreSQL's plan. The tables are empty, for which it would rather read them whole: with such steps discouraged,
// one is only there if it has to be.
func postgresFaults(ctx context.Context, t *testing.T, tx sqldb.Tx, q store.Query) []string {
	for _, discouraged := range []string{"enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"} {
		_, err := tx.ExecContext(ctx, "SET LOCAL "+discouraged+" = off")
		require.NoError(t, err)
	}
	var text string
	require.NoError(t, tx.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) "+q.Text, q.Args...).Scan(&text))
	var plans []struct{ Plan planNode }
	require.NoError(t, json.Unmarshal([]byte(text), &plans))
	require.Len(t, plans, 1)
	return plans[0].Plan.faults(false)
}
