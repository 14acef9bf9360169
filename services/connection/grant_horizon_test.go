package connection_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
)

// reportEnd tells of a next generation of ada's token, whose grant ends at the given time.
func reportEnd(s *connectiontest.Suite, expire time.Time) {
	status := s.Tokens.Status(ada().Token())
	status.State, status.Generation = tokenv1.Token_AUTHORIZED, status.GetGeneration()+1
	status.GrantExpireTime = timestamppb.New(expire)
	s.Tokens.Put(status)
	s.Tokens.Send(status)
	synctest.Wait()
}

// TestGrantsExpire: each grant's own end is announced in time, by the settings of its connection, and not twice.
func TestGrantsExpire(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		granted(t, s)
		end := time.Now().Add(8 * day).UTC()
		reportEnd(s, end)
		require.Equal(t, end.Add(-7*day), requireGrant(t, s, connection.StateAuthorized).WarningTime)

		// Those who want to hear of it only a day before are not told earlier.
		update(t, s, func(c *connection.Connection) { c.Settings.OAuth2.Refresh.GrantWarning = day })
		time.Sleep(2 * day)
		require.Empty(t, expiring(t, s))
		require.Equal(t, end.Add(-day), requireGrant(t, s, connection.StateAuthorized).WarningTime)
		time.Sleep(5*day + 2*time.Hour)
		require.Equal(t, []time.Duration{day}, expiring(t, s))
		require.Zero(t, requireGrant(t, s, connection.StateAuthorized).WarningTime)

		reportEnd(s, time.Now().Add(2*day)) // she authorized again
		require.NotZero(t, requireGrant(t, s, connection.StateAuthorized).WarningTime)
		_, err := s.Service.RevokeGrant(t.Context(), ada())
		require.NoError(t, err)
		require.Zero(t, requireGrant(t, s, connection.StateDeauthorized).WarningTime)
		time.Sleep(3 * day)
		require.Len(t, expiring(t, s), 1)
	})
}

// expiring returns how long before the end each event that said so was due, to the hour.
func expiring(t *testing.T, s *connectiontest.Suite) (before []time.Duration) {
	t.Helper()
	for _, e := range s.Bus.Events() {
		if e.DetailType != "Grant Expiring" {
			continue
		}
		require.Equal(t, ada().String(), e.Detail["grant"])
		require.Equal(t, "ada@example", e.Detail["endUserId"])
		at, err := time.Parse(time.RFC3339Nano, e.Detail["time"])
		require.NoError(t, err)
		end, err := time.Parse(time.RFC3339Nano, e.Detail["grantExpireTime"])
		require.NoError(t, err)
		before = append(before, end.Sub(at).Round(2*time.Hour))
	}
	return before
}
