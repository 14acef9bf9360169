package delivery

import (
	"context"
	"sync"
	"time"
)

const (
	// beatEvery and beatLife govern how soon the work of an instance that died is taken over by others: after at most their sum.
	beatEvery = 4 * time.Second
	beatLife  = 15 * time.Second
	// sweepEvery is how often the backlog is looked at for what is overdue or was left behind.
	sweepEvery = 5 * time.Second
	// scanEvery is how often all lanes' backlogs are looked at, in case another instance filled one.
	scanEvery = 10 * time.Second
	// adoptEvery is how often deliveries are looked for whose owner is nobody known.
	adoptEvery = time.Minute
	// joinPause is the time between attempts to begin while the store does not answer.
	joinPause = time.Second
	// leaveTimeout bounds how long the end may take.
	leaveTimeout = 5 * time.Second
)

// Run attempts deliveries until ctx ends; it is called once. Then attempts under way may finish, for Params.Drain at most, everything else is left to the
// other instances or to the next start, and Run returns.
func (s *Service) Run(ctx context.Context) error {
	defer s.leave(ctx)
	if !s.join(ctx) {
		return nil
	}
	close(s.joined)
	if err := s.dispatcher.Start(ctx); err != nil {
		return err
	}
	var tasks sync.WaitGroup
	if !s.store.Alone() {
		tasks.Go(func() { s.every(ctx, beatEvery, s.beat) })
	}
	tasks.Go(func() { s.every(ctx, adoptEvery, s.adopt) })
	tasks.Go(func() { s.every(ctx, sweepEvery, s.sweep) })
	tasks.Go(func() { s.every(ctx, scanEvery, s.scan) })
	tasks.Go(func() { s.every(ctx, archiveEvery, s.keepArchives) })
	tasks.Go(func() { s.every(ctx, trimEvery, s.trim) })
	tasks.Go(func() { s.follow(ctx) })
	tasks.Go(func() { s.tickAway(ctx) })
	tasks.Go(func() { s.unfold(ctx) })
	tasks.Go(func() { _ = s.store.Watch(ctx, s.changed) })
	s.dispatcher.Wait()
	tasks.Wait()
	return nil
}

// join makes this instance known and frees what earlier ones left. It returns false if ctx ended first.
func (s *Service) join(ctx context.Context) bool {
	for {
		err := s.beat(ctx)
		if err == nil {
			err = s.adopt(ctx)
		}
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			s.logger.WarnContext(ctx, "deliveries cannot begin yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(joinPause):
		}
	}
}

// adopt frees deliveries of instances that nobody knows.
func (s *Service) adopt(ctx context.Context) error {
	for {
		n, err := s.store.Adopt(ctx, batch)
		if err != nil || n == 0 {
			return err
		}
	}
}

// every calls task at once and then time and again, until ctx ends.
func (s *Service) every(ctx context.Context, interval time.Duration, task func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "delivery housekeeping failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// beat records that this instance is alive, and frees what dead ones have.
func (s *Service) beat(ctx context.Context) error {
	now := s.stamp()
	others, err := s.store.Beat(ctx, s.owner, now, now.Add(beatLife))
	if err != nil {
		return err
	}
	s.shared.Store(others > 0)
	for {
		freed, err := s.store.Bury(ctx, s.stamp(), batch)
		if err != nil {
			return err
		}
		if freed == 0 {
			return nil
		}
		if err := s.scan(ctx); err != nil {
			return err
		}
	}
}

// scan wakes the lanes that have a backlog.
func (s *Service) scan(ctx context.Context) error {
	due, err := s.store.Due(ctx)
	if err != nil {
		return err
	}
	for name, at := range due {
		s.dispatcher.Wake(name, at)
	}
	return nil
}

// look makes follow look at suspects and the backlog at once.
func (s *Service) look() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// follow looks when there is news of something that nobody has in memory.
func (s *Service) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
			err := s.cancelRecorded(ctx, true) // before anything is released that is meant
			if err == nil {
				err = s.clearSuspects(ctx)
			}
			if err == nil {
				err = s.scan(ctx)
			}
			if err != nil && ctx.Err() == nil { // the next sweep and scan are not far
				s.logger.WarnContext(ctx, "the backlog cannot be looked at", "error", err)
			}
		}
	}
}

// sweep ends what is overdue, and follows up what was left undone.
func (s *Service) sweep(ctx context.Context) error {
	if err := s.cancelRecorded(ctx, false); err != nil {
		return err
	}
	if err := s.clearSuspects(ctx); err != nil {
		return err
	}
	return s.endOverdue(ctx)
}

// cancelRecorded carries out cancellations that are not done. quiet: as another instance told of one, it need not be told back.
func (s *Service) cancelRecorded(ctx context.Context, quiet bool) error {
	cancellations, err := s.store.Cancellations(ctx, batch)
	if err != nil {
		return err
	}
	for _, c := range cancellations {
		c.Quiet = quiet
		if err := s.cancel(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// endOverdue ends deliveries in the backlog whose time is over.
func (s *Service) endOverdue(ctx context.Context) error {
	for {
		now := s.stamp()
		overdue, err := s.store.ClaimOverdue(ctx, s.owner, now, batch)
		if err != nil || len(overdue) == 0 {
			return err
		}
		for _, d := range overdue {
			lane, credential := s.laneAndCredential(ctx, d)
			s.record(ctx, d, s.overdue(d, lane, credential, now), func() {})
		}
	}
}

// laneAndCredential returns what is known of a delivery's destination and of its credential; nil where that is not known.
func (s *Service) laneAndCredential(ctx context.Context, d *Delivery) (*laneState, *Credential) {
	lane, err := s.lane(ctx, d.Lane())
	if err != nil || lane.missing {
		return nil, nil
	}
	holder, err := d.holder(lane.destination.Connection)
	if err != nil {
		return lane, nil
	}
	c, _ := s.credentials.Current(holder)
	return lane, c
}

// changed follows what other instances changed.
func (s *Service) changed(c Change) {
	switch {
	case c.Destination != nil:
		s.forgetLane(c.Destination)
		s.dispatcher.Wake(*c.Destination, s.now())
	case c.Cancelled != nil:
		s.suspect(s.dropCovered(*c.Cancelled))
		s.look() // also at what is in the journal
	case c.Backlog:
		s.look()
	case c.Instances:
		s.shared.Store(true) // until the next beat counts them
	default:
		s.forgetLane(nil)
	}
}

// leave frees everything this instance has. It is only called once nothing is under way any more.
func (s *Service) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	for {
		left, err := s.store.Leave(ctx, s.owner, batch)
		if err != nil {
			s.logger.WarnContext(ctx, "deliveries could not be handed back; they are taken over later", "error", err)
			return
		}
		if left == 0 {
			return
		}
	}
}
