package sqltest

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// templates are SQLite files with migrations applied, by the digest of the migrations. Tests get copies of them: a copy takes a
// tenth of the time that the migrations do. As the server, they are the test binary's. On PostgreSQL a copy takes as long as
// the migrations.
var templates struct {
	mu    sync.Mutex
	files map[[sha256.Size]byte][]byte
}

// sqliteTemplate returns a database file with the migrations applied.
func sqliteTemplate(t testing.TB, migrations fs.FS) []byte {
	t.Helper()
	key := digest(t, migrations)
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if file, ok := templates.files[key]; ok {
		return file
	}
	path := filepath.Join(t.TempDir(), "template.db")
	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	err = db.Migrate(t.Context(), migrations)
	require.NoError(t, db.Close()) // leaves everything in the one file
	require.NoError(t, err)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	if templates.files == nil {
		templates.files = map[[sha256.Size]byte][]byte{}
	}
	templates.files[key] = file
	return file
}

// digest identifies migrations by what they say.
func digest(t testing.TB, migrations fs.FS) [sha256.Size]byte {
	t.Helper()
	hash := sha256.New()
	require.NoError(t, fs.WalkDir(migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations, path)
		_, _ = hash.Write(append([]byte(path+"\x00"), text...)) // never fails
		return err
	}))
	return [sha256.Size]byte(hash.Sum(nil))
}
