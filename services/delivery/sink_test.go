package delivery_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

// sink is a destination that keeps what it received.
type sink struct {
	URL string

	mu       sync.Mutex
	received []received
	arrived  chan struct{} // holds one: something was received
}

type received struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
	At                  time.Time
}

// newSink serves until the test ends. handle answers; nil: 200.
func newSink(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, n int)) *sink {
	t.Helper()
	s := &sink{arrived: make(chan struct{}, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.received = append(s.received, received{
			Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: string(body), At: time.Now(),
		})
		n := len(s.received)
		s.mu.Unlock()
		select {
		case s.arrived <- struct{}{}:
		default:
		}
		if handle != nil {
			handle(w, r, n)
		}
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *sink) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.received...)
}

// wait waits until n requests have arrived and returns them.
func (s *sink) wait(t *testing.T, n int) []received {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		if all := s.all(); len(all) >= n {
			return all
		}
		select {
		case <-s.arrived:
		case <-deadline:
			require.FailNow(t, "too few requests", "want %d, have %d", n, len(s.all()))
		}
	}
}

// await waits until the one delivery of an event is as wanted, and returns it with its history.
func await(t *testing.T, s *deliverytest.Suite, event string, want func(*delivery.Delivery) bool) delivery.Delivery {
	t.Helper()
	var d delivery.Delivery
	require.Eventually(t, func() bool {
		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{Event: event}, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		d, err = s.Service.GetDelivery(t.Context(), list[0].ID)
		require.NoError(t, err)
		return want(&d)
	}, time.Minute, 5*time.Millisecond)
	return d
}

func inState(state delivery.State) func(*delivery.Delivery) bool {
	return func(d *delivery.Delivery) bool { return d.State == state }
}
