package sqltest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// TestPlanFaults: whole tables and sorts are seen, indexes and what a statement found itself are not held against it.
func TestPlanFaults(t *testing.T) {
	Each(t, nil, func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.ExecContext(ctx, "CREATE TABLE t (id TEXT PRIMARY KEY, at BIGINT)")
			return err
		}))
		for query, good := range map[string]bool{
			"SELECT at FROM t WHERE id = $1":                                                            true,
			"SELECT id FROM t WHERE id > $1 ORDER BY id LIMIT $2":                                       true,
			"INSERT INTO t (id, at) VALUES ($1, $2)":                                                    true,
			"WITH f AS MATERIALIZED (SELECT id FROM t WHERE id = $1) SELECT id FROM f":                  true,
			"SELECT id FROM t WHERE at = $1":                                                            false,
			"SELECT id FROM t WHERE id > $1 ORDER BY at":                                                false,
			"DELETE FROM t WHERE at < $1":                                                               false,
			"UPDATE t SET at = 0 WHERE id IN (SELECT id FROM t WHERE at = $1 LIMIT 1) AND id LIKE '%a'": false,
		} {
			require.Equal(t, good, len(planFaults(t, db, query)) == 0, query)
		}
	})
}

// TestQueries: texts are found in the source of a package.
func TestQueries(t *testing.T) {
	t.Chdir("testdata/queries")
	require.ElementsMatch(t, []string{
		"SELECT a, b FROM t WHERE a IN ($2, $3)", "WITH claimed AS (SELECT a FROM t LIMIT $1 ) DELETE FROM t", "DELETE FROM t WHERE a = $1",
	}, Queries(t))
}
