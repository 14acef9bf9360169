package gate_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token/gate"
)

// TestBudget asks at random times, of a budget that is stored in between, and counts in every period there is.
func TestBudget(t *testing.T) {
	limit := gate.Limit{Requests: 10, Period: 10 * time.Minute}
	var budget gate.Budget
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var passed []time.Time
	for range 20_000 {
		now = now.Add(rand.N(2 * time.Second))
		until, ok := budget.Take(limit, now)
		if ok {
			passed = append(passed, now)
			stored, err := json.Marshal(budget)
			require.NoError(t, err)
			budget = gate.Budget{}
			require.NoError(t, json.Unmarshal(stored, &budget))
			require.LessOrEqual(t, len(budget.Counts), 61)
			continue
		}
		require.True(t, until.After(now))
		require.LessOrEqual(t, until.Sub(now), limit.Period+limit.Period/60)
	}
	for i := limit.Requests; i < len(passed); i++ {
		require.GreaterOrEqual(t, passed[i].Sub(passed[i-limit.Requests]), limit.Period)
	}
	require.Greater(t, len(passed), 300, "and what is allowed is used")
}

func TestBudgetGivesBack(t *testing.T) {
	limit := gate.Limit{Requests: 2, Period: time.Minute}
	var budget gate.Budget
	first := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	budget.GiveBack(first) // of nothing
	for i := range 2 {
		_, ok := budget.Take(limit, first.Add(time.Duration(i)*time.Second))
		require.True(t, ok)
	}
	_, ok := budget.Take(limit, first.Add(2*time.Second))
	require.False(t, ok)
	budget.GiveBack(first)
	budget.GiveBack(first) // twice is once
	_, ok = budget.Take(limit, first.Add(2*time.Second))
	require.True(t, ok)
	_, ok = budget.Take(limit, first.Add(2*time.Second))
	require.False(t, ok)
}

func TestBudgetOfChangedSettings(t *testing.T) {
	var budget gate.Budget
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 3 {
		_, ok := budget.Take(gate.Limit{Requests: 3, Period: time.Minute}, now)
		require.True(t, ok)
	}
	_, ok := budget.Take(gate.Limit{Requests: 3, Period: time.Hour}, now.Add(30*time.Second))
	require.False(t, ok, "what was counted counts")
	_, ok = budget.Take(gate.Limit{Requests: 4, Period: time.Hour}, now.Add(30*time.Second))
	require.True(t, ok)
	_, ok = budget.Take(gate.Limit{Requests: 3, Period: time.Hour}, now.Add(2*time.Hour))
	require.True(t, ok)
}
