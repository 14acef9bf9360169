package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token/gate"
)

var client = gate.Client{Endpoint: "https://as.example/token", ID: "crm", Credential: "1"}

// clock is one that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func newGate() (*gate.Gate[string], *clock) {
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return gate.New[string](c.now), c
}

func TestPauseOfAnEndpoint(t *testing.T) {
	g, c := newGate()
	_, ok := g.Enter(client, "a", false)
	require.True(t, ok)
	g.Leave(client, "a", gate.Outcome{Kind: gate.Throttled, Time: c.at, RetryAfter: time.Minute})
	other := gate.Client{Endpoint: client.Endpoint, ID: "other"}
	hold, ok := g.Enter(other, "b", true)
	require.False(t, ok, "all clients at the endpoint wait")
	require.Equal(t, gate.Hold{Cause: gate.Paused, Until: c.at.Add(time.Minute)}, hold)
	_, ok = g.Enter(gate.Client{Endpoint: "https://elsewhere.example/token", ID: "crm"}, "c", false)
	require.True(t, ok)
	c.advance(time.Minute)
	_, ok = g.Enter(other, "b", false)
	require.True(t, ok)

	g.Leave(client, "a", gate.Outcome{Kind: gate.Throttled, Time: c.at, RetryAfter: 1000 * time.Hour})
	hold, _ = g.Enter(client, "a", false)
	require.Equal(t, c.at.Add(gate.MaxPause), hold.Until)
}

func TestBreakerOfAClient(t *testing.T) {
	g, c := newGate()
	change := g.Leave(client, "a", gate.Outcome{Kind: gate.Denied, Time: c.at})
	require.True(t, change.Opened)
	hold, ok := g.Enter(client, "b", false)
	require.False(t, ok)
	require.Equal(t, gate.Refused, hold.Cause)
	other := client
	other.Credential = "2"
	_, ok = g.Enter(other, "c", false)
	require.True(t, ok, "with another secret it is another client")

	probes := 0
	for range 3600 { // an hour in which all the time ten tokens are due
		for i := range 10 {
			if _, ok := g.Enter(client, fmt.Sprint(i), false); ok {
				probes++
				require.False(t, g.Leave(client, fmt.Sprint(i), gate.Outcome{Kind: gate.Denied, Time: c.at}).Opened, "it is told once")
			}
		}
		c.advance(time.Second)
	}
	require.Less(t, probes, 20)
	require.Greater(t, probes, 10)

	c.advance(10 * time.Minute)
	_, ok = g.Enter(client, "b", false)
	require.True(t, ok)
	_, ok = g.Enter(client, "d", false)
	require.False(t, ok, "one probe at a time")
	change = g.Leave(client, "b", gate.Outcome{Kind: gate.Accepted, Time: c.at})
	require.True(t, change.Closed)
	require.Contains(t, change.Held, "a")
	require.Contains(t, change.Held, "d")
	require.NotContains(t, change.Held, "b")
	_, ok = g.Enter(client, "d", false)
	require.True(t, ok)

	require.False(t, g.Leave(client, "a", gate.Outcome{Kind: gate.Denied, Time: c.at}).Opened, "that is a's own trouble")
	_, ok = g.Enter(client, "b", false)
	require.True(t, ok)
}

func TestProbeThatFindsNothingOut(t *testing.T) {
	g, c := newGate()
	g.Leave(client, "a", gate.Outcome{Kind: gate.Denied, Time: c.at})
	_, ok := g.Enter(client, "b", true)
	require.True(t, ok, "somebody repaired something")
	g.Leave(client, "b", gate.Outcome{Kind: gate.Unknown, Time: c.at})
	_, ok = g.Enter(client, "c", false)
	require.True(t, ok)
	_, ok = g.Enter(client, "d", false)
	require.False(t, ok)
	c.advance(time.Minute)
	_, ok = g.Enter(client, "d", false)
	require.True(t, ok, "c was not heard of again")
}

func TestGateIsBounded(t *testing.T) {
	g, c := newGate()
	for i := range 30_000 {
		one := gate.Client{Endpoint: fmt.Sprint(i), ID: fmt.Sprint(i)}
		_, ok := g.Enter(one, "a", false)
		require.True(t, ok)
		g.Leave(one, "a", gate.Outcome{Kind: gate.Throttled, Time: c.at, RetryAfter: time.Hour})
		g.Leave(one, "a", gate.Outcome{Kind: gate.Denied, Time: c.at})
		c.advance(time.Millisecond)
	}
	require.LessOrEqual(t, g.Len(), 20_000)
}
