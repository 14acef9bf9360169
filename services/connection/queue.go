package connection

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Waits between attempts to reach the token service about one connection.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 10 * time.Second
)

// queue holds the connections, or grants, that the token service must hear of, each once. One worker, or caller that claimed it, at a time
// has one; if it is added meanwhile, it is handed out again afterwards.
type queue[K comparable] struct {
	mu      sync.Mutex
	ready   []K
	items   map[K]*item
	arrived chan struct{} // capacity 1: ready is not empty
}

type item struct {
	attempts int           // failures in a row
	ready    bool          // is in queue.ready, and to be taken from there
	taken    bool          // a worker has it
	again    bool          // was added while taken
	freed    chan struct{} // closed once it is no longer taken; made by whoever waits for that
	timer    *time.Timer   // runs while it waits for its next attempt
}

func newQueue[K comparable]() *queue[K] {
	return &queue[K]{items: make(map[K]*item), arrived: make(chan struct{}, 1)}
}

// add makes the connection ready at once, also if it is waiting after a failure.
func (q *queue[K]) add(name K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[name]
	if it == nil {
		it = &item{}
		q.items[name] = it
	}
	if it.taken {
		it.again = true
		return
	}
	q.push(name, it)
}

// take returns the next connection that is ready, or false when ctx ends. done must be called with it.
func (q *queue[K]) take(ctx context.Context) (K, bool) {
	var zero K
	for {
		if name, ok := q.pop(); ok {
			return name, true
		}
		select {
		case <-q.arrived:
		case <-ctx.Done():
			return zero, false
		}
	}
}

// claim takes a connection out of its turn, as soon as nobody else has it. If it returns true, done must be called with it; false means that
// ctx ended before, and leaves the connection as it is.
func (q *queue[K]) claim(ctx context.Context, name K) bool {
	for {
		freed := q.claimFree(name)
		if freed == nil {
			return true
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

// claimFree takes a connection that nobody has. Otherwise it returns a channel that is closed when nobody has it any more.
func (q *queue[K]) claimFree(name K) (freed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[name]
	if it == nil {
		it = &item{}
		q.items[name] = it
	}
	if it.taken {
		if it.freed == nil {
			it.freed = make(chan struct{})
		}
		return it.freed
	}
	it.halt()
	it.ready, it.taken = false, true // pop passes over what queue.ready still has of it
	return nil
}

// done gives the connection back: forgotten after success, otherwise ready again after a wait that grows.
func (q *queue[K]) done(name K, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[name]
	it.taken = false
	if it.freed != nil {
		close(it.freed)
		it.freed = nil
	}
	switch {
	case it.again:
		it.again = false
		q.push(name, it)
	case ok:
		delete(q.items, name)
	default:
		it.attempts++
		it.timer = time.AfterFunc(retryDelay(it.attempts), func() { q.wake(name, it) })
	}
}

// hurry makes everything ready that waits after a failure: what made it fail may be over.
func (q *queue[K]) hurry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, it := range q.items {
		if it.timer != nil {
			it.attempts = 0
			q.push(name, it)
		}
	}
}

// stop ends the timers.
func (q *queue[K]) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range q.items {
		if it.timer != nil {
			it.timer.Stop()
		}
	}
}

func (q *queue[K]) wake(name K, it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.items[name] == it && it.timer != nil {
		q.push(name, it)
	}
}

// push needs the lock.
func (q *queue[K]) push(name K, it *item) {
	it.halt()
	if it.ready {
		return
	}
	it.ready = true
	q.ready = append(q.ready, name)
	q.signal()
}

// halt ends the wait for the next attempt.
func (it *item) halt() {
	if it.timer != nil {
		it.timer.Stop()
		it.timer = nil
	}
}

func (q *queue[K]) pop() (K, bool) {
	var zero K
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) > 0 {
		name := q.ready[0]
		q.ready = q.ready[1:]
		it := q.items[name]
		if it == nil || !it.ready { // somebody has claimed it
			continue
		}
		it.ready, it.taken = false, true
		if len(q.ready) > 0 {
			q.signal() // for the next worker
		}
		return name, true
	}
	return zero, false
}

func (q *queue[K]) signal() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// retryDelay is the wait before attempt n+1: exponential, with half of it left to chance, so that replicas and connections spread.
func retryDelay(n int) time.Duration {
	d := maxRetry
	if n < 8 { // 100 ms · 2^7 is beyond the maximum
		d = min(maxRetry, minRetry<<(n-1))
	}
	return d/2 + rand.N(d/2)
}
