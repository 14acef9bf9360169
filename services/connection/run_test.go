package connection_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
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
	require.Equal(t, want, c.State)
	return c
}

func create(t *testing.T, s *connectiontest.Suite) connection.Connection {
	t.Helper()
	c, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: oauth2()}, false)
	require.NoError(t, err)
	return c
}

func TestLife(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		created := create(t, s)
		require.Equal(t, connection.StateCreating, created.State)
		require.Equal(t, connection.ReasonTokenNotReady, created.Reason)

		c := requireState(t, s, connection.StateAuthorizing)
		require.Equal(t, connection.PendingNothing, c.Pending)
		require.Equal(t, []connectiontest.Call{{Method: "Authorize", Token: crm().Token(), UID: created.UID, Revision: 1}}, s.Tokens.Calls())

		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		c = requireState(t, s, connection.StateAuthorized)
		require.Empty(t, c.Reason)
		require.False(t, c.AuthorizeTime.IsZero())

		s.Tokens.Report(crm().Token(), tokenv1.Token_FAILED_CONNECTIVITY, errorsv1.Reason_NOT_SENT, "connection refused")
		c = requireState(t, s, connection.StateFailedConnectivity)
		require.Equal(t, connection.Reason("NOT_SENT"), c.Reason)
		require.Equal(t, "connection refused", c.Message)

		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)

		_, err := s.Service.Deauthorize(t.Context(), crm())
		require.NoError(t, err)
		c = requireState(t, s, connection.StateDeauthorized)
		require.Equal(t, connection.ReasonDeauthorized, c.Reason)

		_, err = s.Service.Authorize(t.Context(), crm())
		require.NoError(t, err)
		requireState(t, s, connection.StateAuthorizing)
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)

		deleted, err := s.Service.Delete(t.Context(), crm(), "")
		require.NoError(t, err)
		require.Equal(t, connection.StateDeleting, deleted.State)
		synctest.Wait()
		_, err = s.Service.Get(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrNotFound)
		require.Nil(t, s.Tokens.Status(crm().Token()))

		require.Equal(t, []string{
			"Connection Creation Started", "Connection Authorization Started", "Connection Authorized", "Connection Failed Connectivity",
			"Connection Authorized", "Connection Deauthorization Started", "Connection Deauthorized", "Connection Authorization Started",
			"Connection Authorized", "Connection Deletion Started",
		}, s.Bus.Types(crm().String()))
	})
}
