package dispatch

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// lane is the queue of one destination. Its loop is the only one to start items.
type lane[K comparable, T any] struct {
	d      *Dispatcher[K, T]
	key    K
	tenant *tenant
	wake   chan struct{} // holds one: look again
	// starting and reading are its places among all lanes, for starts and for claims.
	starting, reading ticket

	mu         sync.Mutex
	ready      queue[T]
	gatherings map[string]*gathering[T] // batches that are not complete, by key
	held       int                      // items in memory: reserved, ready, at work
	working    int                      // items that count against the concurrency
	backlog    time.Time                // when the backlog has something due; zero: nothing known
	shut       bool                     // the gate was closed for long when last seen
	claiming   bool
	granting   bool
	pause      time.Time // no backlog call before, after one that failed
	expected   int       // counts expect, to tell news that came during a claim
	pace       pace
	grant      grant
	idleSince  time.Time
}

// loop starts what may start, until ctx ends or the lane is idle for long.
func (l *lane[K, T]) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		gate := l.d.worker.Gate(l.key)
		next, idle := l.step(gate)
		if idle && l.d.retire(l) {
			return
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-gate.Changed:
		case <-timer.C:
		}
	}
}

// step starts everything that may start now and returns when to look again; the zero time: when woken. idle: the lane had nothing to do
// for long.
func (l *lane[K, T]) step(gate Gate) (next time.Time, idle bool) {
	limits := l.d.worker.Limits(l.key)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.d.starts.decline(&l.starting)
	defer l.d.claims.decline(&l.reading)
	now := time.Now()
	l.pace.set(limits.PerSecond)
	l.shut = !gate.Open && gate.Release
	if !gate.Open {
		next = gate.Until
		if gate.Release {
			next = earlier(next, l.release(now))
		}
	} else {
		next = l.refill(now)
		next = earlier(next, l.gathered(now))
		next = earlier(next, l.start(now, limits))
	}
	if l.held > 0 || !l.backlog.IsZero() || l.claiming {
		l.idleSince = time.Time{}
		return next, false
	}
	if l.idleSince.IsZero() {
		l.idleSince = now
	}
	return earlier(next, l.idleSince.Add(idleAfter)), now.Sub(l.idleSince) >= idleAfter
}

// start starts items while limits allow and returns when the next may start.
func (l *lane[K, T]) start(now time.Time, limits Limits) time.Time {
	concurrency := orDefault(limits.Concurrency, l.d.config.Concurrency)
	for l.ready.Len() > 0 {
		if due := l.ready.items[0].Due; due.After(now) {
			return due
		}
		if l.working >= concurrency {
			return time.Time{} // the end of one nudges
		}
		if at := l.pace.next(); at.After(now) {
			return at
		}
		if limits.Shared && limits.PerSecond > 0 {
			at, granted := l.grant.next(now)
			if !granted {
				return l.ask(now, limits.PerSecond)
			}
			if at.After(now) {
				return at
			}
		}
		if !l.d.starts.admit(&l.starting) {
			return time.Time{}
		}
		l.pace.take(now)
		if limits.Shared && limits.PerSecond > 0 {
			l.grant.take()
		}
		l.begin()
	}
	return time.Time{}
}

// begin hands the first ready item to the worker.
func (l *lane[K, T]) begin() {
	item, _ := heap.Pop(&l.ready).(Item[T])
	l.working++
	l.d.run(func() {
		free := sync.OnceFunc(func() {
			l.mu.Lock()
			l.working--
			l.mu.Unlock()
			l.d.starts.leave()
			l.nudge()
		})
		if item.whole != nil {
			l.workTogether(item.whole.members, free)
			return
		}
		again := l.d.worker.Work(l.d.work, l.key, item.Value, free)
		free()
		l.end(item, again)
	})
}

// end does what the worker said about an item.
func (l *lane[K, T]) end(item Item[T], again Again) {
	if again.Keep {
		item.Due = again.At
		l.put(item)
		return
	}
	l.d.memory.add(l.tenant, -item.Weight)
	l.leave(1)
	if !again.At.IsZero() {
		l.expect(again.At)
	}
}

// refill claims a page of the backlog where something is due there and there is room for it. It returns when to look again.
func (l *lane[K, T]) refill(now time.Time) time.Time {
	room := l.d.config.Lane - l.held
	if !l.d.memory.room(l.tenant, 0) {
		room = min(room, 1-l.held) // one at a time, so that every lane gets on
	}
	if l.claiming || l.backlog.IsZero() || l.ready.Len() >= l.d.config.Lane/2 || room <= 0 {
		return time.Time{}
	}
	if at := later(l.backlog, l.pause); at.After(now) {
		return at
	}
	if !l.d.claims.admit(&l.reading) {
		return time.Time{}
	}
	l.claiming = true
	limit, expected := min(room, page), l.expected
	l.held += limit // of which what is not claimed leaves again
	l.d.memory.add(l.tenant, int64(limit)*claimWeight)
	l.d.tasks.Go(func() { l.claim(limit, expected) })
	return time.Time{}
}

func (l *lane[K, T]) claim(limit, expected int) {
	items, next, err := l.d.worker.Claim(l.d.work, l.key, limit)
	l.d.claims.leave()
	if err != nil {
		l.d.config.Logger.WarnContext(l.d.work, "backlog cannot be read", "lane", l.key, "error", err)
	}
	weight := -int64(limit) * claimWeight
	for _, item := range items {
		weight += item.Weight
	}
	l.d.memory.add(l.tenant, weight)
	l.mu.Lock()
	for _, item := range items {
		l.enqueue(item)
	}
	l.held -= limit - len(items)
	l.claiming = false
	switch {
	case err != nil:
		l.pause = time.Now().Add(failPause)
	case l.expected == expected:
		l.backlog = next
	default: // something joined the backlog meanwhile: keep what was told then
		l.backlog = earlier(l.backlog, next)
	}
	l.mu.Unlock()
	l.nudge()
}

// ask reserves starts among all processes, about a tenth of a second's.
func (l *lane[K, T]) ask(now time.Time, perSecond int) time.Time {
	if l.granting {
		return time.Time{}
	}
	if l.pause.After(now) {
		return l.pause
	}
	l.granting = true
	n := min(max(1, perSecond/10), l.ready.Len())
	interval := second / time.Duration(perSecond)
	l.d.tasks.Go(func() {
		first, err := l.d.worker.Slots(l.d.work, l.key, interval, n)
		if err != nil {
			l.d.config.Logger.WarnContext(l.d.work, "starts cannot be reserved", "lane", l.key, "error", err)
		}
		l.mu.Lock()
		l.granting = false
		if err != nil {
			l.pause = time.Now().Add(failPause)
		} else {
			l.grant = grant{at: first, left: n, interval: interval}
		}
		l.mu.Unlock()
		l.nudge()
	})
	return time.Time{}
}

// release puts what is ready back into the backlog. It returns when to look again.
func (l *lane[K, T]) release(now time.Time) time.Time {
	if l.ready.Len()+len(l.gatherings) == 0 || l.claiming {
		return time.Time{}
	}
	if l.pause.After(now) {
		return l.pause
	}
	items := l.takeAll()
	l.claiming = true // so that nothing is claimed before all is back
	l.d.tasks.Go(func() { l.giveBack(items) })
	return time.Time{}
}

func (l *lane[K, T]) giveBack(items []Item[T]) {
	values := make([]T, len(items))
	var weight int64
	for i, item := range items {
		values[i] = item.Value
		weight += item.Weight
	}
	err := l.d.worker.Release(l.d.work, l.key, values)
	if err != nil {
		l.d.config.Logger.WarnContext(l.d.work, "items cannot be put back", "lane", l.key, "error", err)
	} else {
		l.d.memory.add(l.tenant, -weight)
	}
	l.mu.Lock()
	l.claiming = false
	if err != nil {
		l.pause = time.Now().Add(failPause)
		for _, item := range items {
			l.enqueue(item)
		}
	} else {
		l.held -= len(items)
		l.backlog = time.Now()
	}
	l.mu.Unlock()
	l.nudge()
}

func (l *lane[K, T]) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
