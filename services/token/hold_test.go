package token_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
)

// TestHoldBeforeATokenIsKilled: watchers are told half a second before the request leaves, and released with its outcome.
func TestHoldBeforeATokenIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := governed(t, func(o *token.OAuth2) { o.Provider.OldAccessToken = token.Killed })
		require.Less(t, first.ExpireTime.Sub(first.RefreshAt), 5*time.Minute+time.Second, "late in the window")
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		watcher.Take()
		requests := s.auth.Stats().Requests

		time.Sleep(time.Until(first.RefreshAt))
		synctest.Wait()
		updates := watcher.Take()
		require.Len(t, updates, 1)
		held := updates[0].Token
		require.Equal(t, first.Generation, held.Generation)
		require.Equal(t, first.Credential.AccessToken, held.Credential.AccessToken)
		require.WithinDuration(t, time.Now().Add(2*time.Second), held.HoldUntil, time.Millisecond)
		require.Equal(t, requests, s.auth.Stats().Requests, "before the request")
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		updates = watcher.Take()
		require.Len(t, updates, 1)
		require.EqualValues(t, 2, updates[0].Token.Generation)
		require.Zero(t, updates[0].Token.HoldUntil)
		rotations, err := svc.Rotations(t.Context(), crm, "", 1)
		require.NoError(t, err)
		require.Zero(t, rotations[0].Lead, "of the token that was killed nothing is left")

		s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Count: 1})
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonAmbiguous, reasonOf(t, err))
		require.Zero(t, s.read().HoldUntil, "released by a failure too")
	})
}

func TestLeadWithinLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, svc, _ := governed(t, func(o *token.OAuth2) {
			o.Provider.OldAccessToken, o.Provider.OldAccessTokenLeeway = token.Leeway, 2*time.Minute
		})
		_, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		rotations, err := svc.Rotations(t.Context(), crm, "", 1)
		require.NoError(t, err)
		require.Equal(t, 2*time.Minute, rotations[0].Lead)
	})
}
