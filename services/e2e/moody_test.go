package e2e_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// moodyAPI is an API that sometimes fails, hangs, or takes an event and breaks off before it says so.
type moodyAPI struct {
	scene  *scene
	site   *site
	behave atomic.Bool

	mu       sync.Mutex
	life     int                     // of the process that calls
	accepted map[string][]acceptance // by the event's own id
	order    []string                // ids of events as they were accepted
}

// acceptance is a call that the API accepted.
type acceptance struct {
	life  int
	heard bool // the caller was told
}

func newMoodyAPI(t testing.TB, s *scene) *moodyAPI {
	t.Helper()
	m := &moodyAPI{scene: s, accepted: map[string][]acceptance{}}
	m.site = newSite(t, m)
	return m
}

// ServeHTTP implements http.Handler.
func (m *moodyAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mood := rand.IntN(100)
	switch {
	case m.behave.Load() || mood >= 12:
		m.accept(w, r)
	case mood < 6:
		http.Error(w, "not in the mood", http.StatusServiceUnavailable)
	case mood < 8:
		_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is noticed
		<-r.Context().Done()
	default:
		m.accept(&unheard{header: http.Header{}}, r)
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
}

// accept has the API check the call, and counts what it accepts.
func (m *moodyAPI) accept(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender left
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answered := &observed{ResponseWriter: w}
	m.scene.api.Handler().ServeHTTP(answered, r)
	if answered.status == http.StatusOK {
		m.mu.Lock()
		defer m.mu.Unlock()
		id := entryID(body)
		_, broken := w.(*unheard)
		m.accepted[id] = append(m.accepted[id], acceptance{m.life, !broken})
		m.order = append(m.order, id)
	}
}

// calm makes it answer everything.
func (m *moodyAPI) calm() { m.behave.Store(true) }

// delivered returns how often each event was accepted.
func (m *moodyAPI) delivered() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	times := map[string]int{}
	for id, all := range m.accepted {
		times[id] = len(all)
	}
	return times
}

// reborn says that the calls that come from now on are of another process, once those of the dead one are through.
func (m *moodyAPI) reborn(t testing.TB) {
	t.Helper()
	eventually(t, "the end of the dead process's calls", patience, func() error {
		open := m.site.conns.Load()
		return on(open == 0, "%d connections are open", open)
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
}

// requireCause checks why events came more than once: the API had not said that it took them, or the process that called died. It
// returns how many came again after each death.
func (m *moodyAPI) requireCause(t testing.TB) map[int]int {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	inFlight := map[int]int{}
	for id, all := range m.accepted {
		for i := range all[1:] {
			if before := all[i]; before.heard {
				require.Greater(t, all[i+1].life, before.life, "%s came again although the process heard that it was taken", id)
				inFlight[before.life]++
			}
		}
	}
	return inFlight
}

// requireOrder checks that the events of each group were accepted in the order in which they were put, and returns how many there were.
// Only the last one taken may come again.
func (m *moodyAPI) requireOrder(t testing.TB) (events int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	last := map[int]int{}
	for _, id := range m.order {
		publisher, number, grouped := inGroup(id)
		if !grouped {
			continue
		}
		before, begun := last[publisher]
		require.False(t, begun && number < before, "%d of group %d came after %d", number, publisher, before)
		if !begun || number > before {
			events++
		}
		last[publisher] = number
	}
	return events
}

// lane names a destination and the source of its events.
func lane(number int) string { return "lane" + strconv.Itoa(number) }

// destine creates a destination of this API.
func (m *moodyAPI) destine(t testing.TB, number int) {
	t.Helper()
	regular := m.scene.apiSite
	m.scene.apiSite = m.site
	defer func() { m.scene.apiSite = regular }()
	m.scene.destine(t, lane(number), "crm", "/orders/*", nil)
}

// observed notes the status of an answer.
type observed struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (o *observed) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (o *observed) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	return o.ResponseWriter.Write(p)
}

// unheard is an answer that never leaves.
type unheard struct{ header http.Header }

// Header implements http.ResponseWriter.
func (u *unheard) Header() http.Header { return u.header }

// Write implements http.ResponseWriter.
func (u *unheard) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (u *unheard) WriteHeader(int) {}
