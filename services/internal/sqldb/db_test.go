package sqldb_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestWriteCommitsOrUndoes(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, write(t, db, "a", 1))
		boom := errors.New("boom")
		err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, insert(ctx, tx, "b", 2))
			return boom
		})
		require.Equal(t, boom, err, "the error is passed on as it is")
		require.Equal(t, []string{"a"}, ids(t, db))
		require.EqualValues(t, 1, db.Stats().Commits)
	})
}

func TestNestedTransactionIsAnError(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		nothing := func(context.Context, sqldb.Tx) error { return nil }
		require.ErrorIs(t, db.Write(t.Context(), func(ctx context.Context, _ sqldb.Tx) error {
			return db.Write(ctx, nothing)
		}), sqldb.ErrNested)
		require.ErrorIs(t, db.Write(t.Context(), func(ctx context.Context, _ sqldb.Tx) error {
			return db.Read(ctx, nothing)
		}), sqldb.ErrNested)
		require.ErrorIs(t, db.Read(t.Context(), func(ctx context.Context, _ sqldb.Tx) error {
			return db.Write(ctx, nothing)
		}), sqldb.ErrNested)
		other := sqltest.Open(t, db.Engine(), nil)
		require.NoError(t, db.Write(t.Context(), func(ctx context.Context, _ sqldb.Tx) error {
			return other.Write(ctx, nothing)
		}), "another database is no nesting")
	})
}

func TestPanicAndExitCostOneTransaction(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, insert(ctx, tx, "panic", 1))
			panic("ouch")
		})
		require.ErrorContains(t, err, "panic in transaction: ouch")
		require.ErrorContains(t, db.Read(t.Context(), func(context.Context, sqldb.Tx) error { panic("ouch") }), "ouch")

		exited := make(chan struct{})
		for _, transact := range []func(context.Context, func(context.Context, sqldb.Tx) error) error{db.Write, db.Read} {
			go func() {
				defer func() { exited <- struct{}{} }()
				_ = transact(t.Context(), func(context.Context, sqldb.Tx) error { runtime.Goexit(); return nil })
			}()
			<-exited
		}
		require.NoError(t, write(t, db, "after", 2))
		require.Equal(t, []string{"after"}, ids(t, db))
	})
}

func TestFailedStatementEndsTheTransaction(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, write(t, db, "a", 1))
		err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, insert(ctx, tx, "b", 1))
			require.True(t, sqldb.IsUnique(insert(ctx, tx, "a", 2)))
			require.Error(t, insert(ctx, tx, "c", 3))
			_, err := tx.QueryContext(ctx, "SELECT id FROM items")
			require.Error(t, err)
			var n int
			require.Error(t, tx.QueryRowContext(ctx, "SELECT 1").Scan(&n))
			return nil
		})
		require.Error(t, err, "an ignored error must not commit the rest")
		require.Equal(t, []string{"a"}, ids(t, db))
	})
}

func TestStatementWhileRowsAreOpenIsAnError(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, write(t, db, "a", 1))
		require.NoError(t, write(t, db, "b", 1))
		open := func(ctx context.Context, tx sqldb.Tx) error {
			rows, err := tx.QueryContext(ctx, "SELECT id FROM items ORDER BY id")
			require.NoError(t, err)
			defer rows.Close()
			require.True(t, rows.Next())
			var n int
			return tx.QueryRowContext(ctx, "SELECT 1").Scan(&n)
		}
		require.Error(t, db.Write(t.Context(), open))
		require.Error(t, db.Read(t.Context(), open))
		// Rows and a Row left open do not disturb the next transaction, which uses the same statements.
		for range 3 {
			require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				rows, err := tx.QueryContext(ctx, "SELECT id FROM items ORDER BY id")
				require.True(t, rows.Next())
				return err
			}))
			require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				return tx.QueryRowContext(ctx, "SELECT id FROM items ORDER BY id").Err()
			}))
		}
		require.Equal(t, []string{"a", "b"}, ids(t, db))
	})
}

func TestTxEndsWithItsFunction(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		var kept sqldb.Tx
		require.NoError(t, db.Write(t.Context(), func(_ context.Context, tx sqldb.Tx) error { kept = tx; return nil }))
		require.Error(t, insert(t.Context(), kept, "late", 1))
		require.Error(t, kept.QueryRowContext(t.Context(), "SELECT 1").Err())
		require.Empty(t, ids(t, db))
	})
}

func TestReadSeesOneState(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, write(t, db, "a", 1))
		count := func(ctx context.Context, tx sqldb.Tx) (n int) {
			require.NoError(t, tx.QueryRowContext(ctx, "SELECT count(*) FROM items").Scan(&n))
			return n
		}
		require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			before := count(ctx, tx)
			require.NoError(t, write(t, db, "b", 2), "a write by someone else")
			require.Equal(t, before, count(ctx, tx))
			return nil
		}))
		require.Equal(t, []string{"a", "b"}, ids(t, db))
		require.Error(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return insert(ctx, tx, "c", 3)
		}), "a read cannot write")
	})
}

func TestEndedContext(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		never := func(context.Context, sqldb.Tx) error { t.Error("ran"); return nil }
		require.ErrorIs(t, db.Write(ctx, never), context.Canceled)
		require.ErrorIs(t, db.Read(ctx, never), context.Canceled)

		ctx, cancel = context.WithCancel(t.Context())
		err := db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			time.AfterFunc(50*time.Millisecond, cancel)
			var n int
			return tx.QueryRowContext(ctx, `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n < 2000000000)
				SELECT count(*) FROM c`).Scan(&n)
		})
		require.ErrorIs(t, err, context.Canceled, "a long query is interrupted")
		require.False(t, sqldb.IsUnavailable(err))
		for range 20 { // every connection still works
			require.NoError(t, db.Ping(t.Context()))
		}
	})
}

func TestErrorsAreTold(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, write(t, db, "a", 1))
		err := write(t, db, "a", 2)
		require.True(t, sqldb.IsUnique(err), "primary key: %v", err)
		require.False(t, sqldb.IsUnavailable(err))

		name := func(id int) error {
			return db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				var got int
				return tx.QueryRowContext(ctx, "INSERT INTO names (project, id, name) VALUES ('p', $1, 'x') RETURNING id", id).Scan(&got)
			})
		}
		require.NoError(t, name(1))
		require.True(t, sqldb.IsUnique(name(2)), "unique index, through QueryRow")

		err = db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO items (project, id, n) VALUES ('p', 'null', NULL)")
			return err
		})
		require.Error(t, err)
		require.False(t, sqldb.IsUnique(err), "another constraint")
		require.False(t, sqldb.IsUnique(nil))
		require.False(t, sqldb.IsUnavailable(nil))
	})
}

func TestClosedDatabase(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		listening := make(chan error)
		go func() { listening <- db.Listen(t.Context(), "c", func(string) {}) }()
		require.NoError(t, db.Close())
		require.NoError(t, db.Close(), "twice is once")
		require.ErrorIs(t, <-listening, sqldb.ErrClosed)
		for _, err := range []error{
			write(t, db, "a", 1), db.Ping(t.Context()), db.Migrate(t.Context(), migrations()),
			db.Listen(t.Context(), "c", func(string) {}),
		} {
			require.ErrorIs(t, err, sqldb.ErrClosed)
			require.True(t, sqldb.IsUnavailable(err))
		}
	})
}

func TestMigrate(t *testing.T) {
	sqltest.Each(t, nil, func(t *testing.T, db *sqldb.DB) {
		var replicas sync.WaitGroup
		for range 4 {
			replicas.Go(func() {
				if err := db.Migrate(t.Context(), migrations()); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		require.NoError(t, write(t, db, "a", 1))
		require.NoError(t, db.Migrate(t.Context(), migrations()), "again is nothing")

		more := fstest.MapFS{
			"sqlite/00003_more.sql":   {Data: []byte("-- +goose Up\nALTER TABLE items ADD COLUMN note TEXT;\n")},
			"postgres/00003_more.sql": {Data: []byte("-- +goose Up\nALTER TABLE items ADD COLUMN note TEXT;\n")},
		}
		maps.Copy(more, migrations().(fstest.MapFS))
		star := func(ctx context.Context, tx sqldb.Tx) error {
			rows, err := tx.QueryContext(ctx, "SELECT * FROM items")
			if err != nil {
				return err
			}
			return rows.Close()
		}
		require.NoError(t, db.Write(t.Context(), star))
		require.NoError(t, db.Migrate(t.Context(), more))
		for range 4 {
			require.NoError(t, db.Write(t.Context(), star), "plans from before the migration are replaced")
		}
		require.NoError(t, db.Migrate(t.Context(), migrations()), "an older release on a newer schema")

		broken := fstest.MapFS{string(db.Engine()) + "/00009_x.sql": {Data: []byte("-- +goose Up\nCREATE NONSENSE;\n")}}
		require.ErrorContains(t, db.Migrate(t.Context(), broken), "00009_x.sql")
		require.ErrorContains(t, db.Migrate(t.Context(), fstest.MapFS{}), "migrations for "+string(db.Engine()))
	})
}

func TestForUpdateSkipLockedIsValidSQL(t *testing.T) {
	sqltest.Each(t, migrations(), func(t *testing.T, db *sqldb.DB) {
		require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			rows, err := tx.QueryContext(ctx, "SELECT id FROM items LIMIT 1 "+db.ForUpdateSkipLocked())
			if err != nil {
				return err
			}
			return rows.Close()
		}))
	})
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600))
	require.True(t, at.Equal(sqldb.Time(sqldb.Micros(at))))
	require.Equal(t, time.UTC, sqldb.Time(sqldb.Micros(at)).Location())
	require.Zero(t, sqldb.Micros(time.Time{}))
	require.True(t, sqldb.Time(0).IsZero())
}
