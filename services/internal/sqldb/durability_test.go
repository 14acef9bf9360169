package sqldb_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestAcknowledgedWritesSurviveAKill kills a process in the middle of its writes, and looks for what it had acknowledged.
func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	if path := os.Getenv("SQLDB_VICTIM"); path != "" {
		acknowledge(t, path)
	}
	path := sqltest.SQLitePath(t)
	victim := exec.Command(os.Args[0], "-test.run=^TestAcknowledgedWritesSurviveAKill$")
	victim.Env = append(os.Environ(), "SQLDB_VICTIM="+path)
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	var acknowledged []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acknowledged = append(acknowledged, lines.Text())
		if len(acknowledged) == 200 {
			_, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
			require.ErrorIs(t, err, sqldb.ErrInUse)
			require.NoError(t, victim.Process.Kill())
		}
	}
	_ = victim.Wait()
	require.GreaterOrEqual(t, len(acknowledged), 200)

	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err, "the kernel released the lock")
	stored := ids(t, db)
	for _, id := range acknowledged {
		_, found := slices.BinarySearch(stored, id)
		require.True(t, found, id)
	}
	require.NoError(t, db.Close())
}

// acknowledge writes until the process is killed, and prints every id after its write returned.
func acknowledge(t *testing.T, path string) {
	t.Helper()
	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), migrations()))
	lines := make(chan string)
	for caller := range 8 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%06d", caller, i)
				err := db.Write(context.Background(), func(ctx context.Context, tx sqldb.Tx) error { return insert(ctx, tx, id, i) })
				if err != nil {
					panic(err)
				}
				lines <- id
			}
		}()
	}
	for id := range lines {
		if _, err := fmt.Println(id); err != nil {
			panic(err)
		}
	}
}
