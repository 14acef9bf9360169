package schedule

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// maxSleep bounds a wait of the queue. Timers run on the monotonic clock; if the wall clock is set, due times are noticed
// within this time.
const maxSleep = 30 * time.Second

// Queue holds keys with due times and hands them out when they are due, earliest first. It is safe for concurrent use.
type Queue[K comparable] struct {
	now func() time.Time

	mu    sync.Mutex
	items map[K]*item[K]
	order order[K]
	wake  chan struct{} // capacity 1: the earliest due time changed
}

type item[K comparable] struct {
	key     K
	version int64
	due     time.Time
	index   int
}

// NewQueue returns an empty queue that tells due times by the given clock.
func NewQueue[K comparable](now func() time.Time) *Queue[K] {
	return &Queue[K]{now: now, items: map[K]*item[K]{}, wake: make(chan struct{}, 1)}
}

// Set makes key due at the given time, or never if that is zero, in place of any earlier setting of an older version:
// settings may arrive in another order than the changes they come from. What was handed out or removed is forgotten, so
// a late setting can make a key due once too often, never once too few.
func (q *Queue[K]) Set(key K, version int64, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it, known := q.items[key]
	switch {
	case known && version < it.version:
		return
	case due.IsZero():
		q.remove(it)
		return
	case known:
		it.due, it.version = due, version
		heap.Fix(&q.order, it.index)
	default:
		it = &item[K]{key: key, version: version, due: due}
		q.items[key] = it
		heap.Push(&q.order, it)
	}
	if it.index == 0 {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

func (q *Queue[K]) remove(it *item[K]) {
	if it == nil {
		return
	}
	heap.Remove(&q.order, it.index)
	delete(q.items, it.key)
}

// Len returns the number of keys.
func (q *Queue[K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// Wait returns the earliest key once it is due, and takes it out. Its error is that of ctx.
func (q *Queue[K]) Wait(ctx context.Context) (K, error) {
	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for {
		key, sleep, ok := q.pop()
		if ok {
			return key, nil
		}
		timer.Reset(sleep)
		select {
		case <-timer.C:
		case <-q.wake:
		case <-ctx.Done():
			var none K
			return none, ctx.Err()
		}
	}
}

// pop takes out the earliest key if it is due, else tells how long to sleep.
func (q *Queue[K]) pop() (key K, sleep time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		return key, maxSleep, false
	}
	first := q.order[0]
	if sleep = first.due.Sub(q.now()); sleep > 0 {
		return key, min(sleep, maxSleep), false
	}
	q.remove(first)
	return first.key, 0, true
}

// order is a heap of items by due time.
type order[K comparable] []*item[K]

func (o order[K]) Len() int           { return len(o) }
func (o order[K]) Less(i, j int) bool { return o[i].due.Before(o[j].due) }
func (o order[K]) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].index, o[j].index = i, j
}

// Push implements heap.Interface.
func (o *order[K]) Push(x any) {
	it, _ := x.(*item[K])
	it.index = len(*o)
	*o = append(*o, it)
}

// Pop implements heap.Interface.
func (o *order[K]) Pop() any {
	last := len(*o) - 1
	it := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return it
}
