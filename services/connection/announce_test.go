package connection_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestEventsWaitForTheBus(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		s.Bus.SetDown(true)
		authorized(t, s)
		time.Sleep(time.Hour) // of the bubble's clock
		require.Empty(t, s.Bus.Events())
		s.Bus.SetDown(false)
		time.Sleep(time.Minute)
		synctest.Wait()

		events := s.Bus.Events()
		require.Equal(t, []string{"Connection Creation Started", "Connection Authorization Started", "Connection Authorized"},
			s.Bus.Types(crm().String()))
		require.True(t, slices.IsSortedFunc(events, func(a, b connectiontest.Event) int { return a.Time.Compare(b.Time) }))
		last := events[2]
		require.Equal(t, "projects/p/buses/default", last.Bus)
		require.Equal(t, "freshet.connection", last.Source)
		require.Equal(t, []string{crm().String()}, last.Resources)
		require.Equal(t, "AUTHORIZED", last.Detail["state"])
		require.Equal(t, "AUTHORIZING", last.Detail["previousState"])
		require.Equal(t, last.Time.Format(time.RFC3339Nano), last.Detail["time"])
		require.Equal(t, "TOKEN_NOT_READY", events[1].Detail["stateReason"])

		time.Sleep(time.Hour)
		require.Len(t, s.Bus.Events(), 3) // they are not published again
	})
}

func TestEventsThatAreNeverTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		s.Bus.Refuse("MalformedDetail")
		authorized(t, s)
		s.Bus.Refuse("InternalFailure") // this one may be taken later
		_, err := s.Service.Authorize(t.Context(), crm())
		require.NoError(t, err)
		synctest.Wait()
		s.Bus.Refuse("")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"Connection Authorization Started"}, s.Bus.Types(crm().String()))
	})
}

// TestEventsOfADeadProcess shows that events that were stored, and even claimed, by a process that is no more are published by another.
func TestEventsOfADeadProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		s.Tokens.SetDown(true)
		create(t, s)
		s.Tokens.SetDown(false)
		claimed, err := s.Store.ClaimEvents(t.Context(), "dead", time.Now(), time.Now().Add(time.Minute), 10)
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		require.Empty(t, s.Bus.Events())
		time.Sleep(2 * time.Minute) // of the bubble's clock
		require.Equal(t, []string{"Connection Creation Started", "Connection Authorization Started"}, s.Bus.Types(crm().String()))
	})
}

// TestReplicas runs three services on one PostgreSQL database: every change is made once and told once.
func TestReplicas(t *testing.T) {
	s := connectiontest.NewSuite(t, sqltest.Open(t, sqldb.Postgres, connectiontest.Migrations()))
	services := []*connection.Service{s.Service, s.Replica(t, s.DB), s.Replica(t, s.DB)}
	for _, service := range services {
		connectiontest.Start(t, service)
	}
	_, err := s.Service.Create(t.Context(), connection.Draft{Name: crm(), Settings: oauth2()}, false)
	require.NoError(t, err)
	s.Bus.Await(t, crm().String(), "Connection Authorization Started")
	want := []string{"Connection Creation Started", "Connection Authorization Started"}
	for i := range 10 {
		s.Tokens.Await(t, crm().Token(), int64(2*i+1)) // deauthorizing and authorizing are a revision each
		s.Tokens.Report(crm().Token(), tokenv1.Token_AUTHORIZED, 0, "")
		s.Bus.Await(t, crm().String(), "Connection Authorized")
		_, err := services[i%3].Deauthorize(t.Context(), crm())
		require.NoError(t, err)
		s.Bus.Await(t, crm().String(), "Connection Deauthorized")
		_, err = services[(i+1)%3].Authorize(t.Context(), crm())
		require.NoError(t, err)
		s.Bus.Await(t, crm().String(), "Connection Authorization Started")
		want = append(want, "Connection Authorized", "Connection Deauthorization Started", "Connection Deauthorized",
			"Connection Authorization Started")
	}
	_, err = s.Service.Delete(t.Context(), crm(), "")
	require.NoError(t, err)
	s.Bus.Await(t, crm().String(), "Connection Deletion Started")
	require.Equal(t, append(want, "Connection Deletion Started"), s.Bus.Types(crm().String()))
}
