package sqltest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

func TestEachGivesEmptyDatabases(t *testing.T) {
	for range 2 {
		sqltest.Each(t, nil, func(t *testing.T, db *sqldb.DB) {
			require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				_, err := tx.ExecContext(ctx, "CREATE TABLE t (id TEXT PRIMARY KEY)") // fails if it is there
				return err
			}))
		})
	}
}

func TestPostgresDSNIsADatabaseOfItsOwn(t *testing.T) {
	dsn := sqltest.PostgresDSN(t)
	require.True(t, strings.HasPrefix(dsn, "postgres://"), dsn)
	require.NotEqual(t, dsn, sqltest.PostgresDSN(t))
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	var tables int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables))
	require.Zero(t, tables)
}

// TestServerDiesWithItsTestBinary kills a test binary that has a server, and waits for the server to be gone.
func TestServerDiesWithItsTestBinary(t *testing.T) {
	if out := os.Getenv("SQLTEST_VICTIM"); out != "" {
		require.NoError(t, os.WriteFile(out+".tmp", []byte(sqltest.PostgresDSN(t)), 0o600))
		require.NoError(t, os.Rename(out+".tmp", out))
		select {} // until killed
	}
	if os.Getenv("FRESHET_TEST_POSTGRES") != "" {
		t.Skip("the server is not ours to watch")
	}
	out := filepath.Join(t.TempDir(), "dsn")
	victim := exec.Command(os.Args[0], "-test.run=^TestServerDiesWithItsTestBinary$")
	victim.Env = append(os.Environ(), "SQLTEST_VICTIM="+out)
	require.NoError(t, victim.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(out); return err == nil }, time.Minute, 20*time.Millisecond)
	dsn, err := os.ReadFile(out)
	require.NoError(t, err)
	config, err := pgx.ParseConfig(string(dsn))
	require.NoError(t, err)
	pidFile, err := os.ReadFile(filepath.Join(config.Host, "data", "postmaster.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.Fields(string(pidFile))[0])
	require.NoError(t, err)

	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait()
	require.Eventually(t, func() bool {
		_, err := os.Stat("/proc/" + strconv.Itoa(pid))
		return os.IsNotExist(err) || isZombie(pid)
	}, time.Minute, 20*time.Millisecond)
	require.NoError(t, os.RemoveAll(config.Host))
}

// isZombie tells whether the process has ended but nobody has asked for its result, as in a container without init.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}
