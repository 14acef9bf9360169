package connection_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestLife(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		created := create(t, s)
		require.Equal(t, connection.StateCreating, created.State)
		require.Equal(t, connection.ReasonTokenNotReady, created.Reason)

		c := requireState(t, s, connection.StateAuthorizing)
		require.Equal(t, connection.PendingNothing, c.Pending)
		require.Equal(t, []connectiontest.Call{authorize(created.UID, 1)}, s.Tokens.Calls())

		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		c = requireState(t, s, connection.StateAuthorized)
		require.Empty(t, c.Reason)
		require.Equal(t, c.StateTime, c.AuthorizeTime)

		s.Tokens.Report(crm().Token(), tokenv1.Token_FAILED_CONNECTIVITY, errorsv1.Reason_NOT_SENT, "connection refused")
		c = requireState(t, s, connection.StateFailedConnectivity)
		require.Equal(t, connection.Reason("NOT_SENT"), c.Reason)
		require.Equal(t, "connection refused", c.Message)

		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		require.Empty(t, requireState(t, s, connection.StateAuthorized).Message)

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

// TestTokenServiceDown shows that nothing is lost, that attempts thin out, and that they come at once when the service is back.
func TestTokenServiceDown(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		s.Tokens.SetDown(true)
		created := create(t, s)
		time.Sleep(10 * time.Second) // of the bubble's clock
		c := requireState(t, s, connection.StateCreating)
		require.Equal(t, connection.ReasonServiceUnavailable, c.Reason)

		time.Sleep(10 * time.Minute)
		require.Equal(t, connection.PendingAuthorize, requireState(t, s, connection.StateCreating).Pending)
		require.Empty(t, s.Tokens.Calls())

		s.Tokens.SetDown(false)
		back := time.Now()
		s.Bus.Await(t, crm().String(), "Connection Authorization Started")
		require.Less(t, time.Since(back), 10*time.Second) // the longest wait there is
		c = requireState(t, s, connection.StateAuthorizing)
		require.Equal(t, connection.ReasonTokenNotReady, c.Reason)
		require.Empty(t, c.Message)
		// Told twice, which does no harm, if the call came through before the stream of states was opened again.
		require.Equal(t, []connectiontest.Call{authorize(created.UID, 1)}, slices.Compact(s.Tokens.Calls()))
	})
}

// TestRestart shows that what was stored is carried on by the next process, whatever it was.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		s.Tokens.SetDown(true)
		created := create(t, s) // and the process ends
		s.Tokens.SetDown(false)
		require.Empty(t, s.Tokens.Calls())

		restart := func() (stop func()) {
			s.Service = s.Replica(t, s.DB)
			stop = connectiontest.Start(t, s.Service)
			synctest.Wait()
			return stop
		}
		stop := restart()
		requireState(t, s, connection.StateAuthorizing)
		require.Equal(t, []connectiontest.Call{authorize(created.UID, 1)}, s.Tokens.Calls())
		stop()

		s.Tokens.SetDown(true)
		_, err := s.Service.Deauthorize(t.Context(), crm())
		require.NoError(t, err)
		s.Tokens.SetDown(false)
		require.Len(t, s.Tokens.Calls(), 1)
		stop = restart()
		requireState(t, s, connection.StateDeauthorized)
		stop()

		_, err = s.Service.Delete(t.Context(), crm(), "")
		require.NoError(t, err)
		stop = restart()
		_, err = s.Service.Get(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrNotFound)
		stop()

		require.Equal(t, []string{
			"Connection Creation Started", "Connection Authorization Started", "Connection Deauthorization Started",
			"Connection Deauthorized", "Connection Deletion Started",
		}, s.Bus.Types(crm().String()))
	})
}

func TestUpdateKeepsTheFormerTokenUntilTheNextIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		created := authorized(t, s)

		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Scopes = []string{"c"} })
		c := requireState(t, s, connection.StateUpdating)
		require.Equal(t, int64(2), c.Revision)
		require.NotEqual(t, created.ETag(), c.ETag())
		require.Equal(t, authorize(created.UID, 2), s.Tokens.Calls()[1])

		// The former token is still reported, with its own revision.
		former := s.Tokens.Status(crm().Token())
		former.Revision, former.State = 1, tokenv1.Token_AUTHORIZED
		former.StateTime = timestamppb.New(time.Now().Add(time.Hour))
		s.Tokens.Send(former)
		requireState(t, s, connection.StateUpdating)

		// Another update meanwhile begins anew, and says so.
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Audience = "x" })
		require.Equal(t, int64(3), requireState(t, s, connection.StateUpdating).Revision)

		s.Tokens.Report(crm().Token(), tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_CLIENT_BROKEN, "invalid_client")
		c = requireState(t, s, connection.StateDeauthorized)
		require.Equal(t, connection.Reason("CLIENT_BROKEN"), c.Reason)
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.ClientSecret = seal.NewSecret("better") })
		requireState(t, s, connection.StateUpdating)
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)
		require.Equal(t, []string{
			"Connection Creation Started", "Connection Authorization Started", "Connection Authorized", "Connection Update Started",
			"Connection Update Started", "Connection Deauthorized", "Connection Update Started", "Connection Authorized",
		}, s.Bus.Types(crm().String()))
	})
}

func TestDescriptionAloneAuthorizesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		before := authorized(t, s)
		update(t, s, func(c *connection.Connection) { c.Description = "CRM of the sales team" })
		c := requireState(t, s, connection.StateAuthorized)
		require.Equal(t, "CRM of the sales team", c.Description)
		require.Equal(t, before.Revision, c.Revision)
		require.NotEqual(t, before.ETag(), c.ETag())
		require.Len(t, s.Tokens.Calls(), 1)
		require.Len(t, s.Bus.Events(), 3)

		update(t, s, func(*connection.Connection) {}) // nothing at all
		require.Equal(t, c, requireState(t, s, connection.StateAuthorized))
	})
}

func TestDeleteWhileTokenServiceIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		c := authorized(t, s)
		s.Tokens.SetDown(true)
		_, err := s.Service.Delete(t.Context(), crm(), c.ETag())
		require.NoError(t, err)
		again, err := s.Service.Delete(t.Context(), crm(), c.ETag())
		require.NoError(t, err)
		require.Equal(t, connection.StateDeleting, again.State)
		requireState(t, s, connection.StateDeleting)

		_, err = s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: oauth2()}, false)
		require.ErrorIs(t, err, connection.ErrDeleting)
		_, err = s.Service.Authorize(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrDeleting)
		_, err = s.Service.Deauthorize(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrDeleting)
		_, err = s.Service.Settings(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrNotFound)

		s.Tokens.SetDown(false)
		time.Sleep(10 * time.Second) // of the bubble's clock
		synctest.Wait()
		_, err = s.Service.Get(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrNotFound)
		next := create(t, s)
		require.NotEqual(t, c.UID, next.UID)
		requireState(t, s, connection.StateAuthorizing)
		require.Equal(t, next.UID, s.Tokens.Status(crm().Token()).GetConnectionUid())
	})
}

// TestManyConnections shows that one that the token service cannot be told of holds up no other.
func TestManyConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		s.Tokens.Refuse(crm().Token())
		create(t, s)
		for i := range 50 {
			name := connection.Name{Project: "p", ID: fmt.Sprintf("c%02d", i)}
			_, err := s.Service.Create(t.Context(), connection.Draft{Name: name, Settings: oauth2()}, false)
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Len(t, s.Tokens.Calls(), 50)
		for i := range 50 {
			c, err := s.Service.Get(t.Context(), connection.Name{Project: "p", ID: fmt.Sprintf("c%02d", i)})
			require.NoError(t, err)
			require.Equal(t, connection.StateAuthorizing, c.State)
		}
		requireState(t, s, connection.StateCreating)
	})
}
