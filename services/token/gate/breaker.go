package gate

import (
	"maps"
	"slices"
	"time"
)

// breaker is what is known of a client that was refused.
type breaker[K comparable] struct {
	open     bool
	until    time.Time // of the next probe
	refusals int       // in a row
	touched  time.Time
	// held are those that wait, or were refused. revived are those that were let go when the client was accepted again: if one of them is
	// refused once more, that is its own trouble and not the client's.
	held, revived map[K]struct{}
}

func (b *breaker[K]) hold(member K) {
	if len(b.held) < maxHeld {
		b.held[member] = struct{}{}
	}
}

// deny takes in a refusal and reports whether it opened the breaker.
func (b *breaker[K]) deny(member K, now time.Time) bool {
	b.touched = now
	if _, again := b.revived[member]; again && !b.open {
		return false
	}
	b.hold(member)
	opened := !b.open
	b.open = true
	b.until = now.Add(min(firstProbe<<min(b.refusals, 16), lastProbe)).Truncate(time.Microsecond)
	b.refusals++
	return opened
}

// accept takes in that the client was accepted.
func (b *breaker[K]) accept(member K, now time.Time) Change[K] {
	b.touched = now
	delete(b.revived, member)
	if !b.open {
		return Change[K]{}
	}
	delete(b.held, member)
	held := slices.Collect(maps.Keys(b.held))
	b.open, b.refusals = false, 0
	b.revived, b.held = b.held, map[K]struct{}{}
	return Change[K]{Closed: true, Held: held}
}
