package store_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/calllog"
	"github.com/freshet-io/freshet/services/calllog/store"
	"github.com/freshet-io/freshet/services/calllog/storetest"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

func TestStore(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) calllog.Store { return store.New(sqltest.Open(t, engine, store.Migrations())) })
		})
	}
}

// TestQueriesUseIndexes: on neither engine does a statement read a whole table, or sort what it read.
func TestQueriesUseIndexes(t *testing.T) { sqltest.UseIndexes(t, store.Migrations(), nil) }
