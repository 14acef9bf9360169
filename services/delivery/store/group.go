package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxGroup is how many calls share a transaction at most.
	maxGroup = 256
	// enough is how many calls wait for no others.
	enough = 64
	// groupTimeout bounds a transaction that several calls share, whose own deadlines do not cut it off.
	groupTimeout = 10 * time.Second
)

// group lets calls that come while a transaction is under way share the next one. The first of them runs it for all. Where more wait than one transaction takes, it takes one of each project in turn, so that none waits for all of another's.
type group[T any] struct {
	// run does the calls in one transaction and sets their errors.
	run func(ctx context.Context, calls []*call[T])
	// project tells whose an item is.
	project func(item T) string
	// linger is how long the first call waits for company, unless one of them is pressing. 0: nobody waits.
	linger   time.Duration
	pressing func(item T) bool

	mu    sync.Mutex
	queue []*call[T]
	busy  bool
	hurry chan struct{} // closed to end the first call's wait for company; nil: it does not wait
}

// call is one call of a group.
type call[T any] struct {
	item T
	err  error
	turn chan bool // true: it is done; false: it is to run the next transaction
}

// do returns the call's error once the transaction is over. If ctx ends before it began, the call is not part of it.
func (g *group[T]) do(ctx context.Context, item T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call[T]{item: item, turn: make(chan bool, 1)}
	g.mu.Lock()
	g.queue = append(g.queue, c)
	if g.hurry != nil && (len(g.queue) >= enough || g.pressing(item)) {
		close(g.hurry)
		g.hurry = nil
	}
	if !g.busy {
		g.busy = true
		c.turn <- false
	}
	g.mu.Unlock()
	select {
	case done := <-c.turn:
		if !done {
			g.lead(ctx)
		}
		return c.err
	case <-ctx.Done():
	}
	if g.withdraw(c) {
		return ctx.Err()
	}
	if done := <-c.turn; !done { // it cannot be: who is to run the next is still queued
		g.lead(ctx)
	}
	return c.err
}

// lead runs what is queued and names who runs the next.
func (g *group[T]) lead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupTimeout)
	defer cancel()
	g.gather()
	g.mu.Lock()
	calls := g.take()
	g.mu.Unlock()
	g.run(ctx, calls)
	g.mu.Lock()
	g.pass()
	g.mu.Unlock()
	for _, c := range calls {
		select {
		case c.turn <- true:
		default:
		}
	}
}

// gather waits for company.
func (g *group[T]) gather() {
	g.mu.Lock()
	alone := g.linger > 0 && len(g.queue) < enough && !slices.ContainsFunc(g.queue, func(c *call[T]) bool { return g.pressing(c.item) })
	hurry := make(chan struct{})
	if alone {
		g.hurry = hurry
	}
	g.mu.Unlock()
	if !alone {
		return
	}
	timer := time.NewTimer(g.linger)
	defer timer.Stop()
	select {
	case <-hurry:
	case <-timer.C:
		g.mu.Lock()
		g.hurry = nil
		g.mu.Unlock()
	}
}

// take removes the calls of the next transaction from the queue, the first in it among them. g.mu is held.
func (g *group[T]) take() []*call[T] {
	if len(g.queue) <= maxGroup {
		calls := g.queue
		g.queue = nil
		return calls
	}
	var projects []string // that have calls left
	waiting := map[string][]*call[T]{}
	for _, c := range g.queue {
		p := g.project(c.item)
		if waiting[p] == nil {
			projects = append(projects, p)
		}
		waiting[p] = append(waiting[p], c)
	}
	calls := make([]*call[T], 0, maxGroup)
	taken := make(map[*call[T]]bool, maxGroup)
	for len(calls) < maxGroup {
		p := projects[0]
		projects = projects[1:]
		c := waiting[p][0]
		calls, taken[c] = append(calls, c), true
		if waiting[p] = waiting[p][1:]; len(waiting[p]) > 0 {
			projects = append(projects, p)
		}
	}
	g.queue = slices.DeleteFunc(g.queue, func(c *call[T]) bool { return taken[c] })
	return calls
}

// pass makes the first in the queue run the next transaction.
func (g *group[T]) pass() {
	if g.busy = len(g.queue) > 0; g.busy {
		g.queue[0].turn <- false
	}
}

// withdraw takes a call back that no transaction has begun with.
func (g *group[T]) withdraw(c *call[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.queue, c)
	if at < 0 {
		return false
	}
	g.queue = slices.Delete(g.queue, at, at+1)
	select {
	case <-c.turn: // it was to run the next
		g.pass()
	default:
	}
	return true
}
