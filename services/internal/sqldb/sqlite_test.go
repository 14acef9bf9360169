package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// holdWriter occupies the writer until the returned function is called, so that other writes queue up.
func holdWriter(t *testing.T, db *sqldb.DB) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		_ = db.Write(t.Context(), func(context.Context, sqldb.Tx) error { close(held); <-free; return nil })
	})
	<-held
	return func() { close(free); holder.Wait() }
}

func awaitQueue(t *testing.T, db *sqldb.DB, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return db.Stats().Waiting == n }, patience, time.Millisecond)
}

func TestWritesShareCommits(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, migrations())
	release := holdWriter(t, db)
	const writes = 100
	boom := errors.New("boom")
	var callers sync.WaitGroup
	for i := range writes {
		callers.Go(func() {
			err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				if err := insert(ctx, tx, fmt.Sprintf("%03d", i), i); err != nil {
					return err
				}
				switch i % 10 {
				case 3:
					return boom
				case 5:
					panic("in a group")
				case 7:
					return insert(ctx, tx, fmt.Sprintf("%03d", i), i)
				}
				return nil
			})
			switch i % 10 {
			case 3:
				if !errors.Is(err, boom) {
					t.Errorf("%d: %v", i, err)
				}
			case 5:
				if err == nil {
					t.Errorf("%d: no error", i)
				}
			case 7:
				if !sqldb.IsUnique(err) {
					t.Errorf("%d: %v", i, err)
				}
			default:
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	awaitQueue(t, db, writes)
	before := db.Stats()
	release()
	callers.Wait()
	after := db.Stats()
	require.EqualValues(t, writes, after.Writes-before.Writes)
	require.EqualValues(t, 2, after.Commits-before.Commits, "the holder, and one group")
	require.Len(t, ids(t, db), writes*7/10)
}

func TestLostTransactionTellsItsMembersAndOnlyThem(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, migrations())
	require.NoError(t, write(t, db, "taken", 0))
	release := holdWriter(t, db)
	var callers sync.WaitGroup
	results := make([]error, 3)
	for i := range results {
		callers.Go(func() {
			results[i] = db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				if i == 1 { // as a full disk does: SQLite rolls back everything
					_, err := tx.ExecContext(ctx, "INSERT OR ROLLBACK INTO items (project, id, n) VALUES ('p', 'taken', 1)")
					return err
				}
				return insert(ctx, tx, fmt.Sprint(i), i)
			})
		})
		awaitQueue(t, db, i+1)
	}
	release()
	callers.Wait()
	require.ErrorContains(t, results[0], "rolled back", "ran before the loss")
	require.True(t, sqldb.IsUnavailable(results[0]))
	require.False(t, sqldb.IsUnique(results[0]), "that is another caller's error")
	require.True(t, sqldb.IsUnique(results[1]), "%v", results[1])
	require.NoError(t, results[2], "had not run yet")
	require.Equal(t, []string{"2", "taken"}, ids(t, db))
}

func TestQueuedWriteIsDroppedWhenItsCallerLeaves(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, migrations())
	release := holdWriter(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		left <- db.Write(ctx, func(context.Context, sqldb.Tx) error { t.Error("ran"); return nil })
	}()
	awaitQueue(t, db, 1)
	cancel()
	require.ErrorIs(t, <-left, context.Canceled, "does not wait for the writer")
	release()
	require.NoError(t, write(t, db, "a", 1))
}

func TestStartedWriteGetsItsOutcome(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, migrations())
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		cancel()
		return insert(ctx, tx, "a", 1)
	}))
	require.Equal(t, []string{"a"}, ids(t, db))
}

func TestCloseFinishesQueuedWrites(t *testing.T) {
	path := sqltest.SQLitePath(t)
	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{MaxGroup: 8})
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), migrations()))
	release := holdWriter(t, db)
	const writes = 8
	var callers sync.WaitGroup
	for i := range writes {
		callers.Go(func() {
			if err := write(t, db, fmt.Sprint(i), i); err != nil {
				t.Error(err)
			}
		})
	}
	awaitQueue(t, db, writes)
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	release()
	callers.Wait()
	require.NoError(t, <-closed)
	wal, err := os.Stat(path + "-wal")
	require.True(t, os.IsNotExist(err) || wal.Size() == 0, "the file alone is complete")

	db, err = sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	require.Len(t, ids(t, db), writes)
	require.NoError(t, db.Close())
}

func TestFileBelongsToOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir?#% ü", "freshet.db")
	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), migrations()))
	require.NoError(t, write(t, db, "a", 1))
	for name, mode := range map[string]os.FileMode{
		filepath.Dir(path): os.ModeDir | 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), name)
	}
	_, err = sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.ErrorIs(t, err, sqldb.ErrInUse)
	require.ErrorContains(t, err, "database is in use by another freshet process")
	require.NoError(t, db.Close())

	db, err = sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, ids(t, db))
	require.NoError(t, db.Close())
}

func TestNotADatabase(t *testing.T) {
	path := sqltest.SQLitePath(t)
	require.NoError(t, os.WriteFile(path, []byte("this is some text and not a database at all"), 0o644))
	for range 2 { // the second time shows that the lock was given back
		_, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
		require.ErrorContains(t, err, "not a database")
	}
}

func TestManyStatementTexts(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, migrations())
	for i := range 1200 {
		require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE items SET n = %d", i)); err != nil {
				return err
			}
			rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT %d", i))
			if err != nil {
				return err
			}
			if err := rows.Close(); err != nil {
				return err
			}
			var got int
			return tx.QueryRowContext(ctx, fmt.Sprintf("SELECT %d + 0", i)).Scan(&got)
		}))
	}
}

func TestConcurrentUse(t *testing.T) {
	db := sqltest.Open(t, sqldb.SQLite, migrations())
	var users sync.WaitGroup
	var written atomic.Int64
	for i := range 16 {
		users.Go(func() {
			for n := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if n%5 == 4 {
					time.AfterFunc(time.Duration(n)*10*time.Microsecond, cancel)
				}
				err := db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
					return insert(ctx, tx, fmt.Sprintf("%d-%d", i, n), n)
				})
				if err == nil {
					written.Add(1)
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if err := db.Ping(ctx); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	users.Wait()
	require.Len(t, ids(t, db), int(written.Load()), "exactly the acknowledged writes are there")
}

func TestWorksInABubble(t *testing.T) {
	path := sqltest.SQLitePath(t)
	synctest.Test(t, func(t *testing.T) {
		db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), migrations()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, db.Listen(ctx, "c", func(string) {}), context.DeadlineExceeded)
		require.NoError(t, write(t, db, "a", 1))
		require.NoError(t, db.Close())
	})
}
