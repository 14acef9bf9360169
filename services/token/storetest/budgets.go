package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token/gate"
)

func take(s Store, t *testing.T, project, server string, limit int, now time.Duration) (ok bool) {
	t.Helper()
	require.NoError(t, s.UpdateBudget(t.Context(), project, server, at(now), func(b *gate.Budget) {
		_, ok = b.Take(gate.Limit{Requests: limit, Period: time.Hour}, at(now))
	}))
	return ok
}

func budgets(t *testing.T, stores Stores) {
	s := stores.Same()
	require.True(t, take(s, t, "p", "a", 2, 0))
	require.True(t, take(stores.Same(), t, "p", "a", 2, time.Minute))
	require.False(t, take(s, t, "p", "a", 2, 2*time.Minute), "what another replica counted counts")
	require.True(t, take(s, t, "p", "b", 2, 2*time.Minute), "another client's")
	require.True(t, take(s, t, "q", "a", 2, 2*time.Minute), "another project's")
	require.True(t, take(s, t, "p", "a", 2, 62*time.Minute))

	require.True(t, take(s, t, "p", "c", 2, 91*24*time.Hour), "a new one has old ones forgotten")
	require.EqualValues(t, 1, stores.Query("SELECT COUNT(*) FROM mint_budgets"))
}

func budgetsAreShared(t *testing.T, stores Stores) {
	const limit, replicas, each = 10, 4, 8
	results := make(chan bool, replicas*each)
	for range replicas {
		s := stores.Same()
		go func() {
			for range each {
				var ok bool
				err := s.UpdateBudget(t.Context(), "p", "a", at(0), func(b *gate.Budget) {
					_, ok = b.Take(gate.Limit{Requests: limit, Period: time.Hour}, at(0))
				})
				results <- ok && err == nil
			}
		}()
	}
	var taken int
	for range replicas * each {
		if <-results {
			taken++
		}
	}
	require.Equal(t, limit, taken)
}
