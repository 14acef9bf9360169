package sqltest

import (
	"context"
	"encoding/json"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// UseIndexes fails the test if, on either engine, a statement of the package in the current directory reads a whole table, or sorts what it
// read. Statements that begin with a key of but, in which spaces count as one, may: its value says why, or where else it is looked at.
func UseIndexes(t *testing.T, migrations fs.FS, but map[string]string, more ...string) {
	t.Helper()
	var queries []string
	used := map[string]bool{}
	for _, query := range append(Queries(t), more...) {
		plain := strings.Join(strings.Fields(query), " ")
		excepted := false
		for beginning := range but {
			if strings.HasPrefix(plain, beginning) {
				excepted, used[beginning] = true, true
			}
		}
		if !excepted {
			queries = append(queries, query)
		}
	}
	for beginning := range but {
		require.True(t, used[beginning], "no statement begins so: %s", beginning)
	}
	Each(t, migrations, func(t *testing.T, db *sqldb.DB) {
		for _, query := range queries {
			if bad := planFaults(t, db, query); len(bad) > 0 {
				t.Errorf("%s\n%s", query, strings.Join(bad, "\n"))
			}
		}
	})
}

// planFaults returns the steps of a statement's plan that read a whole table, or sort what they read. The statement does not run.
func planFaults(t testing.TB, db *sqldb.DB, query string) (bad []string) {
	t.Helper()
	explain := postgresFaults
	if db.Engine() == sqldb.SQLite {
		explain = sqliteFaults
	}
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) (err error) {
		bad, err = explain(ctx, tx, query)
		return err
	}), query)
	return bad
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// parameters returns how many a statement has.
func parameters(query string) (n int) {
	for _, match := range parameter.FindAllStringSubmatch(query, -1) {
		number, _ := strconv.Atoi(match[1]) // digits
		n = max(n, number)
	}
	return n
}

// sqliteFaults reads SQLite's plan. A scan of an index is allowed: it is one that yields its first entries.
func sqliteFaults(ctx context.Context, tx sqldb.Tx, query string) (bad []string, err error) {
	rows, err := tx.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, make([]any, parameters(query))...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		scanned, scans := strings.CutPrefix(detail, "SCAN ")
		whole := scans && !strings.Contains(detail, "INDEX") && detail != "SCAN CONSTANT ROW"
		// What the statement itself found before, by other steps, is read whole.
		found := strings.Contains(query, "WITH "+scanned+" AS ") || strings.Contains(query, ") AS "+scanned)
		if whole && !found || strings.Contains(detail, "TEMP B-TREE") {
			bad = append(bad, detail)
		}
	}
	return bad, rows.Close()
}

// planNode is a step of PostgreSQL's plan.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Plans    []planNode `json:"Plans"`
}

// faults of a step and those below it.
func (n planNode) faults() (bad []string) {
	if strings.Contains(n.Type, "Seq Scan") || strings.Contains(n.Type, "Sort") {
		bad = append(bad, strings.TrimSpace(n.Type+" "+n.Relation))
	}
	for _, below := range n.Plans {
		bad = append(bad, below.faults()...)
	}
	return bad
}

// postgresFaults reads PostgreSQL's plan for whatever arguments. The tables are empty, for which it would rather read them whole: with such
// steps discouraged, one is only there if it has to be.
func postgresFaults(ctx context.Context, tx sqldb.Tx, query string) ([]string, error) {
	arguments := ""
	if n := parameters(query); n > 0 {
		arguments = "(NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	for _, statement := range []string{
		"SET LOCAL plan_cache_mode = force_generic_plan", "SET LOCAL enable_seqscan = off", "SET LOCAL enable_sort = off",
		"SET LOCAL enable_bitmapscan = off", "SET LOCAL enable_hashjoin = off", "SET LOCAL enable_mergejoin = off",
		"PREPARE planned AS " + query,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	var text string
	if err := tx.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) EXECUTE planned"+arguments).Scan(&text); err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "DEALLOCATE planned"); err != nil {
		return nil, err
	}
	var plans []struct{ Plan planNode }
	err := json.Unmarshal([]byte(text), &plans)
	var bad []string
	for _, p := range plans {
		bad = append(bad, p.Plan.faults()...)
	}
	return bad, err
}
