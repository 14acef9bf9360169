package sqldb_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestConflictingWritesAreRepeated(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, migrations())
	require.NoError(t, write(t, db, "a", 0))
	require.NoError(t, write(t, db, "b", 0))
	add := func(ctx context.Context, tx sqldb.Tx, id string) error {
		_, err := tx.ExecContext(ctx, "UPDATE items SET n = n + 1 WHERE id = $1", id)
		return err
	}
	// Both lock one row and then want the other's: PostgreSQL ends one of them, which must then succeed.
	var locked, callers sync.WaitGroup
	locked.Add(2)
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		callers.Go(func() {
			var first sync.Once
			if err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				if err := add(ctx, tx, order[0]); err != nil {
					return err
				}
				first.Do(func() { locked.Done(); locked.Wait() })
				return add(ctx, tx, order[1])
			}); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	var sum int
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT sum(n) FROM items").Scan(&sum)
	}))
	require.Equal(t, 4, sum, "both once")
	require.Greater(t, db.Stats().Writes, db.Stats().Commits, "one was repeated")
}

func TestReplicasStartAtOnce(t *testing.T) {
	dsn := sqltest.PostgresDSN(t)
	var replicas sync.WaitGroup
	for range 6 {
		replicas.Go(func() {
			db, err := sqldb.OpenPostgres(t.Context(), dsn, "fresh", sqldb.Options{MaxConns: 3})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Migrate(t.Context(), migrations()); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	replicas.Wait()
	db, err := sqldb.OpenPostgres(t.Context(), dsn, "fresh", sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, write(t, db, "a", 1))
	require.NoError(t, db.Close())

	other, err := sqldb.OpenPostgres(t.Context(), dsn, "other", sqldb.Options{})
	require.NoError(t, err)
	require.Error(t, write(t, other, "a", 1), "schemas do not see each other")
	require.NoError(t, other.Close())
}

func TestListen(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, migrations())
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan string, 10), make(chan error, 1)
	go func() { ended <- db.Listen(ctx, "tokens", func(payload string) { heard <- payload }) }()
	require.Empty(t, <-heard, "a fresh connection")

	say := func(payload string, result error) error {
		return db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, db.Notify(ctx, tx, "tokens", payload))
			return result
		})
	}
	require.ErrorIs(t, say("undone", context.DeadlineExceeded), context.DeadlineExceeded)
	require.NoError(t, say("one", nil))
	require.NoError(t, say("two", nil))
	require.Equal(t, "one", <-heard, "only what was committed")
	require.Equal(t, "two", <-heard)

	require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE query LIKE 'LISTEN %tokens%' AND datname = current_database()`)
		return err
	}))
	require.Empty(t, <-heard, "connected again")
	require.NoError(t, say("three", nil))
	require.Equal(t, "three", <-heard)

	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestNotifyChecksItsArguments(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, nil)
	notify := func(channel, payload string) error {
		return db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error { return db.Notify(ctx, tx, channel, payload) })
	}
	require.ErrorContains(t, notify("c", strings.Repeat("x", 8000)), "at most 7999")
	require.NoError(t, notify("c", strings.Repeat("x", 7999)))
	require.ErrorContains(t, notify("", "x"), "want 1 to")
	require.ErrorContains(t, notify(strings.Repeat("c", 63), "x"), "want 1 to")
	require.ErrorContains(t, db.Listen(t.Context(), "", nil), "want 1 to")
}

func TestServerThatGoesAwayIsUnavailable(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, migrations())
	err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	})
	require.Error(t, err)
	require.True(t, sqldb.IsUnavailable(err), "%v", err)
	require.NoError(t, write(t, db, "a", 1), "the next one has a new connection")

	_, err = sqldb.OpenPostgres(t.Context(), "postgres://u:hunter2@/db?host="+t.TempDir(), "s", sqldb.Options{})
	require.Error(t, err)
	require.True(t, sqldb.IsUnavailable(err), "%v", err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestPasswordIsInNoError(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2@host:port/db", "postgres://u:hun/ter2@host/db", "host=h password=hunter2 port=x",
		"host=h password='hunter2", "postgres://u:%zzhunter2@h/db", "postgres://h/db?password=hunter2&sslmode=x",
	} {
		_, err := sqldb.OpenPostgres(t.Context(), dsn, "s", sqldb.Options{})
		require.ErrorContains(t, err, "DSN is not valid", dsn)
		require.NotContains(t, err.Error(), "ter2", dsn)
	}
	dsn := "postgres://u:hunter2@h/db?sslmode=verify-full&sslrootcert=/no/such"
	_, err := sqldb.OpenPostgres(t.Context(), dsn, "s", sqldb.Options{})
	require.ErrorContains(t, err, "/no/such")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestSchemaNames(t *testing.T) {
	for _, schema := range []string{"", "A", "1a", "a-b", `a"b`, strings.Repeat("a", 41)} {
		_, err := sqldb.OpenPostgres(t.Context(), "postgres://h/db", schema, sqldb.Options{})
		require.ErrorContains(t, err, "schema", schema)
	}
}

func TestConnectionsTellWhoTheyAre(t *testing.T) {
	dsn := sqltest.PostgresDSN(t)
	for suffix, want := range map[string]string{"": "freshet", "&application_name=mine": "mine"} {
		u, err := url.Parse(dsn + suffix)
		require.NoError(t, err)
		db, err := sqldb.OpenPostgres(t.Context(), u.String(), "s", sqldb.Options{})
		require.NoError(t, err)
		require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			var name, path string
			row := tx.QueryRowContext(ctx, "SELECT current_setting('application_name'), current_setting('search_path')")
			require.NoError(t, row.Scan(&name, &path))
			require.Equal(t, want, name)
			require.Equal(t, "s", path)
			return nil
		}))
		require.NoError(t, db.Close())
	}
}

func TestSchemaMayBeMadeByAnAdministrator(t *testing.T) {
	dsn := sqltest.PostgresDSN(t)
	admin, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer admin.Close(context.WithoutCancel(t.Context()))
	_, err = admin.Exec(t.Context(), `CREATE SCHEMA given; CREATE ROLE `+role(t, admin)+` LOGIN`)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), "GRANT USAGE, CREATE ON SCHEMA given TO "+role(t, admin))
	require.NoError(t, err)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("user", role(t, admin))
	u.RawQuery = q.Encode()
	db, err := sqldb.OpenPostgres(t.Context(), u.String(), "given", sqldb.Options{})
	require.NoError(t, err, "needs no right to create schemas")
	require.NoError(t, db.Migrate(t.Context(), migrations()))
	require.NoError(t, db.Close())
	_, err = sqldb.OpenPostgres(t.Context(), u.String(), "missing", sqldb.Options{})
	require.ErrorContains(t, err, "permission denied")
}

// role names a role after the test's database, since roles belong to the server.
func role(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var name string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name))
	return name + "_role"
}
