package e2e_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// history is everything that a watch of a token has brought.
type history struct {
	mu       sync.Mutex
	messages []message
	err      error // how the watch ended
}

// follow watches the token at a path until the test ends, over plain HTTP.
func (r *rest) follow(t testing.TB, path string) *history {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, h, done := r.watchToken(ctx, t, path, false), &history{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := w.next()
			h.mu.Lock()
			if err != nil {
				h.err = err
				h.mu.Unlock()
				return
			}
			h.messages = append(h.messages, m)
			h.mu.Unlock()
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// all returns the messages so far, and how the watch ended; nil as long as it has not.
func (h *history) all() ([]message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]message(nil), h.messages...), h.err
}

// await waits for a message that satisfies want.
func (h *history) await(t testing.TB, what string, want func(token) bool) message {
	t.Helper()
	var found message
	eventually(t, what, patience, func() error {
		messages, err := h.all()
		for _, m := range messages {
			if m.Problem == nil && want(m.Token) {
				found = m
				return nil
			}
		}
		return on(false, "%d messages, the last %+v, end %v", len(messages), last(messages).Token.State, err)
	})
	return found
}

// accessToken returns the token of a generation.
func (h *history) accessToken(t testing.TB, number int64) string {
	t.Helper()
	return h.await(t, "generation", func(tok token) bool { return tok.Generation == number && tok.AccessToken != "" }).Token.AccessToken
}

// requireAhead checks that every next generation arrived while the former was still valid, and returns the least validity
// that was left.
func (h *history) requireAhead(t testing.TB) time.Duration {
	t.Helper()
	messages, _ := h.all()
	least := time.Duration(-1)
	for i := 1; i < len(messages); i++ {
		before, after := messages[i-1], messages[i]
		require.Equal(t, "AUTHORIZED", after.Token.State, "%s: %s", after.Token.StateReason, after.Token.StateMessage)
		if after.Token.Generation == before.Token.Generation || before.Token.Generation == 0 {
			continue
		}
		require.Equal(t, before.Token.Generation+1, after.Token.Generation)
		lead := before.Token.ExpireTime.Sub(after.Arrived)
		require.Positive(t, lead, "generation %d arrived after the former had expired", after.Token.Generation)
		if least < 0 || lead < least {
			least = lead
		}
	}
	return least
}

func last[T any](list []T) (zero T) {
	if len(list) == 0 {
		return zero
	}
	return list[len(list)-1]
}
