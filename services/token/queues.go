package token

import (
	"context"
	"errors"
	"time"
)

// The queues hold what is due within window; the store's index is read for the part beyond at every refill. The refill
// does not decide when anything happens: new due times go into the queues when they are stored.
const (
	window   = 4 * time.Minute
	refill   = 2 * time.Minute
	pageSize = 1000
)

// enqueue brings the queues up to date with a stored change.
func (s *Service) enqueue(t *Token) {
	s.enqueueAt(t.Key, t.Version, t.AttemptDue(), t.WatchedDue(), t.ExpiryDue())
}

func (s *Service) enqueueAt(key Key, version int64, attempt, watched, expiry time.Time) {
	s.mu.Lock()
	horizon := s.horizon
	s.mu.Unlock()
	attempt = within(attempt, horizon)
	if !watched.IsZero() && s.tokens.Watched(key) {
		attempt = earliest(attempt, watched) // whenever that is: it is not in the store's index, where a refill would find it
	}
	s.attempts.Set(key, version, attempt)
	s.expiries.Set(key, version, within(expiry, horizon))
}

// fillLoop keeps the queues filled.
func (s *Service) fillLoop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.retry(ctx, s.fill); err != nil {
			return err
		}
		timer.Reset(refill)
	}
}

// fill reads everything that is due within the window into the queues.
func (s *Service) fill(ctx context.Context) error {
	until := s.p.Now().Add(window)
	s.mu.Lock()
	s.horizon = until // first, so that what changes from now on is not missed
	s.mu.Unlock()
	var cursor DueCursor
	for {
		due, err := s.p.Store.Due(ctx, cursor, until, pageSize)
		if err != nil {
			return err
		}
		for i := range due {
			s.enqueue(&due[i])
			cursor = DueCursor{At: due[i].DueAt(), Key: due[i].Key}
		}
		if len(due) < pageSize {
			return nil
		}
	}
}

func within(due, until time.Time) time.Time {
	if due.After(until) {
		return time.Time{}
	}
	return due
}

// attemptLoop starts a rotation for every token whose attempt is due.
func (s *Service) attemptLoop(ctx context.Context) error {
	for {
		key, err := s.attempts.Wait(ctx)
		if err != nil {
			return err
		}
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.beginScheduled(key)
	}
}

// expiryLoop announces every expiry at its instant.
func (s *Service) expiryLoop(ctx context.Context) error {
	for {
		key, err := s.expiries.Wait(ctx)
		if err != nil {
			return err
		}
		if err := s.expire(ctx, key); err != nil && ctx.Err() == nil {
			s.p.Logger.ErrorContext(ctx, "expiry not recorded, will be tried again", "token", key.Name(), "error", err)
			s.expiries.Set(key, 0, s.p.Now().Add(time.Second))
		}
	}
}

// expire records that a token's time is over, or that its grant's will be soon, and tells the watchers.
func (s *Service) expire(ctx context.Context, key Key) error {
	_, err := s.update(ctx, key, func(r *Record) error {
		if !r.Exists {
			return ErrUnchanged
		}
		now := s.p.Now()
		lapsed, warned := r.Token.lapse(now), r.Token.warn(now)
		if !lapsed && !warned {
			return ErrUnchanged
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// retry repeats fn while the store is unavailable.
func (s *Service) retry(ctx context.Context, fn func(context.Context) error) error {
	wait := 50 * time.Millisecond
	for {
		err := fn(ctx)
		if err == nil || ctx.Err() != nil || !unavailable(err) {
			return err
		}
		s.p.Logger.WarnContext(ctx, "store unavailable, trying again", "error", err)
		timer := time.NewTimer(wait/2 + time.Duration(s.p.Random()*float64(wait/2)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		wait = min(2*wait, 2*time.Second)
	}
}
