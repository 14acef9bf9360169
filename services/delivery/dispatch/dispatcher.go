package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Defaults of [Config].
const (
	DefaultConcurrency = 64
	DefaultTotal       = 4096
	DefaultLane        = 16384
	DefaultMemory      = 128 << 20
	DefaultClaims      = 8
	DefaultDrain       = 8 * time.Second

	page      = 128 // items of one claim
	idleAfter = 30 * time.Second
	failPause = time.Second // after a backlog call that failed
	linger    = time.Second // of a goroutine that has no work
)

// ErrStarted is returned by a second Start.
var ErrStarted = errors.New("dispatch: dispatcher was started already")

// Config tunes a Dispatcher. The zero value is ready for use.
type Config struct {
	// Concurrency bounds the items of a lane that are at work, unless its Limits say otherwise. Default: DefaultConcurrency.
	Concurrency int
	// Total bounds the items of all lanes that are at work. Default: DefaultTotal.
	Total int
	// Lane bounds the items that a lane has in memory. Default: DefaultLane.
	Lane int
	// Memory bounds the weight of all items in memory. A tenant has at most four times as much as is still free. Default: DefaultMemory
	// bytes.
	Memory int64
	// Claims bounds the calls of Worker.Claim that are under way. Default: DefaultClaims.
	Claims int
	// Drain bounds how long work that is under way at the end may take. Default: DefaultDrain.
	Drain time.Duration
	// Logger hears of backlog calls that failed. Default: discard.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Concurrency = orDefault(c.Concurrency, DefaultConcurrency)
	c.Total = orDefault(c.Total, DefaultTotal)
	c.Lane = orDefault(c.Lane, DefaultLane)
	c.Memory = orDefault(c.Memory, DefaultMemory)
	c.Claims = orDefault(c.Claims, DefaultClaims)
	c.Drain = orDefault(c.Drain, DefaultDrain)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[N ~int | ~int64](value, fallback N) N {
	if value <= 0 {
		return fallback
	}
	return value
}

// Dispatcher starts work when it may start. K names lanes.
type Dispatcher[K comparable, T any] struct {
	worker Worker[K, T]
	config Config

	work  context.Context // of Work and Claim; outlives life by the drain
	abort context.CancelFunc
	loops sync.WaitGroup
	tasks sync.WaitGroup

	jobs   chan func() // to goroutines that have finished another
	memory share
	starts *turnstile // of items at work
	claims *turnstile

	mu      sync.Mutex // may be held while a lane's is taken, not the other way round
	lanes   map[K]*lane[K, T]
	tenants map[string]*tenant // of the lanes
	life    context.Context    // of the lanes' loops; nil before Start
	ended   bool
}

// New returns a dispatcher that does nothing before Start.
func New[K comparable, T any](worker Worker[K, T], c Config) *Dispatcher[K, T] {
	c = c.withDefaults()
	return &Dispatcher[K, T]{
		worker: worker, config: c, jobs: make(chan func()), memory: share{limit: c.Memory}, starts: newTurnstile(c.Total),
		claims: newTurnstile(c.Claims), lanes: map[K]*lane[K, T]{}, tenants: map[string]*tenant{},
	}
}

// Start begins work, which goes on until ctx ends. It can be called once.
func (d *Dispatcher[K, T]) Start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life != nil {
		return ErrStarted
	}
	d.life = ctx
	d.work, d.abort = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Wait calls abort
	return nil
}

// Wait returns after the end of the context that Start was given, once nothing is under way any more: it starts nothing more, waits for
// what is under way, at most for the drain, and cuts off the rest. What is in memory then is the caller's to release.
func (d *Dispatcher[K, T]) Wait() {
	defer d.abort()
	<-d.life.Done()
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.loops.Wait()
	timer := time.AfterFunc(d.config.Drain, d.abort)
	defer timer.Stop()
	d.tasks.Wait()
}

// Reserve makes room for an item of that weight and says whether there is any. It is to be followed by Put or Forgo. There is none
// while the lane has a due backlog: the item then belongs behind it.
func (d *Dispatcher[K, T]) Reserve(key K, weight int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.active() {
		return false
	}
	l := d.lane(key)
	if !d.memory.room(l.tenant, weight) || !l.reserve() {
		return false
	}
	d.memory.add(l.tenant, weight)
	return true
}

// Put queues an item that was reserved.
func (d *Dispatcher[K, T]) Put(key K, item Item[T]) {
	d.mu.Lock()
	l := d.lane(key)
	d.mu.Unlock()
	l.put(item)
}

// Forgo gives up a reservation.
func (d *Dispatcher[K, T]) Forgo(key K, weight int64) {
	d.mu.Lock()
	l := d.lane(key)
	d.mu.Unlock()
	d.memory.add(l.tenant, -weight)
	l.leave(1)
}

// Wake tells that the lane's backlog has, or will have, something due at that time, or that its Limits or Gate changed.
func (d *Dispatcher[K, T]) Wake(key K, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active() {
		d.lane(key).expect(at)
	}
}

// Remind makes a lane look at its Limits and Gate anew, if there is such a lane.
func (d *Dispatcher[K, T]) Remind(key K) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lanes[key]; l != nil {
		l.nudge()
	}
}

// Drop removes the lane's items that wait in memory and match, and returns them.
func (d *Dispatcher[K, T]) Drop(key K, match func(T) bool) []T {
	d.mu.Lock()
	l := d.lanes[key]
	d.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.drop(match)
}

// OldestDue returns the earliest time at which something became due that has not started yet; the zero time if there is nothing.
func (d *Dispatcher[K, T]) OldestDue() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	var oldest time.Time
	for _, l := range d.lanes {
		oldest = earlier(oldest, l.oldestDue())
	}
	return oldest
}

// Load returns how many items the lane has in memory, and the earliest time at which something became due that has not started yet; the
// zero time if there is nothing.
func (d *Dispatcher[K, T]) Load(key K) (items int, oldest time.Time) {
	d.mu.Lock()
	l := d.lanes[key]
	d.mu.Unlock()
	if l == nil {
		return 0, time.Time{}
	}
	return l.load()
}

// active tells whether lanes may be used. d.mu is held.
func (d *Dispatcher[K, T]) active() bool { return d.life != nil && !d.ended && d.life.Err() == nil }

// lane returns the lane, new if need be. d.mu is held.
func (d *Dispatcher[K, T]) lane(key K) *lane[K, T] {
	l := d.lanes[key]
	if l == nil {
		l = &lane[K, T]{d: d, key: key, wake: make(chan struct{}, 1)}
		name := d.worker.Tenant(key)
		if l.tenant = d.tenants[name]; l.tenant == nil {
			l.tenant = &tenant{}
			d.tenants[name] = l.tenant
		}
		l.tenant.lanes++
		l.starting.tenant, l.starting.nudge = name, l.nudge
		l.reading.tenant, l.reading.nudge = name, l.nudge
		d.lanes[key] = l
		if d.active() {
			d.loops.Go(func() { l.loop(d.life) })
		}
	}
	return l
}

// retire removes a lane that has nothing to do and says whether it did.
func (d *Dispatcher[K, T]) retire(l *lane[K, T]) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !l.idle() {
		return false
	}
	delete(d.lanes, l.key)
	if l.tenant.lanes--; l.tenant.lanes == 0 {
		delete(d.tenants, l.starting.tenant)
	}
	d.starts.forget(&l.starting)
	d.claims.forget(&l.reading)
	return true
}

// run does a job on a goroutine of its own. Goroutines are used again, as a new one has to grow its stack for each attempt.
func (d *Dispatcher[K, T]) run(job func()) {
	select {
	case d.jobs <- job:
	default:
		d.tasks.Go(func() { d.runner(job) })
	}
}

func (d *Dispatcher[K, T]) runner(job func()) {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		job()
		timer.Reset(linger)
		select {
		case job = <-d.jobs:
		case <-d.life.Done():
			return
		case <-timer.C:
			return
		}
	}
}

// earlier returns the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
