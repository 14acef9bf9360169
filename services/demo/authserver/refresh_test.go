package authserver_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

func refreshServer(t *testing.T, policy authserver.RefreshPolicy) (*authserver.Server, string) {
	t.Helper()
	cfg := config()
	cfg.Refresh = policy
	s := newServer(t, cfg)
	first, err := s.IssueRefreshToken(clientID, "alice", "orders.read", "orders.write")
	require.NoError(t, err)
	return s, first
}

func redeem(s *authserver.Server, refreshToken string) answer {
	return token(s, "grant_type=refresh_token&refresh_token="+refreshToken)
}

// redeemed returns the access token and the replacement of a redemption that must succeed.
func redeemed(t *testing.T, s *authserver.Server, refreshToken string) (access, next string) {
	t.Helper()
	res := redeem(s, refreshToken)
	require.Equal(t, http.StatusOK, res.status, res.body)
	members := res.members(t)
	next, _ = members["refresh_token"].(string)
	return members["access_token"].(string), next
}

func requireInvalidGrant(t *testing.T, res answer) {
	t.Helper()
	require.Equal(t, http.StatusBadRequest, res.status, res.body)
	require.Equal(t, "invalid_grant", res.members(t)["error"])
}

func active(t *testing.T, s *authserver.Server, token string) bool {
	t.Helper()
	res := post(s, authserver.PathIntrospect, "token="+token, basic(clientID, secret))
	require.Equal(t, http.StatusOK, res.status, res.body)
	return res.members(t)["active"].(bool)
}

func TestReusableRefreshTokens(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{})
	access, next := redeemed(t, s, first)
	require.Empty(t, next)
	_, _, claims := decode(t, s, access)
	require.Equal(t, "alice", claims["sub"])
	require.Equal(t, "orders.read orders.write", claims["scope"])
	redeemed(t, s, first)
	require.Zero(t, s.Stats().DoubleRedemptions)
	require.True(t, active(t, s, first))
}

func TestSingleUseRevokesTheFamilyOnReuse(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{Rotation: authserver.SingleUse})
	access, second := redeemed(t, s, first)
	require.NotEqual(t, first, second)
	require.Subset(t, s.Secrets(), []string{first, second, access})
	_, third := redeemed(t, s, second)
	require.Zero(t, s.Stats().DoubleRedemptions)
	require.True(t, active(t, s, access))
	require.True(t, active(t, s, third))
	require.False(t, active(t, s, second))

	requireInvalidGrant(t, redeem(s, first))

	require.Equal(t, 1, s.Stats().DoubleRedemptions)
	require.Equal(t, 1, s.Stats().FamiliesRevoked)
	requireInvalidGrant(t, redeem(s, third))
	require.False(t, active(t, s, access), "the family's access tokens must die with it")
	for _, issued := range s.Issued() {
		require.True(t, s.Revoked(issued.JTI))
	}
}

func TestGraceAllowsARetryUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const grace = 10 * time.Second
		s, first := refreshServer(t, authserver.RefreshPolicy{Rotation: authserver.SingleUseWithGrace, Grace: grace})
		_, second := redeemed(t, s, first)
		time.Sleep(grace - time.Nanosecond)
		_, fork := redeemed(t, s, first)
		require.NotEqual(t, second, fork)
		require.Equal(t, 1, s.Stats().DoubleRedemptions)
		require.Zero(t, s.Stats().FamiliesRevoked)
		redeemed(t, s, second)

		time.Sleep(time.Nanosecond)
		requireInvalidGrant(t, redeem(s, first))
		require.Equal(t, 1, s.Stats().FamiliesRevoked)
		requireInvalidGrant(t, redeem(s, fork))
	})
}

func TestRedemptionCanKillEarlierAccessTokens(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{Rotation: authserver.SingleUse, KillAccessTokens: true})
	old, second := redeemed(t, s, first)
	require.True(t, active(t, s, old))
	current, _ := redeemed(t, s, second)
	require.False(t, active(t, s, old))
	require.True(t, active(t, s, current))
}

func TestScopeNarrowsForOneAccessTokenOnly(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{Rotation: authserver.SingleUse})
	res := token(s, "grant_type=refresh_token&scope=orders.read&refresh_token="+first)
	require.Equal(t, "orders.read", res.members(t)["scope"])
	second := res.members(t)["refresh_token"].(string)
	refused := token(s, "grant_type=refresh_token&scope=admin&refresh_token="+second)
	require.Equal(t, "invalid_scope", refused.members(t)["error"])
	require.Equal(t, "orders.read orders.write", redeem(s, second).members(t)["scope"], "a refused request must not spend the token")
}

func TestRefreshTokensBelongToTheirClient(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{Rotation: authserver.SingleUse})
	requireInvalidGrant(t, post(s, authserver.PathToken, "grant_type=refresh_token&refresh_token="+first, basic("second", "second-secret")))
	redeemed(t, s, first)
	_, err := s.IssueRefreshToken("nobody", "alice")
	require.ErrorIs(t, err, authserver.ErrUnknownClient)
	_, err = s.IssueRefreshToken(clientID, "alice", "admin")
	require.ErrorContains(t, err, "invalid_scope")
}

func TestRefreshPolicyCanChange(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{})
	redeemed(t, s, first)
	require.NoError(t, s.SetRefreshPolicy(authserver.RefreshPolicy{Rotation: authserver.SingleUse}))
	redeemed(t, s, first)
	requireInvalidGrant(t, redeem(s, first))
	require.ErrorIs(t, s.SetRefreshPolicy(authserver.RefreshPolicy{Grace: 1}), authserver.ErrInvalidConfig)
}

func TestIntrospection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, config())
		access := token(s, "grant_type=client_credentials").members(t)["access_token"].(string)
		members := post(s, authserver.PathIntrospect, "token="+access, basic(clientID, secret)).members(t)
		require.Equal(t, true, members["active"])
		require.Equal(t, clientID, members["client_id"])
		require.Equal(t, s.Issued()[0].JTI, members["jti"])
		require.InEpsilon(t, float64(time.Now().Add(5*time.Second).Unix()), members["exp"], 0)

		foreign := post(s, authserver.PathIntrospect, "token="+access, basic("second", "second-secret"))
		require.JSONEq(t, `{"active":false}`, foreign.body)
		require.JSONEq(t, `{"active":false}`, post(s, authserver.PathIntrospect, "token=unknown", basic(clientID, secret)).body)
		require.Equal(t, http.StatusUnauthorized, post(s, authserver.PathIntrospect, "token="+access).status)
		require.Equal(t, http.StatusBadRequest, post(s, authserver.PathIntrospect, "", basic(clientID, secret)).status)

		time.Sleep(5*time.Second - time.Nanosecond)
		require.True(t, active(t, s, access))
		time.Sleep(time.Nanosecond)
		require.False(t, active(t, s, access))
	})
}

func TestRevocation(t *testing.T) {
	s, first := refreshServer(t, authserver.RefreshPolicy{Rotation: authserver.SingleUse})
	access, second := redeemed(t, s, first)
	revoke := func(token string, auth func(*http.Request)) answer {
		return post(s, authserver.PathRevoke, "token="+token, auth)
	}
	requireInvalidGrant(t, revoke(access, basic("second", "second-secret")))
	require.True(t, active(t, s, access))
	require.Equal(t, http.StatusUnauthorized, revoke(access, basic(clientID, "wrong")).status)
	require.Equal(t, http.StatusOK, revoke("unknown", basic(clientID, secret)).status)

	require.Equal(t, http.StatusOK, revoke(access, basic(clientID, secret)).status)
	require.False(t, active(t, s, access))
	require.True(t, s.Revoked(s.Issued()[0].JTI))

	third, fourth := redeemed(t, s, second)
	changed := s.Changed()
	require.Equal(t, http.StatusOK, revoke(fourth, basic(clientID, secret)).status)
	<-changed
	require.False(t, active(t, s, third), "revoking a refresh token revokes what came of it")
	requireInvalidGrant(t, redeem(s, fourth))
}
