package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

func TestRotationsAreAheadOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), 5*time.Second)
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		first, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, first.Generation)
		require.Equal(t, token.StateAuthorized, first.State)

		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		generation, expire := int64(0), time.Time{}
		for generation < 20 {
			<-watcher.Wake()
			for _, update := range watcher.Take() {
				got := update.Token
				require.Greater(t, got.Generation, generation)
				require.Equal(t, token.StateAuthorized, got.State)
				if generation > 0 {
					require.Greater(t, time.Until(expire), time.Second, "pushed while the former was valid")
				}
				generation, expire = got.Generation, got.ExpireTime
			}
		}
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 10)
		for _, r := range rotations {
			require.Equal(t, token.RotationCommitted, r.State)
			require.Equal(t, token.TriggerSchedule, r.Trigger)
			require.True(t, r.HasLead)
			require.Greater(t, r.Lead, 1800*time.Millisecond)
		}
	})
}
