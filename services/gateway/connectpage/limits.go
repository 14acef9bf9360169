package connectpage

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// perSecond and burst bound the requests of one address: of an IPv6 address, those of its network of 64 bits.
	perSecond = 20
	burst     = 100
	// maxAddresses bounds the addresses that are known; beyond, all others share one bound.
	maxAddresses = 10_000
	// forgetAfter is how long an address that is silent is known: its bound is whole again by then.
	forgetAfter = 10 * time.Second
)

// limits keeps anybody from having the connection service asked without end. Behind a proxy every browser has the proxy's address: the bound is
// made for that, and a proxy that wants a lower one has one of its own.
type limits struct {
	now func() time.Time

	mu    sync.Mutex
	known map[netip.Prefix]*visitor
	rest  *rate.Limiter
	swept time.Time
}

type visitor struct {
	limiter *rate.Limiter
	seen    time.Time
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, known: map[netip.Prefix]*visitor{}, rest: rate.NewLimiter(perSecond, burst)}
}

// allow counts a request of an address, host:port, and reports whether it may be served.
func (l *limits) allow(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.swept) > forgetAfter {
		l.swept = now
		for prefix, v := range l.known {
			if now.Sub(v.seen) > forgetAfter {
				delete(l.known, prefix)
			}
		}
	}
	prefix, ok := prefixOf(address)
	v := l.known[prefix]
	switch {
	case !ok, v == nil && len(l.known) >= maxAddresses:
		return l.rest.AllowN(now, 1)
	case v == nil:
		v = &visitor{limiter: rate.NewLimiter(perSecond, burst)}
		l.known[prefix] = v
	}
	v.seen = now
	return v.limiter.AllowN(now, 1)
}

func prefixOf(address string) (netip.Prefix, bool) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}
