package dispatch

import (
	"container/heap"
	"slices"
	"time"
)

// company is how long a batch whose time had come when it was begun waits for what is being claimed, so that a backlog yields full ones.
const company = time.Second

// Batch says with which items of its lane an item is worked on together.
type Batch struct {
	// Key is the same for items that go together, as are the bounds.
	Key string
	// Size is what the item counts against MaxSize.
	Size int
	// MaxItems and MaxSize make a batch complete. An item beyond MaxSize goes alone.
	MaxItems, MaxSize int
	// Window is how long an item that is due waits for others.
	Window time.Duration
}

// gathering is a batch, complete or not.
type gathering[T any] struct {
	members []Item[T]
	size    int
	began   time.Time
	until   time.Time // when it goes, complete or not
}

// enqueue makes an item ready, or part of its batch. l.mu is held.
func (l *lane[K, T]) enqueue(item Item[T]) {
	b := item.Batch
	if b == nil || item.whole != nil {
		heap.Push(&l.ready, item)
		return
	}
	if g := l.gatherings[b.Key]; g != nil && g.size+b.Size > b.MaxSize {
		l.complete(b.Key)
	}
	g := l.gatherings[b.Key]
	if g == nil {
		if l.gatherings == nil {
			l.gatherings = map[string]*gathering[T]{}
		}
		g = &gathering[T]{began: time.Now()}
		l.gatherings[b.Key] = g
	}
	g.members = append(g.members, item)
	g.size += b.Size
	g.until = earlier(g.until, item.Due.Add(b.Window))
	if len(g.members) >= b.MaxItems || g.size >= b.MaxSize {
		l.complete(b.Key)
	}
}

// complete makes a batch ready. l.mu is held.
func (l *lane[K, T]) complete(key string) {
	g := l.gatherings[key]
	delete(l.gatherings, key)
	heap.Push(&l.ready, g.item())
}

// item stands for a batch in the queue; it is due when all members are.
func (g *gathering[T]) item() Item[T] {
	item := Item[T]{whole: g}
	for i := range g.members {
		item.Due = later(item.Due, g.members[i].Due)
	}
	return item
}

// gathered completes the batches whose time has come and returns when that of the next comes. l.mu is held.
func (l *lane[K, T]) gathered(now time.Time) (next time.Time) {
	for key, g := range l.gatherings {
		at := g.until
		if l.claiming {
			at = later(at, g.began.Add(company))
		}
		if at.After(now) {
			next = earlier(next, at)
			continue
		}
		l.complete(key)
	}
	return next
}

// workTogether hands a batch to the worker and does what it says about each member. Those that stay in memory stay together.
func (l *lane[K, T]) workTogether(members []Item[T], free func()) {
	values := make([]T, len(members))
	for i := range members {
		values[i] = members[i].Value
	}
	again := l.d.worker.WorkTogether(l.d.work, l.key, values, free)
	free()
	var kept []Item[T]
	for i, item := range members {
		if !again[i].Keep {
			l.end(item, again[i])
			continue
		}
		item.Due = again[i].At
		kept = append(kept, item)
	}
	if len(kept) > 0 {
		l.put((&gathering[T]{members: kept}).item())
	}
}

// takeAll removes what is ready or being gathered, and returns it one by one. l.mu is held.
func (l *lane[K, T]) takeAll() (items []Item[T]) {
	for _, item := range l.ready.items {
		if item.whole == nil {
			items = append(items, item.Item)
		} else {
			items = append(items, item.whole.members...)
		}
	}
	for _, g := range l.gatherings {
		items = append(items, g.members...)
	}
	l.ready.items, l.gatherings = nil, nil
	return items
}

// dropGathered removes members of batches that are not complete. l.mu is held.
func (l *lane[K, T]) dropGathered(drops func(Item[T]) bool) {
	for key, g := range l.gatherings {
		g.members = slices.DeleteFunc(g.members, drops)
		g.size = 0
		for i := range g.members {
			g.size += g.members[i].Batch.Size
		}
		if len(g.members) == 0 {
			delete(l.gatherings, key)
		}
	}
}
