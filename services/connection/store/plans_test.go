package store_test

import (
	"testing"

	"github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestQueriesUseIndexes: on neither engine does a statement read a whole table, or sort what it read, but where there is little to read.
func TestQueriesUseIndexes(t *testing.T) { sqltest.UseIndexes(t, store.Migrations(), nil) }
