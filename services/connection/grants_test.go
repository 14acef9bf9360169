package connection_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/keys"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// ada is the grant of these tests.
func ada() connection.GrantName { return connection.GrantName{Connection: crm(), ID: "ada"} }

// users are the settings of a connection of users.
func users() connection.Settings {
	s := oauth2()
	s.OAuth2.GrantType = connection.CodeGrant
	return s
}

func draft() connection.GrantDraft {
	return connection.GrantDraft{
		Name: ada(), EndUser: "ada@example", Credential: connection.GrantCredential{RefreshToken: seal.NewSecret("r-1")},
	}
}

// granted creates the connection and the grant, and lets its first token arrive.
func granted(t *testing.T, s *connectiontest.Suite) connection.Grant {
	t.Helper()
	_, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: users()}, false)
	require.NoError(t, err)
	_, err = s.Service.CreateGrant(t.Context(), draft(), false)
	require.NoError(t, err)
	requireGrant(t, s, connection.StateAuthorizing)
	s.Tokens.Report(ada().Token(), tokenv1.Token_AUTHORIZED, 0, "")
	return requireGrant(t, s, connection.StateAuthorized)
}

// requireGrant waits until nothing is under way and compares the state.
func requireGrant(t *testing.T, s *connectiontest.Suite, want connection.State) connection.Grant {
	t.Helper()
	synctest.Wait()
	g, err := s.Service.GetGrant(t.Context(), ada())
	require.NoError(t, err)
	require.Equal(t, want, g.State, "reason %s", g.Reason)
	return g
}

func TestConnectionOfUsersHasNoToken(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		c, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: users()}, false)
		require.NoError(t, err)
		require.Equal(t, connection.StateAuthorized, c.State)
		s.Tokens.Interrupt()
		time.Sleep(time.Minute)
		requireState(t, s, connection.StateAuthorized)
		require.Empty(t, s.Tokens.Calls())

		_, err = s.Service.Authorize(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrOfUsers)
		_, err = s.Service.Deauthorize(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrOfUsers)

		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Scopes = []string{"c"} })
		c = requireState(t, s, connection.StateAuthorized)
		require.Equal(t, []string{"c"}, c.Settings.OAuth2.Scopes)
		_, err = s.Service.Update(t.Context(), crm(), connection.Update{Edit: func(c connection.Connection) (connection.Connection, error) {
			c.Settings.OAuth2.GrantType = connection.ClientCredentials
			return c, nil
		}})
		var invalid *connection.ValidationError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "oauth2.grant_type", invalid.Violations[0].Field)

		_, err = s.Service.Delete(t.Context(), crm(), "")
		require.NoError(t, err)
		synctest.Wait()
		_, err = s.Service.Get(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrNotFound)
	})
}

func TestGrantLives(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		g := granted(t, s)
		require.Equal(t, []connectiontest.Call{{Method: "Authorize", Token: ada().Token(), UID: g.UID, Revision: 1}}, s.Tokens.Calls())
		_, err := s.Service.CreateGrant(t.Context(), draft(), false)
		require.ErrorIs(t, err, connection.ErrExists)
		_, err = s.Service.Delete(t.Context(), crm(), "")
		require.ErrorIs(t, err, connection.ErrInUse)

		_, settings, err := s.Service.GrantSettings(t.Context(), ada())
		require.NoError(t, err)
		require.Equal(t, connection.RefreshToken, settings.OAuth2.GrantType)
		require.Equal(t, "r-1", settings.OAuth2.RefreshToken.Reveal())
		require.Equal(t, "WHILE_WATCHED", settings.OAuth2.Refresh.Mode)

		s.Tokens.Report(ada().Token(), tokenv1.Token_AUTHORIZING, errorsv1.Reason_TOKEN_EXPIRED, "resting")
		rested := requireGrant(t, s, connection.StateAuthorized)
		require.Equal(t, g.RowVersion, rested.RowVersion, "an account that nobody uses costs nothing here")
		s.Tokens.Report(ada().Token(), tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD, "gone")
		dead := requireGrant(t, s, connection.StateDeauthorized)
		require.Equal(t, connection.Reason("GRANT_DEAD"), dead.Reason)

		again := connection.GrantCredential{RefreshToken: seal.NewSecret("r-2")}
		_, err = s.Service.UpdateGrant(t.Context(), ada(), connection.GrantUpdate{Credential: &again})
		require.NoError(t, err)
		requireGrant(t, s, connection.StateAuthorizing)
		s.Tokens.Report(ada().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		require.Equal(t, g.UID, requireGrant(t, s, connection.StateAuthorized).UID)

		_, err = s.Service.RevokeGrant(t.Context(), ada())
		require.NoError(t, err)
		revoked := requireGrant(t, s, connection.StateDeauthorized)
		require.Equal(t, connection.ReasonDeauthorized, revoked.Reason)
		_, _, err = s.Service.GrantSettings(t.Context(), ada())
		require.ErrorIs(t, err, connection.ErrGrantNotFound, "its credential is forgotten")

		_, err = s.Service.DeleteGrant(t.Context(), ada(), "another", true)
		require.ErrorIs(t, err, connection.ErrETag)
		_, err = s.Service.DeleteGrant(t.Context(), ada(), revoked.ETag(), true)
		require.NoError(t, err)
		synctest.Wait()
		_, err = s.Service.GetGrant(t.Context(), ada())
		require.ErrorIs(t, err, connection.ErrGrantNotFound)
		require.Nil(t, s.Tokens.Status(ada().Token()))
	})
}

// TestGrantOutlivesOutages: what the token service could not be told, or told nobody, is caught up with.
func TestGrantOutlivesOutages(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		stop := connectiontest.Start(t, s.Service)
		synctest.Wait()
		s.Tokens.SetDown(true)
		_, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: users()}, false)
		require.NoError(t, err)
		_, err = s.Service.CreateGrant(t.Context(), draft(), false)
		require.NoError(t, err)
		require.Equal(t, connection.ReasonServiceUnavailable, requireGrant(t, s, connection.StateCreating).Reason)
		s.Tokens.SetDown(false)
		time.Sleep(time.Minute)
		requireGrant(t, s, connection.StateAuthorizing)

		stop()
		s.Tokens.Report(ada().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireGrant(t, s, connection.StateAuthorizing)
		s.Service = s.Replica(t, s.DB)
		connectiontest.Start(t, s.Service)
		requireGrant(t, s, connection.StateAuthorized)
	})
}

func TestReportsOfAnotherGrantAreIgnored(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		g := granted(t, s)
		for _, status := range []*tokenv1.TokenStatus{
			{Name: ada().Token(), ConnectionUid: "former", Revision: 1},
			{Name: ada().Token(), ConnectionUid: g.UID, Revision: 9},
			{Name: crm().Token() + "x", ConnectionUid: g.UID, Revision: 1},
		} {
			status.State, status.StateTime, status.Generation = tokenv1.Token_DEAUTHORIZED, timestamppb.New(time.Now().Add(time.Hour)), 7
			s.Tokens.Send(status)
		}
		require.Equal(t, g, requireGrant(t, s, connection.StateAuthorized))
	})
}

func TestGrantCredentialsAreChecked(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		authorized(t, s)
		_, err := s.Service.CreateGrant(t.Context(), draft(), false)
		require.ErrorIs(t, err, connection.ErrNoUsers)
		missing := draft()
		missing.Name.Connection.ID = "none"
		_, err = s.Service.CreateGrant(t.Context(), missing, false)
		require.ErrorIs(t, err, connection.ErrNotFound)

		missing.Name.Connection.ID = "photos"
		for bound, algorithm := range map[string]keys.Algorithm{"photos": "", "bound": keys.ES256} {
			with := users()
			with.OAuth2.DPoP = algorithm
			_, err := s.Service.Create(t.Context(), connection.Draft{Name: connection.Name{Project: "p", ID: bound}, Settings: with}, false)
			require.NoError(t, err)
		}
		access := seal.NewSecret("a")
		for _, test := range []struct {
			connection, field string
			credential        connection.GrantCredential
		}{
			{"photos", "credential", connection.GrantCredential{}},
			{"photos", "credential.access_token", connection.GrantCredential{RefreshToken: access, TokenType: "Bearer"}},
			{"photos", "credential.access_token_expire_time", connection.GrantCredential{AccessToken: access, ExpireTime: time.Now()}},
			{"bound", "credential.access_token", connection.GrantCredential{RefreshToken: access, AccessToken: access}},
		} {
			d := draft()
			d.Name.Connection.ID, d.Credential = test.connection, test.credential
			_, err := s.Service.CreateGrant(t.Context(), d, true)
			var invalid *connection.ValidationError
			require.ErrorAs(t, err, &invalid, "%+v", test)
			require.Equal(t, test.field, invalid.Violations[0].Field)
		}
	})
}

func TestGrantEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		granted(t, s)
		for _, e := range s.Bus.Events() {
			if e.DetailType == "Grant Authorized" {
				require.Equal(t, []string{crm().String(), ada().String()}, e.Resources)
				require.Equal(t, "ada@example", e.Detail["endUserId"])
				require.Equal(t, ada().String(), e.Detail["grant"])
			}
		}
		require.Equal(t, []string{"Connection Authorized", "Grant Creation Started", "Grant Authorization Started", "Grant Authorized"},
			s.Bus.Types(crm().String()))
	})
}
