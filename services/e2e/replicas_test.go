package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// takeover is how long the work of a process that died may lie still: the life of its last sign of life, and some time for a loaded machine.
const takeover = time.Minute

// TestReplicas runs two processes with all roles on one database.
func TestReplicas(t *testing.T) {
	t.Parallel()
	dsn := sqltest.PostgresDSN(t)
	a := newProcesses(t, setup{database: dsn})
	a.Start(t)
	b := newProcesses(t, setup{database: dsn, replicaOf: a})
	b.Start(t)
	s, restB := newScene(t, a, brief), newREST(t, b)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)

	// Whoever makes a generation, the watchers of both have it ahead of expiry.
	atA, atB := s.follow(t, s.token("crm")), restB.follow(t, s.token("crm"))
	var refreshed token
	for _, replica := range []*rest{s.rest, restB} {
		replica.ok(t, http.MethodPost, s.token("crm")+":refresh", nil, &refreshed)
		for _, tokens := range []*history{atA, atB} {
			tokens.await(t, "the generation that was asked for", generation(refreshed.Generation))
			require.Equal(t, refreshed.AccessToken, tokens.accessToken(t, refreshed.Generation))
		}
	}
	for _, tokens := range []*history{atA, atB} {
		tokens.await(t, "scheduled generations", generation(refreshed.Generation+4))
		tokens.requireAhead(t)
	}
	requireOneRedemptionEach(t, s)

	// Both put and deliver; a change made through one is in force at the other.
	restB.ok(t, http.MethodPatch, s.path()+"/buses/default/rules/orders", map[string]any{"eventPattern": `{"source":["orders","more orders"]}`}, nil)
	for i := range 20 {
		replica := []*rest{s.rest, restB}[i%2]
		var result putResult
		replica.ok(t, http.MethodPost, s.path()+"/buses/default:putEvents", entry("more orders", fmt.Sprint("both ", i)), &result)
		require.Zero(t, result.FailedEntryCount)
		s.awaitDelivery(t, result.Entries[0].EventID, "SUCCEEDED")
	}
	require.Len(t, s.api.Delivered(), 20)

	// What one has in hand when it dies the other finishes.
	s.refuse.Store(http.StatusServiceUnavailable)
	for i := range 20 {
		s.put(t, "orders", fmt.Sprint("left behind ", i))
	}
	messages, _ := atB.all()
	atB.await(t, "a new generation", generation(last(messages).Token.Generation+1)) // so that none is under way
	a.Kill(t)
	s.refuse.Store(0)
	eventually(t, "delivery of what the dead one had", takeover, func() error {
		return on(len(s.api.Delivered()) == 40, "%d of 40", len(s.api.Delivered()))
	})
	messages, _ = atB.all()
	atB.await(t, "generations after the death", generation(last(messages).Token.Generation+3))
	atB.requireAhead(t)
	require.Zero(t, s.api.Stats().Unauthorized)
	for _, events := range s.api.Delivered() {
		require.LessOrEqual(t, events, 2)
	}
	m := scrape(t, b)
	require.Zero(t, m.values["freshet_token_double_redeem_total"])
	require.Zero(t, m.values["freshet_token_served_expired_total"])

	a.Start(t) // it is welcome back
	s.deliver(t, "orders", "after the return")
	a.Stop(t)
	b.Stop(t)
}

// requireOneRedemptionEach checks that no generation was asked for twice. The newest may be on its way.
func requireOneRedemptionEach(t testing.TB, s *scene) {
	t.Helper()
	eventually(t, "one redemption for each generation", patience, func() error {
		before := s.current(t, "crm").Generation
		issued := int64(s.auth.Stats().Total())
		after := s.current(t, "crm").Generation
		return on(before == issued && issued == after, "%d tokens for %d generations", issued, after)
	})
}
