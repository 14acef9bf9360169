package hub

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// Hub connects publishers and subscriptions. It is safe for concurrent use.
type Hub[K comparable, V any] struct {
	seed maphash.Seed

	mu   sync.RWMutex
	keys map[K]map[*Subscription[K, V]]struct{}
	all  map[*Subscription[K, V]]struct{}
}

// New returns a hub without subscribers.
func New[K comparable, V any]() *Hub[K, V] {
	return &Hub[K, V]{
		seed: maphash.MakeSeed(),
		keys: map[K]map[*Subscription[K, V]]struct{}{},
		all:  map[*Subscription[K, V]]struct{}{},
	}
}

// Publish offers a value of key to every subscriber. A subscriber that has been offered a version as new or newer ignores
// it.
func (h *Hub[K, V]) Publish(key K, version int64, value V) {
	item := Item[K, V]{Key: key, Version: version, Value: value}
	hash := maphash.Comparable(h.seed, key)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.keys[key] {
		s.offer(hash, item)
	}
	for s := range h.all {
		s.offer(hash, item)
	}
}

// Watched reports whether anybody is subscribed to key by name.
func (h *Hub[K, V]) Watched(key K) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.keys[key]) > 0
}

// Behind reports whether some subscriber to key has not been offered that version, or a newer one.
func (h *Hub[K, V]) Behind(key K, version int64) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.keys[key] {
		if s.behind(key, version) {
			return true
		}
	}
	for s := range h.all {
		if s.behind(key, version) {
			return true
		}
	}
	return false
}

// Keys returns the keys that somebody is subscribed to by name.
func (h *Hub[K, V]) Keys() []K {
	h.mu.RLock()
	defer h.mu.RUnlock()
	keys := make([]K, 0, len(h.keys))
	for key := range h.keys {
		keys = append(keys, key)
	}
	return keys
}

// HasAll reports whether anybody is subscribed to all keys.
func (h *Hub[K, V]) HasAll() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.all) > 0
}

// Subscribe returns a subscription to no key; Add adds them. It must be closed.
func (h *Hub[K, V]) Subscribe() *Subscription[K, V] { return newSubscription(h) }

// SubscribeAll returns a subscription to every key. It must be closed.
func (h *Hub[K, V]) SubscribeAll() *Subscription[K, V] {
	s := newSubscription(h)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[s] = struct{}{}
	return s
}

// Item is one value that a subscriber takes.
type Item[K comparable, V any] struct {
	Key     K
	Version int64
	Value   V
}

// waiting is a pending item and its place in the order of Take.
type waiting[K comparable, V any] struct {
	Item[K, V]
	place uint64
}

// Subscription is one subscriber's view. Its methods are safe for concurrent use.
type Subscription[K comparable, V any] struct {
	hub  *Hub[K, V]
	wake chan struct{} // capacity 1: something is pending

	mu sync.Mutex
	// first is pending if some is set: the one that waits longest. The others are in pending, which most subscribers, of one
	// key each, never need.
	first   Item[K, V]
	some    bool
	pending map[K]waiting[K, V]
	count   uint64 // of values that became pending
	// seen is the newest version offered, by the key's hash: a number per key instead of a copy of it, because one
	// subscriber to all keys sees every key there is.
	seen map[uint64]int64
	// keyed are the keys added; closed means that none can be. Both are guarded by hub.mu.
	keyed  map[K]struct{}
	closed bool
}

func newSubscription[K comparable, V any](h *Hub[K, V]) *Subscription[K, V] {
	return &Subscription[K, V]{
		hub:  h,
		wake: make(chan struct{}, 1),
		seen: map[uint64]int64{},
	}
}

// Add subscribes to key and reports whether that is new. What is published from now on arrives; the present state is for
// the caller to read afterwards and Offer.
func (s *Subscription[K, V]) Add(key K) bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if _, known := s.keyed[key]; known || s.closed {
		return false
	}
	if s.keyed == nil {
		s.keyed = map[K]struct{}{}
	}
	s.keyed[key] = struct{}{}
	if s.hub.keys[key] == nil {
		s.hub.keys[key] = map[*Subscription[K, V]]struct{}{}
	}
	s.hub.keys[key][s] = struct{}{}
	return true
}

// Remove ends the subscription to key and drops what is pending for it.
func (s *Subscription[K, V]) Remove(key K) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if _, known := s.keyed[key]; !known {
		return
	}
	delete(s.keyed, key)
	s.hub.forget(key, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.some && s.first.Key == key {
		s.first, s.some = Item[K, V]{}, false
	}
	delete(s.pending, key)
	delete(s.seen, maphash.Comparable(s.hub.seed, key))
}

// forget removes s from key. h.mu must be held.
func (h *Hub[K, V]) forget(key K, s *Subscription[K, V]) {
	delete(h.keys[key], s)
	if len(h.keys[key]) == 0 {
		delete(h.keys, key)
	}
}

// Len returns the number of keys added.
func (s *Subscription[K, V]) Len() int {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	return len(s.keyed)
}

// Offer makes a value pending unless the version, or a newer one, has been offered before.
func (s *Subscription[K, V]) Offer(key K, version int64, value V) {
	s.offer(maphash.Comparable(s.hub.seed, key), Item[K, V]{Key: key, Version: version, Value: value})
}

// offer is Offer of an item whose key has that hash.
func (s *Subscription[K, V]) offer(hash uint64, item Item[K, V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen, ok := s.seen[hash]; ok && item.Version <= seen {
		return
	}
	s.seen[hash] = item.Version
	s.put(item)
}

func (s *Subscription[K, V]) behind(key K, version int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, ok := s.seen[maphash.Comparable(s.hub.seed, key)]
	return !ok || seen < version
}

// Again makes a value pending although its version has been offered, unless a newer one has.
func (s *Subscription[K, V]) Again(key K, version int64, value V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := maphash.Comparable(s.hub.seed, key)
	if seen, ok := s.seen[hash]; ok && version < seen {
		return
	}
	s.seen[hash] = version
	s.put(Item[K, V]{Key: key, Version: version, Value: value})
}

// put stores a pending item and wakes the subscriber. s.mu must be held.
func (s *Subscription[K, V]) put(item Item[K, V]) {
	switch {
	case s.some && s.first.Key == item.Key, !s.some && len(s.pending) == 0:
		s.first, s.some = item, true
	default:
		place := s.count
		if former, ok := s.pending[item.Key]; ok {
			place = former.place // a newer value does not lose its turn
		}
		s.count++
		if s.pending == nil {
			s.pending = map[K]waiting[K, V]{}
		}
		s.pending[item.Key] = waiting[K, V]{Item: item, place: place}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Wake receives after something became pending. Take everything then.
func (s *Subscription[K, V]) Wake() <-chan struct{} { return s.wake }

// Take returns what is pending, longest waiting first, and leaves nothing.
func (s *Subscription[K, V]) Take() []Item[K, V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := make([]Item[K, V], 0, 1+len(s.pending))
	if s.some {
		items = append(items, s.first)
		s.first, s.some = Item[K, V]{}, false
	}
	if len(s.pending) == 0 {
		return items
	}
	taken := slices.Collect(maps.Values(s.pending))
	clear(s.pending)
	slices.SortFunc(taken, func(a, b waiting[K, V]) int { return cmp.Compare(a.place, b.place) })
	for i := range taken {
		items = append(items, taken[i].Item)
	}
	return items
}

// Close ends the subscription. Keys that are added later are ignored.
func (s *Subscription[K, V]) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.all, s)
	for key := range s.keyed {
		s.hub.forget(key, s)
	}
	s.keyed, s.closed = nil, true
}
