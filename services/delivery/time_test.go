package delivery_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// network is a Sender: the part of the world that does not exist in a bubble of time.
type network struct {
	answer func() delivery.Response

	mu       sync.Mutex
	sent     []time.Time
	requests []delivery.Request
}

// Send implements delivery.Sender.
func (n *network) Send(_ context.Context, r delivery.Request) delivery.Response {
	n.mu.Lock()
	n.sent, n.requests = append(n.sent, time.Now()), append(n.requests, r)
	n.mu.Unlock()
	return n.answer()
}

// byName answers with a status by the first label of the host; 503 for others.
type byName map[string]int

// Send implements delivery.Sender.
func (n byName) Send(_ context.Context, r delivery.Request) delivery.Response {
	u, _ := url.Parse(r.URL)
	name, _, _ := strings.Cut(u.Host, ".")
	if status := n[name]; status > 0 {
		return delivery.Response{Status: status}
	}
	return delivery.Response{Status: 503}
}

// times returns when requests were sent.
func (n *network) times() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent)
}

// inBubble runs a test where time costs nothing, with a running service.
func inBubble(t *testing.T, answer func() delivery.Response, fn func(t *testing.T, s *deliverytest.Suite, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &network{answer: answer}
		s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
			Params: func(p *delivery.Params) { p.Sender = n },
		}).Run(t)
		s.Destination(t, "shop", "https://api.example", nil)
		fn(t, s, n)
		s.Stop()
	})
}

func find(t *testing.T, s *deliverytest.Suite, event string) delivery.Delivery {
	t.Helper()
	list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{Event: event}, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	d, err := s.Service.GetDelivery(t.Context(), list[0].ID)
	require.NoError(t, err)
	return d
}

// day is the maximum age of an event that a rule has by itself; under the race detector, which makes a day of sweeps a minute of ours, some
// hours that aDay gives it.
func day() time.Duration {
	if raced {
		return 3 * time.Hour
	}
	return 24 * time.Hour
}

func aDay(r *delivery.Rule) {
	if raced {
		r.Targets[0].Retry.MaxAge = day()
	}
}

// TestADayOfRetries: a destination that never works is tried for a day, or 185 times more, whichever comes first.
func TestADayOfRetries(t *testing.T) {
	unavailable := func() delivery.Response { return delivery.Response{Status: 503} }
	inBubble(t, unavailable, func(t *testing.T, s *deliverytest.Suite, n *network) {
		s.Rule(t, "shop", aDay)
		change(t, s, func(d *delivery.Destination) { d.Breaker.Disabled = true })
		event := s.Put(t, "shop", `{"a":1}`)[0]
		time.Sleep(day() + time.Hour)
		d := find(t, s, event)
		require.Equal(t, delivery.Dead, d.State)
		require.Equal(t, delivery.ErrorFromTarget, d.ErrorCode)
		require.NotEqual(t, delivery.NotExhausted, d.Condition)
		require.Greater(t, d.Attempts, int(day()/(12*time.Minute)), "spread over the day, and not much rarer than allowed")
		require.LessOrEqual(t, d.Attempts, 186)
		require.Contains(t, d.Payload, `"detail":{"a":1}`)
		require.False(t, d.EndTime.After(d.ExpireTime))
		first := n.times()[0]
		early := 0
		for _, at := range n.times() {
			if at.Sub(first) < time.Minute {
				early++
			}
		}
		require.Greater(t, early, 4, "the first ones follow quickly")
	})
}

func TestMaximumAge(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Failure: delivery.TimedOut} },
		func(t *testing.T, s *deliverytest.Suite, _ *network) {
			s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.MaxAge = 90 * time.Second })
			event := s.Put(t, "shop", `{}`)[0]
			time.Sleep(100 * time.Second)
			d := find(t, s, event)
			require.Equal(t, delivery.EventAgeExhausted, d.Condition)
			require.Equal(t, delivery.Timeout, d.ErrorCode)
		})
}

// TestWithoutCredentialUntilTheEnd: a delivery that waited for a credential for all its time is dead, and says why.
func TestWithoutCredentialUntilTheEnd(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 200} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			s.Rule(t, "shop", aDay)
			s.Tokens.Deauthorize(deliverytest.CRM)
			synctest.Wait()
			event := s.Put(t, "shop", `{}`)[0]
			time.Sleep(day() - time.Minute)
			require.Equal(t, delivery.Pending, find(t, s, event).State)
			time.Sleep(2 * time.Minute)
			d := find(t, s, event)
			require.Equal(t, delivery.Dead, d.State)
			require.Equal(t, delivery.NoPermissions, d.ErrorCode)
			require.Equal(t, delivery.EventAgeExhausted, d.Condition)
			require.Contains(t, d.ErrorMessage, "DEAUTHORIZED")
			require.Len(t, d.History, 1)
			require.Equal(t, delivery.NoCredential, d.History[0].Class)
			require.Empty(t, n.times())
			require.NotEmpty(t, d.Payload)

			s.Tokens.Bearer(deliverytest.CRM, "token-2")
			_, err := s.Service.RedriveDelivery(t.Context(), d.ID, delivery.Edit{})
			require.NoError(t, err)
			time.Sleep(time.Second)
			require.Equal(t, delivery.Succeeded, find(t, s, event).State)
		})
}

// TestRefusedCredentialIsNotHammered: while nothing replaces a refused credential, a destination sees it once, then after a pause, then
// at the pace of the retries; not once for each event.
func TestRefusedCredentialIsNotHammered(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 401} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			s.Rule(t, "shop", nil)
			s.Put(t, "shop", `{}`)
			time.Sleep(9 * time.Second)
			require.Len(t, n.times(), 1, "it waits for another one")
			s.Put(t, "shop", numbers(20)...)
			time.Sleep(500 * time.Millisecond)
			require.Len(t, n.times(), 1)
			time.Sleep(time.Minute)
			require.Greater(t, len(n.times()), 21, "but not for ever")
		})
}

// TestRateLimitLeavesNoRoom: what the destination's rate does not let through within the maximum age is dead, and says so.
func TestRateLimitLeavesNoRoom(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 200} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			_, err := s.Service.UpdateDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "shop"}, delivery.Write{},
				func(d *delivery.Destination) error { d.RateLimit = 1; return nil })
			require.NoError(t, err)
			s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.MaxAge = time.Minute })
			events := s.Put(t, "shop", numbers(100)...)
			time.Sleep(3 * time.Minute)
			d := find(t, s, events[99])
			require.Equal(t, delivery.Dead, d.State)
			require.Equal(t, delivery.Throttling, d.ErrorCode)
			require.Equal(t, delivery.EventAgeExhausted, d.Condition)
			require.InDelta(t, 60, len(n.times()), 1)
		})
}
