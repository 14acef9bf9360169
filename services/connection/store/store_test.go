package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/connection/storetest"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

func TestStore(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) connection.Store {
				return store.New(sqltest.Open(t, engine, store.Migrations()), connectiontest.NewSealer(t))
			})
		})
	}
}

func TestGrants(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.RunGrants(t, func(t *testing.T) storetest.GrantStore {
				return store.New(sqltest.Open(t, engine, store.Migrations()), connectiontest.NewSealer(t))
			})
		})
	}
}

func TestInterfaces(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.RunInterfaces(t, func(t *testing.T) interfaces.Store {
				return store.New(sqltest.Open(t, engine, store.Migrations()), connectiontest.NewSealer(t))
			})
		})
	}
}

// canary is in every secret of these tests and nowhere else.
const canary = "canary-7f3e9a"

func secretive(id string) connection.Connection {
	secret := func(what string) seal.Secret { return seal.NewSecret(canary + what) }
	parameters := connection.Parameters{
		Headers: []connection.Parameter{{Key: "h", Value: secret("header"), Secret: true}},
		Query:   []connection.Parameter{{Key: "q", Value: secret("query"), Secret: true}},
		Body:    []connection.Parameter{{Key: "b", Value: secret("body"), Secret: true}},
	}
	c := connection.Connection{
		Name: connection.Name{Project: "p", ID: id}, UID: "uid", State: connection.StateCreating,
		Settings: connection.Settings{
			Kind:       connection.KindOAuth2,
			OAuth2:     connection.OAuth2{TokenEndpoint: "https://as.example/visible", Token: parameters},
			Invocation: parameters,
		},
	}
	fillSecrets(reflect.ValueOf(&c.Settings).Elem(), secret)
	return c
}

// fillSecrets sets every secret field of v.
func fillSecrets(v reflect.Value, secret func(what string) seal.Secret) {
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case field.Type() == reflect.TypeFor[seal.Secret]():
			field.Set(reflect.ValueOf(secret(v.Type().Name() + v.Type().Field(i).Name)))
		case field.Kind() == reflect.Struct:
			fillSecrets(field, secret)
		}
	}
}

// TestNoSecretInTheFile looks for secrets in every byte that SQLite wrote, the log included.
func TestNoSecretInTheFile(t *testing.T) {
	path := sqltest.SQLitePath(t)
	db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), store.Migrations()))
	s := store.New(db, connectiontest.NewSealer(t))
	c := secretive("c")
	require.NoError(t, s.Create(t.Context(), c, nil))
	c.RowVersion = 1
	require.NoError(t, s.UpdateSettings(t.Context(), c, nil))

	look := func() {
		files, err := filepath.Glob(path + "*")
		require.NoError(t, err)
		var all []byte
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			all = append(all, text...)
		}
		require.False(t, bytes.Contains(all, []byte(canary)))
		require.True(t, bytes.Contains(all, []byte("https://as.example/visible")), "the search finds nothing at all")
	}
	look()
	require.NoError(t, db.Close())
	look()
}

func TestSecretsUnreadable(t *testing.T) {
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		sealer := connectiontest.NewSealer(t)
		s := store.New(db, sealer)
		require.NoError(t, s.Create(t.Context(), secretive("c"), nil))
		require.NoError(t, s.Create(t.Context(), secretive("d"), nil))

		_, err := store.New(db, connectiontest.NewSealer(t)).GetWithSecrets(t.Context(), connection.Name{Project: "p", ID: "c"})
		require.ErrorIs(t, err, connection.ErrSecretsUnreadable)

		// Moved to another row, they do not open either.
		require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE connections SET sealed_secrets =
				(SELECT sealed_secrets FROM connections WHERE connection_id = $1) WHERE connection_id = $2`, "c", "d")
			return err
		}))
		_, err = s.GetWithSecrets(t.Context(), connection.Name{Project: "p", ID: "d"})
		require.ErrorIs(t, err, connection.ErrSecretsUnreadable)
		require.NotContains(t, err.Error(), canary)
		_, err = s.GetWithSecrets(t.Context(), connection.Name{Project: "p", ID: "c"})
		require.NoError(t, err)
	})
}

func TestClosedDatabaseIsUnavailable(t *testing.T) {
	db, err := sqldb.OpenSQLite(t.Context(), sqltest.SQLitePath(t), sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = store.New(db, connectiontest.NewSealer(t)).Get(t.Context(), connection.Name{Project: "p", ID: "c"})
	var unavailable interface{ Unavailable() bool }
	require.ErrorAs(t, err, &unavailable)
	require.True(t, unavailable.Unavailable())
}

func TestGrantJobs(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.RunGrantJobs(t, func(t *testing.T) storetest.GrantJobStore {
				return store.New(sqltest.Open(t, engine, store.Migrations()), connectiontest.NewSealer(t))
			})
		})
	}
}

func TestSessions(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			storetest.RunSessions(t, func(t *testing.T) connect.Store {
				return store.New(sqltest.Open(t, engine, store.Migrations()), connectiontest.NewSealer(t))
			})
		})
	}
}
