package connection

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
)

const (
	// workers is how many connections, and as many grants, are told to the token service at a time.
	workers = 8
	// callTimeout bounds one call to the token service or the announcer. Both only record what they are told.
	callTimeout = 10 * time.Second
	// promptTimeout bounds how long the answer to a caller is held back for the token service to be told first.
	promptTimeout = time.Second
	// sweepInterval is how often the stored work is read again, to take over what a replica left behind that is no more.
	sweepInterval = 15 * time.Second
	// pageSize is how many connections are read at a time where all are read.
	pageSize = 500
)

// Run carries changes to the token service and its reports back, and publishes events, until ctx ends. It takes up what was pending when
// the last process ended. Several replicas may run on one database: what two of them do twice has no effect the second time.
func (s *Service) Run(ctx context.Context) error {
	defer s.pending.stop()
	group, ctx := errgroup.WithContext(ctx)
	defer s.pendingGrants.stop()
	for range workers {
		group.Go(func() error { return work(ctx, s, s.pending, s.drive) })
		group.Go(func() error { return work(ctx, s, s.pendingGrants, s.driveGrant) })
	}
	group.Go(func() error { return s.sweep(ctx) })
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { return s.announce(ctx) })
	group.Go(func() error { return s.foresee(ctx) })
	return group.Wait()
}

// resourceName is that of a connection or a grant.
type resourceName interface {
	comparable
	String() string
}

// work tells the token service what is pending, one connection or grant after the other.
func work[K resourceName](ctx context.Context, s *Service, pending *queue[K], drive func(context.Context, K) error) error {
	for {
		name, ok := pending.take(ctx)
		if !ok {
			return ctx.Err()
		}
		err := drive(ctx, name)
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "token service not told yet, will be tried again", "resource", name.String(), "error", err)
		}
		pending.done(name, err == nil)
	}
}

// tellFirst makes an attempt to tell the token service what is pending before a caller is answered, so that whoever reads the answer can
// watch the token. It takes at most half of the time that the caller still waits. What comes of a failure is the workers' business.
func (s *Service) tellFirst(ctx context.Context, c Connection) {
	if c.Pending != PendingNothing {
		tellFirst(ctx, s, s.pending, c.Name, s.drive)
	}
}

func tellFirst[K resourceName](ctx context.Context, s *Service, pending *queue[K], name K, drive func(context.Context, K) error) {
	limit := promptTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !pending.claim(ctx, name) {
		return // a worker is at it
	}
	err := drive(ctx, name)
	if err != nil {
		s.logger.DebugContext(ctx, "token service not told before the answer", "resource", name.String(), "error", err)
	}
	pending.done(name, err == nil)
}

// sweep reads what is pending at start and from time to time.
func (s *Service) sweep(ctx context.Context) error {
	return every(ctx, sweepInterval, func() {
		err := errors.Join(
			s.scan(ctx, true, func(c Connection) { s.pending.add(c.Name) }),
			s.scanGrants(ctx, GrantsPending, func(g Grant) error { s.pendingGrants.add(g.Name); return nil }))
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "what is pending cannot be read", "error", err)
		}
	})
}

// scan calls fn with every connection of every project, or those that have something pending.
func (s *Service) scan(ctx context.Context, pendingOnly bool, fn func(Connection)) error {
	var after Name
	for {
		page, err := s.store.Scan(ctx, after, pageSize, pendingOnly)
		if err != nil {
			return err
		}
		for _, c := range page {
			fn(c)
		}
		if len(page) < pageSize {
			return nil
		}
		after = page[len(page)-1].Name
	}
}

// drive tells the token service what is pending for one connection, and records that it knows.
func (s *Service) drive(ctx context.Context, name Name) (err error) {
	c, err := s.store.Get(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || c.Pending == PendingNothing {
		return err
	}
	ctx, span := s.tracer.Start(ctx, "connection.tell", trace.WithAttributes(
		attribute.String("freshet.connection.name", name.String()),
		attribute.Int64("freshet.connection.revision", c.Revision),
		attribute.String("freshet.connection.pending", string(c.Pending))))
	defer func() {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}()
	if _, err := s.tell(ctx, c.Pending, c.ref()); err != nil {
		return errors.Join(err, s.noteUnreachable(ctx, c))
	}
	if c.Pending == PendingDelete {
		return s.store.Remove(ctx, c)
	}
	told := c
	return s.changeIfThere(ctx, name, func(c Connection) Connection { return s.acknowledged(told, c) })
}

// tell makes the one call that is pending.
func (s *Service) tell(ctx context.Context, pending Pending, ref TokenRef) (status TokenStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	switch pending {
	case PendingAuthorize:
		status, err = s.tokens.Authorize(ctx, ref)
	case PendingDeauthorize:
		err = s.tokens.Deauthorize(ctx, ref)
	case PendingDelete:
		err = s.tokens.Delete(ctx, ref)
	case PendingNothing:
	}
	return status, err
}

// acknowledged returns what c becomes once the token service knows what was pending in told. If something else has become pending since,
// c stays as it is.
func (s *Service) acknowledged(told, c Connection) Connection {
	if c.UID != told.UID || c.Revision != told.Revision || c.Pending != told.Pending {
		return c
	}
	c.Pending = PendingNothing
	switch c.State {
	case StateCreating:
		c = s.enter(c, StateAuthorizing, ReasonTokenNotReady, "")
	case StateDeauthorizing:
		c = s.enter(c, StateDeauthorized, ReasonDeauthorized, "Deauthorized on request; authorize the connection to use it again.")
	default: // the reports about the token say how it goes on
		if c.Reason == ReasonServiceUnavailable {
			c.Reason, c.Message = "", ""
		}
		if c.State == StateAuthorizing {
			c.Reason = ReasonTokenNotReady
		}
	}
	return c
}

const messageUnreachable = "The token service cannot be told at the moment; attempts go on."

// noteUnreachable shows on a connection with something under way why nothing happens.
func (s *Service) noteUnreachable(ctx context.Context, told Connection) error {
	return s.changeIfThere(ctx, told.Name, func(c Connection) Connection {
		if c.UID == told.UID && c.Pending != PendingNothing && c.State.underWay() {
			c.Reason, c.Message = ReasonServiceUnavailable, messageUnreachable
		}
		return c
	})
}

// every calls fn at once and then again and again, with about interval between, until ctx ends, and returns the error of ctx. Which replica
// is first is left to chance.
func every(ctx context.Context, interval time.Duration, fn func()) error {
	for ctx.Err() == nil {
		fn()
		_ = sleep(ctx, jittered(interval))
	}
	return ctx.Err()
}

// sleep returns early, with its error, when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
