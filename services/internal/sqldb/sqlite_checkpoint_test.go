package sqldb_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// TestLogBeginsAnew makes sure that the log, which no commit copies into the file, does not grow for ever.
func TestLogBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	size := func(name string) int64 {
		file, err := os.Stat(name)
		require.NoError(t, err)
		return file.Size()
	}
	fill := func(statement string) {
		require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.ExecContext(ctx, statement)
			return err
		}))
	}
	fill("CREATE TABLE blobs (data BLOB)")
	const each, most = 1 << 20, 512
	written := 0
	for before := int64(-1); size(path+"-wal") > before; written++ { // it grows with each write, until it begins anew
		require.Less(t, written, most, "MiB were written and the log was never begun anew")
		before = size(path + "-wal")
		fill("INSERT INTO blobs VALUES (zeroblob(1048576))")
	}
	require.Greater(t, written, 8)
	require.Greater(t, size(path), int64(8*each), "what was in the log is in the file")
}
