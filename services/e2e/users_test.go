package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

// testUsersTokens sends each event with the token of the end user whom it names: nobody gets another's, nor the connection's own.
func testUsersTokens(t *testing.T, w World) {
	s := newScene(t, w, time.Hour)
	settings := s.oauth2()
	settings["oauth2"].(map[string]any)["grantType"] = "AUTHORIZATION_CODE"
	s.ok(t, http.MethodPost, s.path()+"/connections?connectionId=drive", settings, nil)
	tokens := map[string]string{} // fingerprints, by user
	for _, user := range []string{"ada", "bob"} {
		refresh, err := s.auth.IssueRefreshToken(clientID, user)
		require.NoError(t, err)
		grants := s.connection("drive") + "/grants"
		s.ok(t, http.MethodPost, grants+"?grantId="+user, map[string]any{"credential": map[string]any{"refreshToken": refresh}}, nil)
		eventually(t, "the grant of "+user, patience, func() error {
			var g struct{ State string }
			s.ok(t, http.MethodGet, grants+"/"+user, nil, &g)
			return on(g.State == "AUTHORIZED", "it is %s", g.State)
		})
		var tok token
		s.ok(t, http.MethodGet, grants+"/"+user+"/token", nil, &tok)
		tokens[user] = resourceapi.Fingerprint(tok.AccessToken)
	}
	require.NotEqual(t, tokens["ada"], tokens["bob"])

	s.destine(t, "files", "drive", "/orders/*", map[string]any{"grant": "$.detail.id"})
	stranger := s.put(t, "files", "carol") // who is not connected
	for _, user := range []string{"bob", "ada", "bob"} {
		require.Equal(t, 1, s.deliver(t, "files", user).AttemptCount)
	}
	var got []string
	for _, call := range s.api.Received() {
		require.Equal(t, "/orders/"+map[string]string{tokens["ada"]: "ada", tokens["bob"]: "bob"}[call.TokenFingerprint], call.Path)
		got = append(got, call.Path)
	}
	require.Equal(t, []string{"/orders/bob", "/orders/ada", "/orders/bob"}, got)
	waiting := s.awaitDelivery(t, stranger, "PENDING")
	require.Zero(t, waiting.AttemptCount, "it waits at no cost")
	require.Zero(t, s.api.Stats().Unauthorized)
}
