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

const day = 24 * time.Hour

// reportGrant tells of a next generation whose grant ends at the given time; zero: it does not.
func reportGrant(s *connectiontest.Suite, expire time.Time) {
	status := s.Tokens.Status(crm().Token())
	status.State, status.Generation = tokenv1.Token_AUTHORIZED, status.GetGeneration()+1
	status.GrantExpireTime = nil
	if !expire.IsZero() {
		status.GrantExpireTime = timestamppb.New(expire)
	}
	s.Tokens.Put(status)
	s.Tokens.Send(status)
	synctest.Wait()
}

// warned returns how many whole days the grant had left in each event that said so, by the event's own times.
func warned(t *testing.T, s *connectiontest.Suite) (days []int) {
	for _, e := range s.Bus.Events() {
		if e.DetailType != "Connection Grant Expiring" {
			continue
		}
		require.Equal(t, crm().String(), e.Detail["connection"])
		at, err := time.Parse(time.RFC3339Nano, e.Detail["time"])
		require.NoError(t, err)
		end, err := time.Parse(time.RFC3339Nano, e.Detail["grantExpireTime"])
		require.NoError(t, err)
		days = append(days, int((end.Sub(at)+2*time.Hour)/day))
	}
	return days
}

// TestGrantHorizon follows a grant whose token is refreshed all the time, and then another.
func TestGrantHorizon(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		create(t, s)
		synctest.Wait()
		end := time.Now().Add(14*day + 2*time.Hour).UTC()
		for range 6 {
			reportGrant(s, end)
			time.Sleep(time.Hour)
		}
		c := requireState(t, s, connection.StateAuthorized)
		require.Equal(t, end, c.GrantExpireTime)
		require.Equal(t, end.Add(-7*day), c.GrantWarningTime)
		require.Equal(t, []int{14}, warned(t, s))

		reportGrant(s, time.Now().Add(day+time.Hour)) // the end user authorized again, for a day
		time.Sleep(3 * time.Hour)
		require.Equal(t, []int{14, 1}, warned(t, s))
		require.Zero(t, requireState(t, s, connection.StateAuthorized).GrantWarningTime)

		_, err := s.Service.Deauthorize(t.Context(), crm())
		require.NoError(t, err)
		require.Zero(t, requireState(t, s, connection.StateDeauthorized).GrantExpireTime)
	})
}

// TestIdleGrants do not end as long as they are used, and every use costs no more than it must.
func TestIdleGrants(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		create(t, s)
		synctest.Wait()
		for range 6 {
			reportGrant(s, time.Now().Add(14*day+90*time.Minute))
			time.Sleep(time.Hour)
		}
		require.Empty(t, warned(t, s))
		before := requireState(t, s, connection.StateAuthorized)
		reportGrant(s, before.GrantExpireTime.Add(30*time.Second))
		require.Equal(t, before.RowVersion, requireState(t, s, connection.StateAuthorized).RowVersion)

		reportGrant(s, time.Time{}) // a server that no longer says
		c := requireState(t, s, connection.StateAuthorized)
		require.Zero(t, c.GrantExpireTime)
		require.Zero(t, c.GrantWarningTime)
	})
}

// TestGrantWarningsOfADeadProcess are sent by the next, once each, also with replicas.
func TestGrantWarningsOfADeadProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		stop := connectiontest.Start(t, s.Service)
		create(t, s)
		synctest.Wait()
		reportGrant(s, time.Now().Add(15*day))
		stop()
		time.Sleep(9 * day) // in which two warnings were due

		s.Service = s.Replica(t, s.DB)
		connectiontest.Start(t, s.Service)
		connectiontest.Start(t, s.Replica(t, s.DB))
		time.Sleep(3 * time.Hour)
		require.Equal(t, []int{6}, warned(t, s))
		c := requireState(t, s, connection.StateAuthorized)
		require.Equal(t, c.GrantExpireTime.Add(-3*day), c.GrantWarningTime)
	})
}
