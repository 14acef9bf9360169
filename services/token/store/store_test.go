package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
	"github.com/freshet-io/freshet/services/token/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

func newSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	text, err := seal.GenerateMasterKey()
	require.NoError(t, err)
	sealer, err := seal.ParseMasterKey(text)
	require.NoError(t, err)
	return sealer
}

func TestStore(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Stores {
				db, sealer := sqltest.Open(t, engine, store.Migrations()), newSealer(t)
				return storetest.Stores{
					Same:     func() storetest.Store { return store.New(db, sealer) },
					OtherKey: func() storetest.Store { return store.New(db, newSealer(t)) },
					Query: func(query string, args ...any) (value any) {
						require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
							return tx.QueryRowContext(ctx, query, args...).Scan(&value)
						}))
						return value
					},
				}
			})
		})
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	db, err := sqldb.OpenSQLite(t.Context(), sqltest.SQLitePath(t), sqldb.Options{})
	require.NoError(t, err)
	s := store.New(db, newSealer(t))
	require.NoError(t, db.Close())
	_, err = s.Get(t.Context(), token.Key{Project: "p", Connection: "c"})
	var failure *store.Error
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Unavailable())
	require.ErrorIs(t, err, sqldb.ErrClosed)
}
