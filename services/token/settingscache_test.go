package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

// TestSettingsAreAskedForOnceInAMoment and at once if another revision is wanted.
func TestSettingsAreAskedForOnceInAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		asked := 0
		p := s.params()
		p.Settings = settingsThen{s.connections, func() { asked++ }}
		svc, _ := s.start(p)
		refreshed := func(revision int64, questions int) {
			_, err := svc.Refresh(t.Context(), crm)
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, revision, s.read().GenerationRevision)
			require.Equal(t, questions, asked)
		}
		s.authorize(svc, 1)
		refreshed(1, 1)
		refreshed(1, 1)
		time.Sleep(5 * time.Second)
		refreshed(1, 2)

		s.connections.set(crm.ConnectionName(), settings(2))
		s.authorize(svc, 2)
		refreshed(2, 3)

		s.connections.fail(&token.Failure{Class: token.ClassOurs, Reason: token.ReasonServiceUnavailable, Message: "down"})
		time.Sleep(5 * time.Second)
		_, err := svc.Refresh(t.Context(), crm)
		require.Error(t, err)
		require.Equal(t, token.ReasonServiceUnavailable, s.read().LastFailure.Reason)
		require.Equal(t, 4, asked)
	})
}
