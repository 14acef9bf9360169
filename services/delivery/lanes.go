package delivery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
	"github.com/freshet-io/freshet/services/delivery/shape"
)

const (
	// renewalWait is how long a lane waits for the next generation of a credential that its destination refused.
	renewalWait = 10 * time.Second
	// unknownWait is how long a lane keeps deliveries in memory while nothing has been heard of its credential.
	unknownWait = 10 * time.Second
	// lookAgain is how long a lane waits after its destination could not be read.
	lookAgain = time.Second
)

// laneCache has what is known of destinations in memory.
type laneCache struct {
	mu        sync.Mutex
	lanes     map[DestinationName]*laneState
	forgotten int // counts what was forgotten, so that nothing read before is kept after
}

// laneState is a destination as its lane needs it.
type laneState struct {
	missing     bool // there is no such destination
	destination Destination
	endpoint    shape.Endpoint
	byGrant     bool // deliveries bring credentials of their own
	keys        []laneKey

	troubled     atomic.Bool // failures or open are not zero: what works costs no lock
	mu           sync.Mutex
	failures     int // in a row
	failingSince time.Time
	open         Circuit
	refused      string    // fingerprint of the credential that the destination refused last
	refusedUntil time.Time // how long to wait for another one
}

// held counts the destinations that are paused, and those whose circuit is open.
func (c *laneCache) held() (paused, open int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		if l.destination.Pause.IsSet() {
			paused++
		}
		if circuit := l.circuit(); circuit.IsOpen() {
			open++
		}
	}
	return paused, open
}

// lane returns what is known of a destination, and reads it if need be.
func (s *Service) lane(ctx context.Context, name DestinationName) (*laneState, error) {
	for {
		s.lanes.mu.Lock()
		known, forgotten := s.lanes.lanes[name], s.lanes.forgotten
		s.lanes.mu.Unlock()
		if known != nil {
			return known, nil
		}
		state, err := s.readLane(ctx, name)
		if err != nil {
			return nil, err
		}
		if s.lanes.keep(name, state, forgotten) {
			return state, nil
		}
	}
}

// keep makes a state the known one, unless lanes were forgotten since it began to be read: it may be from before what they were forgotten for.
func (c *laneCache) keep(name DestinationName, state *laneState, forgotten int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten != forgotten {
		return false
	}
	c.lanes[name] = state
	return true
}

func (s *Service) readLane(ctx context.Context, name DestinationName) (*laneState, error) {
	state := &laneState{}
	destination, err := s.store.Destination(ctx, name)
	switch {
	case errors.Is(err, ErrDestinationNotFound):
		state.missing = true
	case err != nil:
		return nil, err
	default:
		state.destination = destination
		if destination.Circuit.IsOpen() && !destination.Breaker.Disabled {
			state.open = destination.Circuit
			state.troubled.Store(true)
		}
		if state.endpoint, err = shape.ParseEndpoint(destination.Endpoint); err != nil {
			return nil, err
		}
		if state.keys, err = s.laneKeys(ctx, name); err != nil {
			return nil, err
		}
		if state.byGrant, err = s.byGrant(ctx, name); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// forgetLane makes a lane read its destination anew. Nil: all lanes.
func (s *Service) forgetLane(name *DestinationName) {
	s.lanes.mu.Lock()
	s.lanes.forgotten++
	var names []DestinationName
	if name != nil {
		names = append(names, *name)
		delete(s.lanes.lanes, *name)
	} else {
		names = slices.Collect(maps.Keys(s.lanes.lanes))
		clear(s.lanes.lanes)
	}
	s.lanes.mu.Unlock()
	for _, n := range names {
		s.dispatcher.Remind(n)
	}
}

// refuse notes that the destination refused a credential. The first time it does, the lane waits for another one.
func (l *laneState) refuse(fingerprint string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != fingerprint {
		l.refused, l.refusedUntil = fingerprint, now.Add(renewalWait)
	}
}

// waits returns until when the lane waits for another credential than this one; the zero time if it does not wait.
func (l *laneState) waits(fingerprint string, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != fingerprint || !now.Before(l.refusedUntil) {
		return time.Time{}
	}
	return l.refusedUntil
}

// worker lets the dispatcher drive the service.
type worker struct{ s *Service }

// Tenant implements dispatch.Worker.
func (w worker) Tenant(name DestinationName) string { return name.Project }

// Limits implements dispatch.Worker.
func (w worker) Limits(name DestinationName) dispatch.Limits {
	w.s.lanes.mu.Lock()
	known := w.s.lanes.lanes[name]
	w.s.lanes.mu.Unlock()
	if known == nil || known.missing {
		return dispatch.Limits{}
	}
	d := &known.destination
	limits := dispatch.Limits{PerSecond: d.RateLimit, Concurrency: d.MaxConcurrency, Shared: w.s.shared.Load()}
	if d.Unlimited {
		limits.PerSecond = 0
	}
	if known.slowed() && (limits.PerSecond == 0 || limits.PerSecond > slowedRate) {
		limits.Shared = limits.Shared && limits.PerSecond > 0
		limits.PerSecond = slowedRate
	}
	if c := known.circuit(); c.IsOpen() {
		limits.Concurrency = 1 // a probe at a time
	}
	return limits
}

// maxHold bounds how long attempts wait for a credential that is being replaced.
const maxHold = 5 * time.Second

// Gate implements dispatch.Worker: a lane works unless it is paused or its circuit is open, while its connection has a valid credential that
// the destination did not just refuse.
func (w worker) Gate(name DestinationName) dispatch.Gate {
	now := w.s.now()
	lane, err := w.s.lane(context.Background(), name)
	if err != nil {
		return dispatch.Gate{Until: time.Now().Add(lookAgain)}
	}
	if lane.missing {
		return dispatch.Gate{Open: true} // to cancel what it has
	}
	if lane.destination.Pause.IsSet() {
		return dispatch.Gate{Release: true}
	}
	if until := lane.holds(now); !until.IsZero() {
		return dispatch.Gate{Release: true, Until: time.Now().Add(until.Sub(now))}
	}
	if lane.byGrant {
		return dispatch.Gate{Open: true}
	}
	credential, changed := w.s.credentials.Current(ConnectionName(name.Project, lane.destination.Connection))
	if !credential.Usable(now) {
		known := credential.State != CredentialUnknown
		gate := dispatch.Gate{Release: known || now.Sub(credential.Since) > unknownWait, Changed: changed}
		if !gate.Release {
			gate.Until = time.Now().Add(unknownWait)
		}
		return gate
	}
	if credential.HoldUntil.After(now) {
		return dispatch.Gate{Until: time.Now().Add(min(credential.HoldUntil.Sub(now), maxHold)), Changed: changed}
	}
	if until := lane.waits(credential.Fingerprint, now); !until.IsZero() {
		return dispatch.Gate{Until: time.Now().Add(until.Sub(now)), Changed: changed}
	}
	return dispatch.Gate{Open: true, Changed: changed}
}

// Claim implements dispatch.Worker.
func (w worker) Claim(ctx context.Context, name DestinationName, limit int) ([]dispatch.Item[*Delivery], time.Time, error) {
	deliveries, next, err := w.s.store.Claim(ctx, name, w.s.owner, w.s.stamp(), limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	items := make([]dispatch.Item[*Delivery], len(deliveries))
	for i, d := range deliveries {
		items[i] = d.item()
	}
	return items, next, nil
}

// Release implements dispatch.Worker.
func (w worker) Release(ctx context.Context, _ DestinationName, deliveries []*Delivery) error {
	ids := make([]ID, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID
	}
	return w.s.store.Release(ctx, w.s.owner, ids)
}

// Slots implements dispatch.Worker.
func (w worker) Slots(ctx context.Context, name DestinationName, interval time.Duration, n int) (time.Time, error) {
	return w.s.store.Slots(ctx, name, w.s.now(), interval, n)
}

// Work implements dispatch.Worker.
func (w worker) Work(ctx context.Context, name DestinationName, d *Delivery, free func()) dispatch.Again {
	return w.s.work(ctx, name, d, free)
}

// WorkTogether implements dispatch.Worker.
func (w worker) WorkTogether(ctx context.Context, name DestinationName, list []*Delivery, free func()) []dispatch.Again {
	return w.s.workTogether(ctx, name, list, free)
}
