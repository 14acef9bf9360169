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
)

// reconnect has the stream of token states opened anew.
func reconnect(s *connectiontest.Suite) {
	s.Tokens.Interrupt()
	time.Sleep(time.Minute) // of the bubble's clock; longer than the pause before the next stream
	synctest.Wait()
}

func TestTokenServiceLostItsDatabase(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		c := authorized(t, s)
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		s.Tokens.Forget()
		reconnect(s)
		require.Equal(t, []connectiontest.Call{authorize(c.UID, 1), authorize(c.UID, 1)}, s.Tokens.Calls())
		requireState(t, s, connection.StateAuthorizing)
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)

		reconnect(s) // all is known now
		require.Len(t, s.Tokens.Calls(), 2)
	})
}

// TestTokenOfFormerConnection is a token service restored to a time when the name belonged to another connection.
func TestTokenOfFormerConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		c := authorized(t, s)
		s.Tokens.Put(&tokenv1.TokenStatus{
			Name: crm().Token(), ConnectionUid: "former", Revision: 7, State: tokenv1.Token_FAILED_CONNECTIVITY, Generation: 9,
			StateTime: timestamppb.New(time.Now().Add(time.Hour)),
		})
		reconnect(s)
		require.Equal(t, c.UID, s.Tokens.Status(crm().Token()).GetConnectionUid())
		requireState(t, s, connection.StateAuthorizing)
	})
}

// TestTokenServiceRestored is a token service that fell back to an earlier state of the same settings.
func TestTokenServiceRestored(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		authorized(t, s)
		s.Tokens.Report(crm().Token(), tokenv1.Token_FAILED_CONNECTIVITY, errorsv1.Reason_NOT_SENT, "")
		requireState(t, s, connection.StateFailedConnectivity)
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)

		earlier := s.Tokens.Status(crm().Token())
		earlier.Generation, earlier.State, earlier.StateReason = 0, tokenv1.Token_AUTHORIZING, errorsv1.Reason_TOKEN_NOT_READY
		earlier.StateTime = timestamppb.New(earlier.GetStateTime().AsTime().Add(-time.Hour))
		s.Tokens.Put(earlier)
		reconnect(s)
		requireState(t, s, connection.StateAuthorizing)
	})
}

// TestRestoredConnections is a connection database that fell back behind what the token service has acted on.
func TestRestoredConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		c := authorized(t, s)
		ahead := s.Tokens.Status(crm().Token())
		ahead.Revision = 5
		s.Tokens.Put(ahead)
		reconnect(s)
		require.Equal(t, authorize(c.UID, 6), s.Tokens.Calls()[1])
		requireState(t, s, connection.StateAuthorizing)
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)
	})
}

// TestDeauthorizedStaysDeauthorized is a token service restored to a time before the connection was deauthorized.
func TestDeauthorizedStaysDeauthorized(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		authorized(t, s)
		before := s.Tokens.Status(crm().Token())
		_, err := s.Service.Deauthorize(t.Context(), crm())
		require.NoError(t, err)
		c := requireState(t, s, connection.StateDeauthorized)

		s.Tokens.Put(before)
		reconnect(s)
		require.Equal(t, tokenv1.Token_DEAUTHORIZED, s.Tokens.Status(crm().Token()).GetState())
		require.Equal(t, c.StateTime, requireState(t, s, connection.StateDeauthorized).StateTime)

		// A lost token needs no deauthorization.
		calls := len(s.Tokens.Calls())
		s.Tokens.Forget()
		reconnect(s)
		require.Len(t, s.Tokens.Calls(), calls)
	})
}

func TestTokensWithoutConnectionAreLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		s.Tokens.Put(&tokenv1.TokenStatus{Name: "projects/p/connections/gone/token", ConnectionUid: "u", Revision: 1})
		s.Tokens.Put(&tokenv1.TokenStatus{Name: "projects/p/connections/crm/grants/g/token", ConnectionUid: "u", Revision: 1})
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		require.Empty(t, s.Tokens.Calls())
	})
}

func TestLateReports(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		authorized(t, s)
		s.Tokens.Report(crm().Token(), tokenv1.Token_FAILED_CONNECTIVITY, errorsv1.Reason_NOT_SENT, "")
		requireState(t, s, connection.StateFailedConnectivity)
		failed := s.Tokens.Status(crm().Token())
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		requireState(t, s, connection.StateAuthorized)

		s.Tokens.Send(failed) // over the stream of a replica that lags
		requireState(t, s, connection.StateAuthorized)

		other := s.Tokens.Status(crm().Token())
		other.ConnectionUid, other.State = "other", tokenv1.Token_DEAUTHORIZED
		s.Tokens.Send(other)
		requireState(t, s, connection.StateAuthorized)

		deleted := s.Tokens.Status(crm().Token())
		deleted.Deleted = true
		s.Tokens.Send(deleted)
		requireState(t, s, connection.StateAuthorized)

		_, err := s.Service.Deauthorize(t.Context(), crm())
		require.NoError(t, err)
		requireState(t, s, connection.StateDeauthorized)
		good := s.Tokens.Status(crm().Token())
		good.State, good.StateTime = tokenv1.Token_AUTHORIZED, timestamppb.New(time.Now().Add(time.Hour))
		s.Tokens.Send(good)
		requireState(t, s, connection.StateDeauthorized)
	})
}
