package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

// testFirstSteps walks through the README with plain HTTP: a connection, its token, the next generation ahead of expiry, an event and
// its delivery.
func testFirstSteps(t *testing.T, w World) {
	s := newScene(t, w, brief)
	s.connect(t, "crm", s.oauth2())
	var test struct {
		Ok    bool
		Steps []struct{ Kind, Outcome, Message string }
	}
	s.ok(t, http.MethodPost, s.connection("crm")+":test", nil, &test)
	require.True(t, test.Ok, "%+v", test.Steps)

	first := s.current(t, "crm")
	require.Equal(t, s.project+"/connections/crm/token", first.Name)
	require.Equal(t, "AUTHORIZED", first.State)
	require.Equal(t, "Bearer", first.TokenType)
	require.Equal(t, []string{apiScope}, first.Scopes)
	require.Equal(t, "EXPIRES_IN", first.ExpirySource)
	require.Greater(t, time.Until(first.ExpireTime), time.Duration(0))
	require.True(t, first.NextRefreshTime.Before(first.ExpireTime))

	for _, events := range []bool{false, true} {
		watched := s.watchToken(t.Context(), t, s.token("crm"), events)
		at, err := watched.next()
		require.NoError(t, err)
		require.Equal(t, "AUTHORIZED", at.Token.State)
		require.True(t, at.Arrived.Before(at.Token.ExpireTime))
		then := watched.until(t, generation(at.Token.Generation+1))
		require.Equal(t, at.Token.Generation+1, then.Token.Generation)
		require.NotEqual(t, at.Token.AccessToken, then.Token.AccessToken)
		require.True(t, then.Arrived.Before(at.Token.ExpireTime), "the next generation arrived %v after the former had expired",
			then.Arrived.Sub(at.Token.ExpireTime))
	}

	tokens := s.follow(t, s.token("crm"))
	s.destine(t, "orders", "crm", "/orders/*", nil)
	d := s.deliver(t, "orders", "7")
	require.Equal(t, 1, d.AttemptCount)
	require.Equal(t, s.project+"/destinations/orders", d.Destination)
	require.Equal(t, s.project+"/buses/default/rules/orders", d.Rule)
	require.JSONEq(t, `{"id":"7"}`, d.Event.Detail)
	calls := s.api.Received()
	require.Len(t, calls, 1)
	require.Equal(t, http.MethodPatch, calls[0].Method)
	require.Equal(t, "/orders/7", calls[0].Path)
	require.Equal(t, `{"id":"7"}`, string(calls[0].Body))
	require.Equal(t, resourceapi.Fingerprint(tokens.accessToken(t, d.Attempts[0].TokenGeneration)), calls[0].TokenFingerprint)
	require.GreaterOrEqual(t, d.Attempts[0].TokenGeneration, first.Generation+2)

	tokens.await(t, "two more generations", generation(d.Attempts[0].TokenGeneration+2))
	tokens.requireAhead(t)
	for _, r := range s.rotations(t, "crm") {
		require.Contains(t, []string{"COMMITTED", "INTENT", "RESPONDED"}, r.State, r.FailureMessage)
	}
	require.Zero(t, s.api.Stats().Unauthorized)
}

// testDeadLetter lets a delivery fail for good, mends the cause, and has it delivered.
func testDeadLetter(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)

	s.refuse.Store(http.StatusBadRequest)
	event := s.put(t, "orders", "8")
	d := s.awaitDelivery(t, event, "DEAD")
	require.Equal(t, "ERROR_FROM_TARGET", d.ErrorCode)
	require.Contains(t, d.ErrorMessage, "400")
	require.Empty(t, d.ExhaustedRetryCondition) // it is not a failure that is tried again
	require.JSONEq(t, `{"id":"8"}`, d.Payload)
	require.Len(t, d.Attempts, 1)
	require.Equal(t, http.StatusBadRequest, d.Attempts[0].StatusCode)
	require.Equal(t, "PERMANENT_STATUS", d.Attempts[0].ErrorClass)
	require.Contains(t, d.Attempts[0].ResponseExcerpt, "refused for now")
	require.Len(t, s.list(t, "state = DEAD"), 1)

	s.refuse.Store(0)
	var redriven struct{ RedrivenCount int }
	s.ok(t, http.MethodPost, s.path()+"/deliveries:redrive", nil, &redriven)
	require.Equal(t, 1, redriven.RedrivenCount)
	d = s.awaitDelivery(t, event, "SUCCEEDED")
	require.Equal(t, 1, d.RedriveCount)
	require.Empty(t, s.list(t, "state = DEAD"))
	require.Len(t, s.api.Received(), 1)
	s.ok(t, http.MethodPost, s.path()+"/deliveries:redrive", nil, &redriven)
	require.Zero(t, redriven.RedrivenCount)
}

// testProblems checks how errors look over REST.
func testProblems(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	connections := s.path() + "/connections?connectionId="

	p := s.problem(t, http.MethodGet, s.connection("none"), nil, http.StatusNotFound, "CONNECTION_NOT_FOUND")
	require.NotEmpty(t, p.Detail)
	require.Len(t, p.TraceID, 32)
	s.problem(t, http.MethodGet, s.token("none"), nil, http.StatusNotFound, "TOKEN_NOT_FOUND")
	s.problem(t, http.MethodGet, s.token("none")+":watch", nil, http.StatusNotFound, "TOKEN_NOT_FOUND")
	s.problem(t, http.MethodGet, s.path()+"/nowhere", nil, http.StatusNotFound, "PATH_NOT_FOUND")
	s.problem(t, http.MethodPut, s.connection("crm"), nil, http.StatusMethodNotAllowed, "METHOD_NOT_SERVED")
	s.problem(t, http.MethodPost, connections+"crm", s.oauth2(), http.StatusConflict, "RESOURCE_EXISTS")
	s.problem(t, http.MethodPost, connections+"odd", `{"apiKee":{}}`, http.StatusBadRequest, "INVALID_FIELD")
	s.problem(t, http.MethodPost, connections+"odd", `{`, http.StatusBadRequest, "INVALID_FIELD")
	s.problem(t, http.MethodPost, s.path()+"/buses/none:putEvents", entry("a", "1"), http.StatusNotFound, "BUS_NOT_FOUND")
	s.problem(t, http.MethodGet, s.path()+"/deliveries?filter=state+is+odd", nil, http.StatusBadRequest, "INVALID_FILTER")
	s.problem(t, http.MethodGet, s.path()+"/connections?pageToken=made-up", nil, http.StatusBadRequest, "INVALID_PAGE_TOKEN")

	wrong := s.oauth2()
	wrong["oauth2"].(map[string]any)["grantType"] = "GRANT_TYPE_UNSPECIFIED"
	p = s.problem(t, http.MethodPost, connections+"odd", wrong, http.StatusBadRequest, "INVALID_FIELD")
	require.Len(t, p.Errors, 1)
	require.Equal(t, "connection.oauth2.grantType", p.Errors[0].Field)

	far := s.oauth2()
	far["oauth2"].(map[string]any)["tokenEndpoint"] = "https://10.1.2.3/token" // private, and not allowed by --egress-allow loopback
	p = s.problem(t, http.MethodPost, connections+"odd", far, http.StatusBadRequest, "EGRESS_DENIED")
	require.NotEmpty(t, p.Errors)
	require.Equal(t, "connection.oauth2.tokenEndpoint", p.Errors[0].Field)
	s.problem(t, http.MethodGet, s.connection("odd"), nil, http.StatusNotFound, "CONNECTION_NOT_FOUND")
}
