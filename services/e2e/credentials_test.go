package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

// testStaticCredentials changes an API key and a password: what watches them sees a new generation, and the next delivery carries it.
func testStaticCredentials(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	newKey, newPassword := secret(), secret()
	for _, c := range []struct {
		id, path         string
		settings, change map[string]any
		accept           func(both bool) // what the API takes: both values, or the new one only
		carried          string          // the header that carries it
	}{
		{
			id: "keyed", path: "/apikey/*", settings: s.apiKey(), change: map[string]any{"apiKey": map[string]any{"value": newKey}}, carried: keyHeader,
			accept: func(both bool) {
				s.api.SetAPIKey(keyHeader, newKey)
				if both {
					s.api.SetAPIKey(keyHeader, newKey, s.secrets.apiKey)
				}
			},
		},
		{
			id: "based", path: "/basic/*", settings: s.basic(), change: map[string]any{"basic": map[string]any{"password": newPassword}}, carried: "Authorization",
			accept: func(both bool) {
				s.api.SetBasic(basicUser, newPassword)
				if both {
					s.api.SetBasic(basicUser, newPassword, s.secrets.password)
				}
			},
		},
	} {
		s.connect(t, c.id, c.settings)
		s.destine(t, c.id, c.id, c.path, nil)
		tokens := s.follow(t, s.token(c.id))
		before := tokens.await(t, "the first generation", generation(1)).Token
		require.Zero(t, before.ExpireTime)
		require.Empty(t, before.AccessToken)
		require.Len(t, before.Credential.Headers, 1)
		require.Equal(t, before.Generation, s.deliver(t, c.id, "before").Attempts[0].TokenGeneration)
		old := last(s.api.Received()).Header.Get(c.carried)

		c.accept(true)
		s.ok(t, http.MethodPatch, s.connection(c.id), c.change, nil)
		after := tokens.await(t, "the next generation", generation(before.Generation+1)).Token
		require.Equal(t, before.Generation+1, after.Generation)
		require.NotEqual(t, before.Credential.Headers[0].Value, after.Credential.Headers[0].Value)
		require.NotEqual(t, before.Fingerprint, after.Fingerprint)
		s.awaitConnection(t, c.id, "AUTHORIZED")

		c.accept(false)
		d := s.deliver(t, c.id, "after")
		require.Len(t, d.Attempts, 1)
		require.Equal(t, after.Generation, d.Attempts[0].TokenGeneration)
		require.NotEqual(t, old, last(s.api.Received()).Header.Get(c.carried))
	}
	require.Zero(t, s.api.Stats().Unauthorized)
}

// testClientSecret changes the client secret at both ends, with an overlap as authorization servers offer it.
func testClientSecret(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)
	tokens := s.follow(t, s.token("crm"))
	before := s.current(t, "crm")

	next := secret()
	require.NoError(t, s.auth.SetClientSecrets(clientID, s.secrets.client, next))
	s.ok(t, http.MethodPatch, s.connection("crm"), map[string]any{"oauth2": map[string]any{"clientSecret": next}}, nil)
	tokens.await(t, "a generation of the new secret", generation(before.Generation+1))
	s.awaitConnection(t, "crm", "AUTHORIZED")
	require.NoError(t, s.auth.SetClientSecrets(clientID, next)) // the former is not needed any more
	var refreshed token
	s.ok(t, http.MethodPost, s.token("crm")+":refresh", nil, &refreshed)
	require.Equal(t, before.Generation+2, refreshed.Generation)
	require.Equal(t, refreshed.Generation, s.deliver(t, "orders", "1").Attempts[0].TokenGeneration)

	// What is not about authorization does not authorize anew.
	s.ok(t, http.MethodPatch, s.connection("crm"), map[string]any{"description": "orders of the shop"}, nil)
	require.Equal(t, "AUTHORIZED", s.awaitConnection(t, "crm", "AUTHORIZED").State)
	require.Equal(t, refreshed.Generation, s.current(t, "crm").Generation)
	require.Equal(t, int(refreshed.Generation), s.auth.Stats().Total())
}

// testWrongClientSecret: the token of the former secret stays in use until it expires; then the connection says what is wrong, deliveries
// wait, and the right secret repairs everything.
func testWrongClientSecret(t *testing.T, w World) {
	s := newScene(t, w, 2*brief)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)
	tokens := s.follow(t, s.token("crm"))
	before := s.current(t, "crm")
	s.ok(t, http.MethodPatch, s.connection("crm"), map[string]any{"oauth2": map[string]any{"clientSecret": secret()}}, nil)

	degraded := tokens.await(t, "the failure", func(tok token) bool { return tok.RefreshHealth.LastFailureClass == "CLIENT_BROKEN" })
	require.Equal(t, "AUTHORIZED", degraded.Token.State)
	require.Equal(t, "FAILING", degraded.Token.RefreshHealth.Status) // attempts have ended
	require.Equal(t, before.AccessToken, s.current(t, "crm").AccessToken)
	require.Equal(t, before.Generation, s.deliver(t, "orders", "with the former token").Attempts[0].TokenGeneration)

	ended := tokens.await(t, "the end of the former token", func(tok token) bool { return tok.State == "DEAUTHORIZED" })
	require.False(t, ended.Arrived.Before(before.ExpireTime), "it ended %v early", before.ExpireTime.Sub(ended.Arrived))
	require.Equal(t, "CLIENT_BROKEN", ended.Token.StateReason)
	require.Empty(t, ended.Token.AccessToken)
	require.Empty(t, ended.Token.Credential)
	c := s.awaitConnection(t, "crm", "DEAUTHORIZED")
	require.Equal(t, "CLIENT_BROKEN", c.StateReason)
	require.Contains(t, c.StateMessage, "invalid_client")
	s.problem(t, http.MethodGet, s.token("crm"), nil, http.StatusBadRequest, "CLIENT_BROKEN")
	waiting := s.put(t, "orders", "waits for the repair")
	s.awaitDestination(t, "orders", "INACTIVE")
	require.Equal(t, "PENDING", s.awaitDelivery(t, waiting, "PENDING").State)

	s.ok(t, http.MethodPatch, s.connection("crm"), s.oauth2(), nil)
	s.awaitConnection(t, "crm", "AUTHORIZED")
	d := s.awaitDelivery(t, waiting, "SUCCEEDED")
	require.Len(t, d.Attempts, 1)
	require.Greater(t, d.Attempts[0].TokenGeneration, before.Generation)
	require.Zero(t, s.api.Stats().Unauthorized)
}

// awaitDestination waits for a state of a destination.
func (s *scene) awaitDestination(t testing.TB, id, state string) {
	t.Helper()
	eventually(t, "destination "+state, patience, func() error {
		var d destination
		s.ok(t, http.MethodGet, s.path()+"/destinations/"+id, nil, &d)
		return on(d.State == state, "%s", d.State)
	})
}

// testRevokedToken: an API refuses a token that has not expired. The next generation is obtained once, however many deliveries met the
// refusal, and none of them has spent an attempt.
func testRevokedToken(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", map[string]any{"retryPolicy": map[string]any{"maximumRetryAttempts": 0}})
	before := s.current(t, "crm")
	s.deliver(t, "orders", "before")

	s.api.RevokeToken(last(s.auth.Issued()).JTI)
	d := s.deliver(t, "orders", "after")
	require.Len(t, d.Attempts, 2)
	require.Equal(t, http.StatusUnauthorized, d.Attempts[0].StatusCode)
	require.Equal(t, "UNAUTHORIZED", d.Attempts[0].ErrorClass)
	require.Equal(t, before.Generation, d.Attempts[0].TokenGeneration)
	require.Equal(t, http.StatusOK, d.Attempts[1].StatusCode)
	require.Equal(t, before.Generation+1, d.Attempts[1].TokenGeneration)
	require.Zero(t, d.RetryCount)
	require.Equal(t, 1, s.api.Stats().Unauthorized)
	require.Equal(t, 1, s.api.Stats().Refused[resourceapi.CauseRevoked])
	require.Equal(t, "REJECTED", s.rotations(t, "crm")[0].Trigger)

	s.api.RevokeToken(last(s.auth.Issued()).JTI)
	events := make([]string, 10)
	for i := range events {
		events[i] = s.put(t, "orders", "one of many")
	}
	for _, event := range events {
		d := s.awaitDelivery(t, event, "SUCCEEDED")
		require.Zero(t, d.RetryCount)
		require.LessOrEqual(t, len(d.Attempts), 2)
	}
	require.Equal(t, before.Generation+2, s.current(t, "crm").Generation)
	require.Equal(t, int(before.Generation+2), s.auth.Stats().Total())
}
