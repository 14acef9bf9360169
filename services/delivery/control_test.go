package delivery_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

var shopDestination = delivery.DestinationName{Project: "p", Destination: "shop"}

func change(t *testing.T, s *deliverytest.Suite, fn func(*delivery.Destination)) {
	t.Helper()
	_, err := s.Service.UpdateDestination(t.Context(), shopDestination, delivery.Write{},
		func(d *delivery.Destination) error { fn(d); return nil })
	require.NoError(t, err)
}

func TestPauseHoldsAndResumeReleases(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 200} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.MaxAge = time.Hour })
			paused, err := s.Service.PauseDestination(t.Context(), shopDestination, "moving")
			require.NoError(t, err)
			require.Equal(t, "moving", paused.Pause.Reason)
			begin := time.Now()
			s.Put(t, "shop", numbers(20)...)
			time.Sleep(30 * time.Minute)
			require.Empty(t, n.times())
			b, err := s.Service.DestinationBacklog(t.Context(), shopDestination)
			require.NoError(t, err)
			require.Equal(t, delivery.Backlog{Waiting: 20, Oldest: begin.UTC()}, b)

			again, err := s.Service.PauseDestination(t.Context(), shopDestination, "still moving")
			require.NoError(t, err)
			require.Equal(t, paused.Pause.Time, again.Pause.Time, "it has been paused since then")
			require.Equal(t, "still moving", again.Pause.Reason)
			require.Equal(t, paused.Etag, again.Etag)

			resumed, err := s.Service.ResumeDestination(t.Context(), shopDestination)
			require.NoError(t, err)
			require.False(t, resumed.Pause.IsSet())
			time.Sleep(time.Second)
			require.Len(t, n.times(), 20)
			b, err = s.Service.DestinationBacklog(t.Context(), shopDestination)
			require.NoError(t, err)
			require.Equal(t, delivery.Backlog{}, b)
			_, err = s.Service.PauseDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "none"}, "")
			require.ErrorIs(t, err, delivery.ErrDestinationNotFound)
		})
}

// TestAgeCountsDuringAPause: what gets too old while its destination is paused is dead, and says why.
func TestAgeCountsDuringAPause(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 200} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.MaxAge = time.Minute })
			_, err := s.Service.PauseDestination(t.Context(), shopDestination, "")
			require.NoError(t, err)
			event := s.Put(t, "shop", `{}`)[0]
			time.Sleep(2 * time.Minute)
			d := find(t, s, event)
			require.Equal(t, delivery.Dead, d.State)
			require.Equal(t, delivery.EventAgeExhausted, d.Condition)
			require.Contains(t, d.ErrorMessage, "paused")
			require.Empty(t, n.times())
		})
}

// TestCircuitHoldsRatherThanFails: while a destination fails, deliveries whose retries would be used up long ago are held; one at a time
// probes; once it works again, all are delivered.
func TestCircuitHoldsRatherThanFails(t *testing.T) {
	var down atomic.Bool
	inBubble(t, func() delivery.Response {
		if down.Load() {
			return delivery.Response{Status: 503, Excerpt: "maintenance"}
		}
		return delivery.Response{Status: 200}
	}, func(t *testing.T, s *deliverytest.Suite, n *network) {
		down.Store(true)
		retries := 3
		s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.Retries = &retries })
		change(t, s, func(d *delivery.Destination) {
			d.MaxConcurrency = 1
			d.Breaker = delivery.Breaker{Failures: 5, Probe: 10 * time.Second, LongestProbe: time.Minute}
		})
		events := s.Put(t, "shop", numbers(50)...)
		time.Sleep(5 * time.Second)
		require.Len(t, n.times(), 5, "then the circuit is open")
		d, err := s.Service.GetDestination(t.Context(), shopDestination)
		require.NoError(t, err)
		require.True(t, d.Circuit.IsOpen())
		require.False(t, d.Probing)
		require.Contains(t, d.Circuit.Reason, "503")
		require.Equal(t, d.Circuit.OpenTime.Add(10*time.Second), d.Circuit.NextProbe)

		time.Sleep(time.Hour)
		probes := len(n.times()) - 5
		require.InDelta(t, 60, probes, 5, "10 s, 20 s, 40 s, then a minute apart")
		for _, event := range events {
			require.Equal(t, delivery.Pending, find(t, s, event).State)
		}
		down.Store(false)
		time.Sleep(2 * time.Minute)
		for _, event := range events {
			got := find(t, s, event)
			require.Equal(t, delivery.Succeeded, got.State)
			require.LessOrEqual(t, got.Retries(), 1, "probes cost no retry")
		}
		d, err = s.Service.GetDestination(t.Context(), shopDestination)
		require.NoError(t, err)
		require.False(t, d.Circuit.IsOpen())
	})
}

// TestCircuitIsResumed: who reads the destination anew finds the circuit as it was left; resuming closes it.
func TestCircuitIsResumed(t *testing.T) {
	var down atomic.Bool
	inBubble(t, func() delivery.Response {
		if down.Load() {
			return delivery.Response{Failure: delivery.ConnectFailed, Message: "refused"}
		}
		return delivery.Response{Status: 200}
	}, func(t *testing.T, s *deliverytest.Suite, n *network) {
		down.Store(true)
		s.Rule(t, "shop", nil)
		change(t, s, func(d *delivery.Destination) {
			d.Breaker = delivery.Breaker{Failures: 1, Probe: time.Hour, LongestProbe: time.Hour}
		})
		event := s.Put(t, "shop", `{}`)[0]
		time.Sleep(time.Minute)
		require.Len(t, n.times(), 1)
		change(t, s, func(d *delivery.Destination) { d.Description = "read anew" })
		time.Sleep(time.Minute)
		require.Len(t, n.times(), 1, "still open")
		down.Store(false)
		_, err := s.Service.ResumeDestination(t.Context(), shopDestination)
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, delivery.Succeeded, find(t, s, event).State)
	})
}

// TestCircuitStaysClosed: a destination that answers, whatever it answers, works; and a breaker that is off never opens.
func TestCircuitStaysClosed(t *testing.T) {
	for name, c := range map[string]struct {
		answer  delivery.Response
		breaker delivery.Breaker
	}{
		"throttling": {delivery.Response{Status: 429}, delivery.Breaker{Failures: 1}},
		"refusal":    {delivery.Response{Status: 400}, delivery.Breaker{Failures: 1}},
		"off":        {delivery.Response{Status: 500}, delivery.Breaker{Failures: 1, Disabled: true}},
		"not yet":    {delivery.Response{Status: 500}, delivery.Breaker{Failures: 1, FailingTime: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func() delivery.Response { return c.answer }, func(t *testing.T, s *deliverytest.Suite, _ *network) {
				retries := 2
				s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.Retries = &retries })
				change(t, s, func(d *delivery.Destination) { d.Breaker = c.breaker })
				event := s.Put(t, "shop", `{}`)[0]
				time.Sleep(time.Minute)
				require.Equal(t, delivery.Dead, find(t, s, event).State)
				d, err := s.Service.GetDestination(t.Context(), shopDestination)
				require.NoError(t, err)
				require.False(t, d.Circuit.IsOpen())
			})
		})
	}
}

// TestOpenCircuitUntilTheEnd: the maximum age still rules, and the reason is the destination's.
func TestOpenCircuitUntilTheEnd(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Failure: delivery.TimedOut, Message: "too slow"} },
		func(t *testing.T, s *deliverytest.Suite, _ *network) {
			s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].Retry.MaxAge = 10 * time.Minute })
			change(t, s, func(d *delivery.Destination) {
				d.MaxConcurrency, d.Breaker = 1, delivery.Breaker{Failures: 1, Probe: time.Hour}
			})
			events := s.Put(t, "shop", numbers(3)...)
			time.Sleep(11 * time.Minute)
			for _, event := range events {
				d := find(t, s, event)
				require.Equal(t, delivery.Dead, d.State)
				require.Equal(t, delivery.Timeout, d.ErrorCode)
				require.Equal(t, delivery.EventAgeExhausted, d.Condition)
			}
			require.Contains(t, find(t, s, events[2]).ErrorMessage, "circuit was open until the event was too old: too slow")
		})
}
