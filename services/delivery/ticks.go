package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const (
	// tickScan is how often schedules are looked at, in case another instance, now dead, was about to.
	tickScan = 10 * time.Second
	// ticksAtOnce is the number of schedules that are run at the same time.
	ticksAtOnce = 64
	// tickGrace is how late a run may be without counting as missed.
	tickGrace = time.Minute
	// fireAllFor bounds FireAll.
	fireAllFor = 24 * time.Hour
)

// tick is a time at which a schedule comes due, and the id of its event.
type tick struct {
	at    time.Time
	event string
}

// tickAt returns the tick of a schedule at a time. The id depends on nothing else, so that whoever runs it gives the event the same.
func (x *Schedule) tickAt(at time.Time) tick {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", x.Name, x.CreateTime.UnixMicro(), at.UnixMicro()))
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(at))
	_ = id.SetEntropy(sum[:10])
	return tick{at, id.String()}
}

// Tick moves a schedule on from the time that is due. It takes effect only if the schedule is as it was read, so of several instances
// one runs it.
type Tick struct {
	Schedule ScheduleName
	Etag     string
	Due      time.Time // the stored NextRun
	Next     time.Time // the NextRun afterwards
	Ran      time.Time // the LastRun afterwards; zero: as before
}

// rouse makes the schedules be looked at: one was changed.
func (s *Service) rouse() {
	select {
	case s.ticked <- struct{}{}:
	default:
	}
}

// tickAway runs schedules when they come due, until ctx ends.
func (s *Service) tickAway(ctx context.Context) {
	for {
		next, err := s.runDue(ctx)
		wait := tickScan
		switch {
		case err != nil && ctx.Err() == nil:
			s.logger.WarnContext(ctx, "schedules cannot be run yet", "error", err)
			wait = joinPause
		case !next.IsZero():
			wait = min(wait, max(0, next.Sub(s.now())))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.ticked:
		case <-time.After(wait):
		}
	}
}

// runDue runs what is due and returns when the next schedule is; zero if none is.
func (s *Service) runDue(ctx context.Context) (time.Time, error) {
	for {
		due, next, err := s.store.DueSchedules(ctx, s.stamp(), ticksAtOnce)
		if err != nil || len(due) == 0 {
			return next, err
		}
		errs := make([]error, len(due))
		var running sync.WaitGroup
		for i := range due {
			running.Go(func() { errs[i] = s.run(ctx, &due[i]) })
		}
		running.Wait()
		if err := errors.Join(errs...); err != nil {
			return time.Time{}, err
		}
	}
}

// run takes a schedule that is due one step further: it puts an event, or finds that none is to be put.
func (s *Service) run(ctx context.Context, x *Schedule) error {
	p, err := x.plan()
	if err != nil { // it was valid when it was stored; one that is not so any more never comes due
		s.logger.ErrorContext(ctx, "a schedule cannot be read any more", "schedule", x.Name.String(), "error", err)
		return s.pass(ctx, Tick{Schedule: x.Name, Etag: x.Etag, Due: x.NextRun}, "unreadable")
	}
	at, fires := x.settle(p, s.stamp())
	t := Tick{Schedule: x.Name, Etag: x.Etag, Due: x.NextRun, Next: p.next(at)}
	if !fires {
		return s.pass(ctx, t, "skipped")
	}
	t.Ran = at
	return s.fire(ctx, x, t)
}

// settle says which of the times that have come since the due one counts, and whether an event is put for it.
func (x *Schedule) settle(p plan, now time.Time) (time.Time, bool) {
	at := x.NextRun
	switch x.Missed {
	case FireAll:
		if oldest := now.Add(-fireAllFor); at.Before(oldest) {
			if first := p.next(oldest); !first.IsZero() && !first.After(now) {
				return first, true
			}
			at = p.expression.Latest(at, now, p.anchor, p.zone).UTC()
			return at, now.Sub(at) <= fireAllFor
		}
		return at, true
	case SkipMissed:
		at = p.latest(at, now)
		return at, now.Sub(at) <= tickGrace
	case FireOnce:
	}
	return p.latest(at, now), true
}

// latest returns the last time from due, which is one, until now.
func (p plan) latest(due, now time.Time) time.Time {
	if !p.end.IsZero() && now.After(p.end) {
		now = later(p.end, due)
	}
	return p.expression.Latest(due, now, p.anchor, p.zone).UTC()
}

// pass moves a schedule on without an event.
func (s *Service) pass(ctx context.Context, t Tick, outcome string) error {
	err := s.store.PassTick(ctx, t)
	if err == nil {
		s.metrics.ticked(ctx, outcome)
	}
	return notTaken(err)
}

// notTaken ignores that somebody else was quicker.
func notTaken(err error) error {
	if errors.Is(err, ErrTickTaken) {
		return nil
	}
	return err
}

// fire puts the event of a tick and moves the schedule on, in one transaction.
func (s *Service) fire(ctx context.Context, x *Schedule, t Tick) error {
	ctx, span := s.tracer.Start(ctx, "delivery.schedule", trace.WithNewRoot(), trace.WithAttributes(
		attribute.String("freshet.schedule", x.Name.String())))
	defer span.End()
	due := x.tickAt(t.Ran)
	entry := x.entry(due)
	if refused := checkEntry(&entry, false); refused != nil {
		s.logger.ErrorContext(ctx, "a schedule's event is refused", "run", x.describe(t.Ran), "code", refused.Code, "error", refused.Message)
		return s.pass(ctx, t, "refused")
	}
	now := s.stamp()
	e := s.newEvent(x.Name.On(), &entry, traceparentOf(ctx), now)
	e.ID = due.event
	err := s.accept(ctx, x.Name.On(), Batch{Events: []*Event{e}, Tick: &t}, now)
	switch {
	case err == nil:
		s.metrics.ticked(ctx, "fired")
		s.metrics.put(ctx, "accepted", 1)
	case !errors.Is(err, ErrTickTaken):
		span.SetStatus(codes.Error, "not accepted")
		return fmt.Errorf("%s: %w", x.describe(t.Ran), err)
	}
	return nil
}
