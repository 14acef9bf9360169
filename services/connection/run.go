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
	// workers is how many connections are told to the token service at a time.
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
	for range workers {
		group.Go(func() error { return s.work(ctx) })
	}
	group.Go(func() error { return s.sweep(ctx) })
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { return s.announce(ctx) })
	group.Go(func() error { return s.foresee(ctx) })
	return group.Wait()
}

// work tells the token service what is pending, one connection after the other.
func (s *Service) work(ctx context.Context) error {
	for {
		name, ok := s.pending.take(ctx)
		if !ok {
			return ctx.Err()
		}
		err := s.drive(ctx, name)
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "token service not told yet, will be tried again", "connection", name.String(), "error", err)
		}
		s.pending.done(name, err == nil)
	}
}

// tellFirst makes an attempt to tell the token service what is pending before a caller is answered, so that whoever reads the answer can
// watch the token. It takes at most half of the time that the caller still waits. What comes of a failure is the workers' business.
func (s *Service) tellFirst(ctx context.Context, c Connection) {
	if c.Pending == PendingNothing {
		return
	}
	limit := promptTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !s.pending.claim(ctx, c.Name) {
		return // a worker is at it
	}
	err := s.drive(ctx, c.Name)
	if err != nil {
		s.logger.DebugContext(ctx, "token service not told before the answer", "connection", c.Name.String(), "error", err)
	}
	s.pending.done(c.Name, err == nil)
}

// sweep reads what is pending at start and from time to time.
func (s *Service) sweep(ctx context.Context) error {
	return every(ctx, sweepInterval, func() {
		err := s.scan(ctx, true, func(c Connection) { s.pending.add(c.Name) })
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "pending connections cannot be read", "error", err)
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
	if err := s.tell(ctx, c); err != nil {
		return errors.Join(err, s.noteUnreachable(ctx, c))
	}
	if c.Pending == PendingDelete {
		return s.store.Remove(ctx, c)
	}
	told := c
	return s.changeIfThere(ctx, name, func(c Connection) Connection { return s.acknowledged(told, c) })
}

// tell makes the one call that is pending.
func (s *Service) tell(ctx context.Context, c Connection) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	switch c.Pending {
	case PendingAuthorize:
		return s.tokens.Authorize(ctx, c.ref())
	case PendingDeauthorize:
		return s.tokens.Deauthorize(ctx, c.ref())
	case PendingDelete:
		return s.tokens.Delete(ctx, c.ref())
	default:
		return nil
	}
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

// noteUnreachable shows on a connection with something under way why nothing happens.
func (s *Service) noteUnreachable(ctx context.Context, told Connection) error {
	return s.changeIfThere(ctx, told.Name, func(c Connection) Connection {
		if c.UID == told.UID && c.Pending != PendingNothing && c.State.underWay() {
			c.Reason, c.Message = ReasonServiceUnavailable, "The token service cannot be told at the moment; attempts go on."
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
