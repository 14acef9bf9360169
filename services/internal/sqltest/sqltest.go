package sqltest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// maxConns is the pool size of a test's database. A server of ours takes 100 connections.
const maxConns = 8

// Each runs fn once per engine, in subtests named after it, each on an empty database with the migrations applied.
// Nil migrations leave it empty.
func Each(t *testing.T, migrations fs.FS, fn func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) { fn(t, Open(t, engine, migrations)) })
	}
}

// Open returns an empty database with the migrations applied: a file in the test's directory, or a new schema on the test
// server. It is closed, and the schema dropped, when the test ends.
func Open(t testing.TB, engine sqldb.Engine, migrations fs.FS) *sqldb.DB {
	t.Helper()
	var db *sqldb.DB
	var err error
	switch engine {
	case sqldb.SQLite:
		path := SQLitePath(t)
		if migrations != nil {
			require.NoError(t, os.WriteFile(path, sqliteTemplate(t, migrations), 0o600))
		}
		db, err = sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	case sqldb.Postgres:
		dsn, schema := serverDSN(t), "test_"+unique()
		t.Cleanup(func() { execute(t, dsn, "DROP SCHEMA IF EXISTS "+schema+" CASCADE") })
		db, err = sqldb.OpenPostgres(t.Context(), dsn, schema, sqldb.Options{MaxConns: maxConns})
	default:
		require.FailNow(t, "unknown engine", engine)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	if migrations != nil && engine == sqldb.Postgres {
		require.NoError(t, db.Migrate(t.Context(), migrations))
	}
	return db
}

// PostgresDSN returns the DSN, a URL, of a new database without tables, for tests that start processes. The database is dropped
// when the test ends.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	dsn, name := serverDSN(t), "test_"+unique()
	execute(t, dsn, "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() { execute(t, dsn, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return withDatabase(t, dsn, name)
}

// SQLitePath returns the path of a file that does not exist yet, in the test's own directory.
func SQLitePath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "freshet.db")
}

// Wrap makes a test main that also stops the server, for goleak.VerifyTestMain.
func Wrap(m *testing.M) Runner { return Runner{m} }

// Runner runs the tests of a package, see [Wrap].
type Runner struct{ m *testing.M }

// Run is [Main].
func (r Runner) Run() int { return Main(r.m) }

// Main runs the tests, stops the server if there is one, and returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if err := stopServer(); err != nil {
		println("sqltest: stop PostgreSQL:", err.Error())
		return max(code, 1)
	}
	return code
}

// execute runs a statement on a connection of its own. It is used in cleanups, where t.Context has ended.
func execute(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
}

// withDatabase returns the DSN with another database name.
func withDatabase(t testing.TB, dsn, name string) string {
	t.Helper()
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name
	}
	u, err := url.Parse(dsn)
	require.NoError(t, err, "FRESHET_TEST_POSTGRES")
	u.Path = "/" + name
	return u.String()
}

// unique makes names that do not meet on a server shared by several test binaries.
func unique() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see its documentation
	return hex.EncodeToString(b[:])
}
