package connection_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// crm is the connection of these tests.
func crm() connection.Name { return connection.Name{Project: "p", ID: "crm"} }

func oauth2() connection.Settings {
	return connection.Settings{
		Kind: connection.KindOAuth2,
		OAuth2: connection.OAuth2{
			GrantType: connection.ClientCredentials, TokenEndpoint: "https://as.example/token", ClientID: "id",
			ClientSecret: seal.NewSecret("secret"), ClientAuthentication: connection.ClientSecretBasic, Scopes: []string{"a", "b"},
		},
	}
}

// inBubble runs a test with a service on SQLite and a clock of its own.
func inBubble(t *testing.T, fn func(t *testing.T, s *connectiontest.Suite)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fn(t, connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations())))
	})
}

// requireState waits until nothing is under way and compares the state.
func requireState(t *testing.T, s *connectiontest.Suite, want connection.State) connection.Connection {
	t.Helper()
	synctest.Wait()
	c, err := s.Service.Get(t.Context(), crm())
	require.NoError(t, err)
	require.Equal(t, want, c.State, "reason %s", c.Reason)
	return c
}

func create(t *testing.T, s *connectiontest.Suite) connection.Connection {
	t.Helper()
	c, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: oauth2()}, false)
	require.NoError(t, err)
	return c
}

// authorized creates the connection and lets its first token arrive.
func authorized(t *testing.T, s *connectiontest.Suite) connection.Connection {
	t.Helper()
	synctest.Wait()
	create(t, s)
	requireState(t, s, connection.StateAuthorizing)
	s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
	return requireState(t, s, connection.StateAuthorized)
}

func update(t *testing.T, s *connectiontest.Suite, edit func(*connection.Connection)) {
	t.Helper()
	_, err := s.Service.Update(t.Context(), crm(), connection.Update{
		Edit: func(c connection.Connection) (connection.Connection, error) {
			edit(&c)
			return c, nil
		},
	})
	require.NoError(t, err)
}

// authorize is the call that asks for a token of the connection of these tests.
func authorize(uid string, revision int64) connectiontest.Call {
	return connectiontest.Call{Method: "Authorize", Token: crm().Token(), UID: uid, Revision: revision}
}
