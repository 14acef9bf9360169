package gate

import (
	"sync"
	"time"
)

// Client is a client at a token endpoint.
type Client struct {
	Endpoint, ID string
	// Credential names what the client authenticates with, without revealing it: with another secret it is another client to a breaker.
	Credential string
}

// Limit is how many requests a client may make at an endpoint in any period of that length. Requests 0: no limit.
type Limit struct {
	Requests int
	Period   time.Duration
}

// Cause is why a request is held back.
type Cause int

// The causes.
const (
	// Paused: the endpoint asked to wait.
	Paused Cause = iota + 1
	// Refused: the client is refused, and it is not time to see whether it still is.
	Refused
	// Spent: the client's requests of the period have been made; see [Budget].
	Spent
)

// Hold says why a request may not leave, and until when.
type Hold struct {
	Cause Cause
	Until time.Time
}

// Outcome is what became of a request that entered.
type Outcome struct {
	Kind Kind
	// Time is when it became known, RetryAfter how long the server asked to wait; 0 if it did not.
	Time       time.Time
	RetryAfter time.Duration
}

// Kind of outcome.
type Kind int

// The kinds.
const (
	// Unknown says nothing of the client.
	Unknown Kind = iota
	// Accepted: the server knows the client, whatever else it said.
	Accepted
	// Denied: the server refused the client itself.
	Denied
	// Throttled: the server asked to wait.
	Throttled
	// Unsent: the request did not leave.
	Unsent
)

// Change is what an outcome changed for others than the request's own token.
type Change[K comparable] struct {
	// Opened: from now on the client's requests are held back.
	Opened bool
	// Closed: the client is accepted again; Held are those whose requests were refused or held back, as far as they are remembered.
	Closed bool
	Held   []K
}

// Bounds of what is remembered.
const (
	maxEntries = 10_000 // of each kind
	maxHeld    = 10_000 // members of a breaker
	// MaxPause bounds what a server can ask for, so that a wrong header does not end all its connections.
	MaxPause = time.Hour
	// firstProbe and lastProbe bound the time between two requests of a refused client; it doubles with each.
	firstProbe = 5 * time.Second
	lastProbe  = 5 * time.Minute
	// probeTime is how long a probe is waited for before another is let through.
	probeTime = time.Minute
	// forget is how long a breaker is remembered that nothing happens to.
	forget = 24 * time.Hour
)

// Gate holds requests back. K names whom a request is made for. It is safe for concurrent use.
type Gate[K comparable] struct {
	now func() time.Time

	mu       sync.Mutex
	pauses   map[string]time.Time // by endpoint: until when
	breakers map[Client]*breaker[K]
}

// New returns a Gate that lets everything pass.
func New[K comparable](now func() time.Time) *Gate[K] {
	return &Gate[K]{now: now, pauses: map[string]time.Time{}, breakers: map[Client]*breaker[K]{}}
}

// Enter asks whether a request of the client may leave now. If so, Leave must follow. repaired tells that somebody has just seen to the
// client, so that it is worth a try although it was refused.
func (g *Gate[K]) Enter(c Client, member K, repaired bool) (Hold, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if until := g.pauses[c.Endpoint]; now.Before(until) {
		return Hold{Cause: Paused, Until: until}, false
	}
	b := g.breakers[c]
	if b != nil && b.open && !repaired && now.Before(b.until) {
		b.hold(member)
		return Hold{Cause: Refused, Until: b.until}, false
	}
	if b != nil && b.open { // this is the probe; the others wait for what it finds
		b.until = now.Add(probeTime)
	}
	return Hold{}, true
}

// Leave tells what became of a request that entered.
func (g *Gate[K]) Leave(c Client, member K, o Outcome) Change[K] {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.breakers[c]
	switch o.Kind {
	case Throttled:
		g.pause(c.Endpoint, o)
	case Denied:
		if b == nil {
			makeRoom(g.breakers, func(b *breaker[K]) bool { return g.now().Sub(b.touched) > forget })
			b = &breaker[K]{held: map[K]struct{}{}, revived: map[K]struct{}{}}
			g.breakers[c] = b
		}
		return Change[K]{Opened: b.deny(member, o.Time)}
	case Accepted:
		if b != nil {
			return b.accept(member, o.Time)
		}
	case Unsent, Unknown:
	}
	if b != nil && b.open {
		b.until = o.Time // the probe found nothing out: the next may try
	}
	return Change[K]{}
}

func (g *Gate[K]) pause(endpoint string, o Outcome) {
	if o.RetryAfter <= 0 {
		return
	}
	makeRoom(g.pauses, func(until time.Time) bool { return !o.Time.Before(until) })
	until := o.Time.Add(min(o.RetryAfter, MaxPause)).Truncate(time.Microsecond)
	if until.After(g.pauses[endpoint]) {
		g.pauses[endpoint] = until
	}
}

// makeRoom drops what is stale from a full map, and if that is not enough any entries.
func makeRoom[M ~map[A]B, A comparable, B any](m M, stale func(B) bool) {
	if len(m) < maxEntries {
		return
	}
	for key, value := range m {
		if stale(value) {
			delete(m, key)
		}
	}
	for key := range m {
		if len(m) < maxEntries-maxEntries/8 { // room for a while: looking through all of it is dear
			return
		}
		delete(m, key)
	}
}

// Len returns how many things are remembered.
func (g *Gate[K]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.pauses) + len(g.breakers)
}
