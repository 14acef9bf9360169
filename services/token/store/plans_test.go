package store_test

import (
	"testing"

	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token/store"
)

// TestQueriesUseIndexes: on neither engine does a statement read a whole table, or sort what it read, but where there is little to read.
func TestQueriesUseIndexes(t *testing.T) {
	sqltest.UseIndexes(t, store.Migrations(), map[string]string{
		"DELETE FROM mint_budgets WHERE update_time": "a row for each authorization server, and an index would be written with every token request",
	})
}
