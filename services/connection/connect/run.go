package connect

import (
	"context"
	"errors"
	"time"
)

const (
	// sweepTime is how often sessions are looked after that nobody waits for.
	sweepTime = 5 * time.Second
	pageSize  = 100
)

// Run ends sessions that are due until ctx ends: those whose user does not come back, and those whose browser or process is gone while the code is
// redeemed. Several replicas may run: what two of them do twice has no effect the second time.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepTime)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "sessions that are due cannot be looked after", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sweep looks after every session that is due.
func (s *Service) sweep(ctx context.Context) error {
	for {
		due, err := s.store.DueSessions(ctx, s.moment(), pageSize)
		if err != nil {
			return err
		}
		for _, session := range due {
			if err := s.tend(ctx, session); err != nil && !errors.Is(err, ErrStale) {
				return err
			}
		}
		if len(due) < pageSize {
			return nil
		}
	}
}

// tend does what is due for one session.
func (s *Service) tend(ctx context.Context, session Session) error {
	switch {
	case session.State == Waiting:
		_, err := s.save(ctx, s.end(session, Expired, "", "The end user did not come back in time."))
		return err
	case session.State.Ended():
		return s.store.RemoveSession(ctx, session.Name)
	}
	if session.Secrets.Code.IsZero() { // it does not open with the present master key
		_, err := s.save(ctx, s.end(session, Failed, "SECRET_UNREADABLE", "The code cannot be opened with the present master key."))
		return err
	}
	session.DueTime = s.moment().Add(waitTime) // whatever comes of it, others are next
	session, err := s.save(ctx, session)
	if err != nil {
		return err
	}
	attempt, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	if _, err := s.settle(attempt, session); err != nil && !errors.Is(err, ErrStale) {
		s.logger.WarnContext(ctx, "authorization not settled yet", "session", session.Name.String(), "error", err)
	}
	return nil
}
