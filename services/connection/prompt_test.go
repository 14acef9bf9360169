package connection_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
)

// TestTokenIsKnownBeforeTheAnswer, whether or not the service's loops run, and is told of once.
func TestTokenIsKnownBeforeTheAnswer(t *testing.T) {
	for name, start := range map[string]func(testing.TB, *connection.Service) func(){
		"with loops": connectiontest.Start, "without": func(testing.TB, *connection.Service) func() { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
				start(t, s.Service)
				known := func(revision int64, state tokenv1.Token_State) {
					t.Helper()
					require.Equal(t, revision, s.Tokens.Status(crm().Token()).GetRevision())
					require.Equal(t, state, s.Tokens.Status(crm().Token()).GetState())
					require.Len(t, s.Tokens.Calls(), int(revision))
					synctest.Wait()
					require.Len(t, s.Tokens.Calls(), int(revision))
				}
				_, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: oauth2()}, true)
				require.NoError(t, err)
				synctest.Wait()
				require.Empty(t, s.Tokens.Calls(), "validate only")

				create(t, s)
				known(1, tokenv1.Token_AUTHORIZING)
				edit := func(c connection.Connection) (connection.Connection, error) {
					c.Settings.OAuth2.Audience = "x"
					return c, nil
				}
				_, err = s.Service.Update(t.Context(), crm(), connection.Update{Edit: edit, ValidateOnly: true})
				require.NoError(t, err)
				known(1, tokenv1.Token_AUTHORIZING)
				_, err = s.Service.Update(t.Context(), crm(), connection.Update{Edit: edit})
				require.NoError(t, err)
				known(2, tokenv1.Token_AUTHORIZING)
				_, err = s.Service.Deauthorize(t.Context(), crm())
				require.NoError(t, err)
				known(3, tokenv1.Token_DEAUTHORIZED)
				_, err = s.Service.Authorize(t.Context(), crm())
				require.NoError(t, err)
				known(4, tokenv1.Token_AUTHORIZING)
				require.Equal(t, connection.PendingNothing, requireState(t, s, connection.StateAuthorizing).Pending)
			})
		})
	}
}

// TestAnswerDoesNotDependOnTheTokenService: it is held back for a second, or half of what the caller still waits, and the loops go on.
func TestAnswerDoesNotDependOnTheTokenService(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		stop := connectiontest.Start(t, s.Service)
		synctest.Wait()
		s.Tokens.Delay(3 * time.Second)
		start := time.Now()
		create(t, s)
		require.LessOrEqual(t, time.Since(start), time.Second)
		time.Sleep(10 * time.Second) // of the bubble's clock
		requireState(t, s, connection.StateAuthorizing)
		require.Len(t, s.Tokens.Calls(), 1)

		stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		c, err := s.Service.Deauthorize(ctx, crm())
		require.NoError(t, err)
		require.Equal(t, connection.StateDeauthorizing, c.State)
		require.LessOrEqual(t, time.Since(start), time.Second/2)
		require.Len(t, s.Tokens.Calls(), 1)
	})
}

// TestUpdateSaysWhyItFails while the former token is in use.
func TestUpdateSaysWhyItFails(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		authorized(t, s)
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Audience = "x" })
		wanted := func(reason errorsv1.Reason, message string) connection.Connection {
			t.Helper()
			s.Tokens.ReportWanted(crm().Token(), 1, reason, message)
			c := requireState(t, s, connection.StateUpdating)
			require.Equal(t, message, c.Message)
			return c
		}
		started := wanted(0, "")
		require.Empty(t, started.Reason)
		require.Equal(t, connection.Reason("NOT_SENT"), wanted(errorsv1.Reason_NOT_SENT, "connection refused").Reason)
		require.Equal(t, connection.Reason("CLIENT_BROKEN"), wanted(errorsv1.Reason_CLIENT_BROKEN, "invalid_client").Reason)
		require.Empty(t, wanted(0, "").Reason)
		c := wanted(errorsv1.Reason_CLIENT_BROKEN, "invalid_client")
		require.Equal(t, started.StateTime, c.StateTime, "a reason alone begins nothing")

		// What became of a former revision says nothing of the next one, even if it comes late.
		late := s.Tokens.Status(crm().Token())
		late.Revision, late.State, late.WantedRevision, late.WantedReason = 1, tokenv1.Token_AUTHORIZED, 2, errorsv1.Reason_CLIENT_BROKEN
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Audience = "y" })
		s.Tokens.Send(late)
		require.Empty(t, requireState(t, s, connection.StateUpdating).Reason)

		// Authorizing meanwhile is another attempt, with the former token in use.
		_, err := s.Service.Authorize(t.Context(), crm())
		require.NoError(t, err)
		s.Tokens.ReportWanted(crm().Token(), 1, errorsv1.Reason_GRANT_DEAD, "invalid_grant")
		c = requireState(t, s, connection.StateAuthorizing)
		require.Equal(t, connection.Reason("GRANT_DEAD"), c.Reason)
		s.Tokens.ReportWanted(crm().Token(), 1, 0, "")
		require.Equal(t, connection.ReasonTokenNotReady, requireState(t, s, connection.StateAuthorizing).Reason)

		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		c = requireState(t, s, connection.StateAuthorized)
		require.Empty(t, c.Reason)
		require.Empty(t, c.Message)
		s.Tokens.Send(late)
		require.Equal(t, c, requireState(t, s, connection.StateAuthorized))
		require.Equal(t, []string{
			"Connection Creation Started", "Connection Authorization Started", "Connection Authorized", "Connection Update Started",
			"Connection Update Started", "Connection Authorization Started", "Connection Authorized",
		}, s.Bus.Types(crm().String()))
	})
}

// TestFailedUpdateEndsWithTheFormerToken is the other way out of UPDATING.
func TestFailedUpdateEndsWithTheFormerToken(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		authorized(t, s)
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Audience = "x" })
		s.Tokens.ReportWanted(crm().Token(), 1, errorsv1.Reason_CLIENT_BROKEN, "invalid_client")
		requireState(t, s, connection.StateUpdating)
		calls := len(s.Tokens.Calls())
		s.Tokens.Report(crm().Token(), tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_CLIENT_BROKEN, "invalid_client")
		c := requireState(t, s, connection.StateDeauthorized)
		require.Equal(t, connection.Reason("CLIENT_BROKEN"), c.Reason)
		require.Len(t, s.Tokens.Calls(), calls)
	})
}

// TestWantedRevisionIsKnown to a token service that uses the generation of an older one: it needs not be told again. One that wants a newer
// revision than there is would ignore what it is told.
func TestWantedRevisionIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		c := authorized(t, s)
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Audience = "x" })
		stored := s.Tokens.Status(crm().Token())
		stored.Revision, stored.State, stored.StateReason = 1, tokenv1.Token_AUTHORIZED, 0
		stored.WantedRevision, stored.WantedReason = 2, errorsv1.Reason_THROTTLED
		s.Tokens.Put(stored)
		calls := len(s.Tokens.Calls())
		reconnect(s)
		require.Len(t, s.Tokens.Calls(), calls)
		require.Equal(t, connection.Reason("THROTTLED"), requireState(t, s, connection.StateUpdating).Reason)

		stored.WantedRevision = 7
		s.Tokens.Put(stored)
		reconnect(s)
		require.Equal(t, authorize(c.UID, 8), s.Tokens.Calls()[calls])
	})
}
