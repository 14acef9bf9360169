package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load puts events all the time, whether or not anybody answers, and remembers which were acknowledged.
type load struct {
	scene  *scene
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu           sync.Mutex
	acknowledged map[string]bool
	unknown      map[string]bool // put, but without an answer: they may be there or not
	refused      []string        // answers that should not be
	changed      chan struct{}   // closed with the next acknowledgement
}

func startLoad(t testing.TB, s *scene) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{scene: s, cancel: cancel, acknowledged: map[string]bool{}, unknown: map[string]bool{}, changed: make(chan struct{})}
	for publisher := range publishers {
		l.done.Go(func() { l.publish(ctx, publisher) })
	}
	t.Cleanup(func() { cancel(); l.done.Wait() })
	return l
}

// publish puts one event after the other.
func (l *load) publish(ctx context.Context, publisher int) {
	pause := time.NewTicker(2 * time.Millisecond) // also between attempts to reach a process that is not there
	defer pause.Stop()
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		id := fmt.Sprintf("%d-%d", publisher, number)
		event := entry(lane(rand.IntN(lanes)), id)
		if _, _, grouped := inGroup(id); grouped {
			event = groupEntry(lane(ordered), id, strconv.Itoa(publisher))
		}
		a, err := l.scene.try(ctx, http.MethodPost, l.scene.path()+"/buses/default:putEvents", event)
		l.record(id, a, err)
	}
}

// inGroup tells whether the event of an id is one of its publisher's group.
func inGroup(id string) (publisher, number int, yes bool) {
	n, _ := fmt.Sscanf(id, "%d-%d", &publisher, &number)
	return publisher, number, n == 2 && number%10 == 0
}

func (l *load) record(id string, a answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch _, ok := ended(a); {
	case err != nil:
		l.unknown[id] = true
	case ok:
		l.acknowledged[id] = true
		close(l.changed)
		l.changed = make(chan struct{})
	case a.Status == http.StatusServiceUnavailable:
		l.unknown[id] = true
	default:
		l.refused = append(l.refused, fmt.Sprintf("%d %s", a.Status, a.Body))
	}
}

// live returns after some more acknowledgements and some time.
func (l *load) live(t testing.TB, acks int, least time.Duration) {
	t.Helper()
	timer := time.NewTimer(least)
	defer timer.Stop()
	l.mu.Lock()
	target := len(l.acknowledged) + acks
	l.mu.Unlock()
	for {
		l.mu.Lock()
		enough, changed := len(l.acknowledged) >= target, l.changed
		l.mu.Unlock()
		if enough {
			<-timer.C
			return
		}
		await(t, "an acknowledgement", changed)
	}
}

// stop ends the load and returns the ids of the acknowledged events and of those without an answer.
func (l *load) stop(t testing.TB) (acknowledged, unknown map[string]bool) {
	t.Helper()
	l.cancel()
	l.done.Wait()
	require.Empty(t, l.refused)
	require.NotEmpty(t, l.acknowledged)
	return l.acknowledged, l.unknown
}
