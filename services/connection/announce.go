package connection

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// claimTime is how long a replica has to publish the events it has claimed, before another may.
	claimTime = time.Minute
	// claimSize is how many events are claimed at a time.
	claimSize = 100
)

// announce publishes events: at once when this process stored one, and what others left behind from time to time.
func (s *Service) announce(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		more, err := s.publish(ctx)
		wait := jittered(sweepInterval)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failures++
			wait = retryDelay(failures)
			s.logger.WarnContext(ctx, "state events not published yet, will be tried again", "error", err)
		case more:
			failures, wait = 0, 0
		default:
			failures = 0
		}
		s.awaitEvents(ctx, wait, err != nil)
	}
	return ctx.Err()
}

// awaitEvents returns after the wait or, unless the last attempt failed, when there is an event.
func (s *Service) awaitEvents(ctx context.Context, wait time.Duration, failed bool) {
	if failed || wait == 0 {
		_ = sleep(ctx, wait)
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.events:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// publish publishes a batch of events. more says that there may be further ones: also those that another replica stored and could not
// claim meanwhile, because this one had claimed some of their project. A project whose event cannot be published keeps its later
// events back, for their order, and does not hold up others.
func (s *Service) publish(ctx context.Context) (more bool, err error) {
	now := s.now()
	events, err := s.store.ClaimEvents(ctx, s.instance, now, now.Add(claimTime), claimSize)
	if err != nil || len(events) == 0 {
		return false, err
	}
	// Less than the claim, so that nobody else begins before this has ended.
	ctx, cancel := context.WithTimeout(ctx, claimTime/2)
	defer cancel()
	published := make([]StateEvent, 0, len(events))
	blocked := make(map[string]bool)
	for _, e := range events {
		if blocked[e.Connection.Project] {
			continue
		}
		failed := s.announceOne(ctx, e)
		if errors.Is(failed, ErrEventRefused) {
			s.logger.ErrorContext(ctx, "state event refused for good, dropped", "resource", e.Resource(), "event", e.ID,
				"state", string(e.State), "error", failed)
			failed = nil
		}
		if failed != nil {
			blocked[e.Connection.Project] = true
			err = failed
			continue
		}
		published = append(published, e)
	}
	if removeErr := s.store.RemoveEvents(context.WithoutCancel(ctx), published); removeErr != nil {
		return false, removeErr // they will be published again
	}
	return err == nil, err
}

func (s *Service) announceOne(ctx context.Context, e StateEvent) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.announcer.Announce(ctx, e)
}

// jittered returns between three quarters of d and d.
func jittered(d time.Duration) time.Duration { return d - rand.N(d/4) }
