package sqldb_test

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// migrations creates one table, the same on both engines, and a second one in a later file.
func migrations() fs.FS {
	const items = "-- +goose Up\nCREATE TABLE items (project TEXT, id TEXT, n BIGINT NOT NULL, PRIMARY KEY (project, id));\n"
	const names = "-- +goose Up\nCREATE TABLE names (project TEXT, id BIGINT, name TEXT);\n" +
		"CREATE UNIQUE INDEX names_name ON names (project, name);\n"
	files := fstest.MapFS{}
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		files[string(engine)+"/00001_items.sql"] = &fstest.MapFile{Data: []byte(items)}
		files[string(engine)+"/00002_names.sql"] = &fstest.MapFile{Data: []byte(names)}
	}
	return files
}

func insert(ctx context.Context, tx sqldb.Tx, id string, n int) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO items (project, id, n) VALUES ($1, $2, $3)", "p", id, n)
	return err
}

func write(t *testing.T, db *sqldb.DB, id string, n int) error {
	t.Helper()
	return db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error { return insert(ctx, tx, id, n) })
}

// ids returns the ids of all items, in order.
func ids(t *testing.T, db *sqldb.DB) []string {
	t.Helper()
	var out []string
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		out = nil
		rows, err := tx.QueryContext(ctx, "SELECT id FROM items WHERE project = $1 ORDER BY id", "p")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			out = append(out, id)
		}
		return rows.Err()
	}))
	return out
}
