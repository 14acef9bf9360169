package e2e_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// testOutage takes the authorization server away for longer than a token lives. Deliveries wait, and everything goes on by itself when it
// is back.
func testOutage(t *testing.T, w World) {
	s := newScene(t, w, brief)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)
	tokens := s.follow(t, s.token("crm"))
	s.deliver(t, "orders", "before")

	s.authSite.close(t)
	ended := tokens.await(t, "the end of the last token", func(tok token) bool {
		return tok.State == "FAILED_CONNECTIVITY" && tok.StateReason == "NOT_SENT" // the attempt before it may be slower than the end
	})
	messages, _ := tokens.all()
	for _, m := range messages { // what was valid was served to its end
		if m.Token.Generation == ended.Token.Generation && m.Token.State == "AUTHORIZED" {
			require.False(t, ended.Arrived.Before(m.Token.ExpireTime))
		}
	}
	c := s.awaitConnection(t, "crm", "FAILED_CONNECTIVITY")
	require.Equal(t, "NOT_SENT", c.StateReason)
	s.problem(t, http.MethodGet, s.token("crm")+"?minTtl=1s", nil, http.StatusServiceUnavailable, "NOT_SENT")
	waiting := []string{s.put(t, "orders", "1"), s.put(t, "orders", "2"), s.put(t, "orders", "3")}
	s.awaitDestination(t, "orders", "INACTIVE")
	for _, event := range waiting {
		s.awaitDelivery(t, event, "PENDING")
	}

	s.authSite.open(t)
	s.awaitConnection(t, "crm", "AUTHORIZED")
	for _, event := range waiting {
		d := s.awaitDelivery(t, event, "SUCCEEDED")
		require.Len(t, d.Attempts, 1, "waiting costs nothing")
	}
	s.awaitDestination(t, "orders", "ACTIVE")
	require.Zero(t, s.api.Stats().Unauthorized)
	require.Len(t, s.api.Delivered(), 4)
}
