package dispatch

import (
	"container/heap"
	"slices"
	"time"
)

// reserve makes room for one item and says whether there is any.
func (l *lane[K, T]) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := !l.backlog.IsZero() && !l.backlog.After(time.Now())
	if due || l.shut || l.claiming || l.held >= l.d.config.Lane {
		return false
	}
	l.held++
	return true
}

// put queues an item that is counted as held.
func (l *lane[K, T]) put(item Item[T]) {
	l.mu.Lock()
	l.enqueue(item)
	l.mu.Unlock()
	l.nudge()
}

// leave counts items out.
func (l *lane[K, T]) leave(n int) {
	l.mu.Lock()
	l.held -= n
	l.mu.Unlock()
	l.nudge()
}

// expect notes when the backlog has something due.
func (l *lane[K, T]) expect(at time.Time) {
	l.mu.Lock()
	l.backlog = earlier(l.backlog, at)
	l.expected++
	l.mu.Unlock()
	l.nudge()
}

func (l *lane[K, T]) drop(match func(T) bool) []T {
	l.mu.Lock()
	var weight int64
	var dropped []T
	drops := func(item Item[T]) bool {
		if !match(item.Value) {
			return false
		}
		weight += item.Weight
		dropped = append(dropped, item.Value)
		return true
	}
	kept := l.ready.items[:0]
	for _, item := range l.ready.items {
		if whole := item.whole; whole != nil {
			if whole.members = slices.DeleteFunc(whole.members, drops); len(whole.members) == 0 {
				continue
			}
		} else if drops(item.Item) {
			continue
		}
		kept = append(kept, item)
	}
	l.dropGathered(drops)
	clear(l.ready.items[len(kept):])
	l.ready.items = kept
	heap.Init(&l.ready)
	l.held -= len(dropped)
	l.mu.Unlock()
	l.d.memory.add(l.tenant, -weight)
	l.nudge()
	return dropped
}

func (l *lane[K, T]) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held == 0 && l.backlog.IsZero() && !l.claiming && !l.granting
}

func (l *lane[K, T]) oldestDue() time.Time {
	_, oldest := l.load()
	return oldest
}

func (l *lane[K, T]) load() (items int, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest = l.backlog
	if l.ready.Len() > 0 {
		oldest = earlier(oldest, l.ready.items[0].Due)
	}
	for _, g := range l.gatherings {
		oldest = earlier(oldest, g.until)
	}
	return l.held, oldest
}
