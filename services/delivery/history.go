package delivery

import (
	"context"
)

const (
	// MaxRedrive is the number of deliveries one RedriveDeliveries starts anew at most.
	MaxRedrive = 10_000
	// batch is the number of rows that one transaction of a long job changes.
	batch = 500
)

// GetDelivery returns a delivery with its payload and attempts; ErrDeliveryNotFound.
func (s *Service) GetDelivery(ctx context.Context, id ID) (Delivery, error) {
	d, err := s.store.Delivery(ctx, id)
	if err != nil {
		return Delivery{}, err
	}
	s.show(&d)
	return d, nil
}

// ListDeliveries returns deliveries, newest first, those before the given id ("" for the newest).
func (s *Service) ListDeliveries(ctx context.Context, project string, f Filter, before string, limit int) ([]Delivery, error) {
	list, err := s.store.ListDeliveries(ctx, project, f, s.stamp(), before, limit)
	for i := range list {
		s.show(&list[i])
	}
	return list, err
}

// show gives a pending delivery that is about to be attempted the state Delivering.
func (s *Service) show(d *Delivery) {
	if d.State == Pending && d.Owner != "" && !d.NextAttempt.After(s.now()) {
		d.State = Delivering
	}
}

// RedriveDelivery starts a delivery anew, edited; ErrDeliveryNotFound, ErrStateConflict unless Dead or Cancelled, ErrDestinationNotFound, an
// InvalidError.
func (s *Service) RedriveDelivery(ctx context.Context, id ID, edit Edit) (Delivery, error) {
	target, err := s.edited(ctx, id, edit)
	if err != nil {
		return Delivery{}, err
	}
	d, err := s.store.Redrive(ctx, id, s.stamp(), target)
	if err != nil {
		return Delivery{}, err
	}
	s.dispatcher.Wake(d.Lane(), d.NextAttempt)
	s.show(&d)
	return d, nil
}

// RedriveDeliveries starts Dead deliveries anew that the filter selects and whose destination is still there, at most limit (0 or more
// than MaxRedrive: MaxRedrive), and returns how many. dryRun only counts them.
func (s *Service) RedriveDeliveries(ctx context.Context, project string, f Filter, limit int, dryRun bool) (int, error) {
	if limit <= 0 || limit > MaxRedrive {
		limit = MaxRedrive
	}
	if dryRun {
		return s.store.CountDead(ctx, project, f, limit)
	}
	total := 0
	for total < limit {
		now := s.stamp()
		started, err := s.store.RedriveDead(ctx, project, f, now, min(batch, limit-total))
		if err != nil {
			return total, err
		}
		n := 0
		for name, count := range started {
			n += count
			s.dispatcher.Wake(name, now)
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total, nil
}

// cancelNow carries recorded cancellations out. What fails is left to the background.
func (s *Service) cancelNow(ctx context.Context, list []Cancellation) {
	for _, c := range list {
		if err := s.cancel(ctx, c); err != nil {
			s.logger.WarnContext(ctx, "deliveries are not cancelled yet", "error", err)
		}
	}
}

func (s *Service) cancel(ctx context.Context, c Cancellation) error {
	s.suspect(s.dropCovered(c))
	for after, done := "", false; !done; {
		var err error
		if after, done, err = s.store.Cancel(ctx, c, after, s.stamp(), batch); err != nil {
			return err
		}
	}
	s.suspect(s.dropCovered(c)) // what was claimed before it was cancelled
	s.look()                    // for what waited behind it
	return nil
}

// dropCovered removes from memory what a cancellation means, and returns it. What turns out not to be cancelled, because it was redriven
// since, is to be backlog again.
func (s *Service) dropCovered(c Cancellation) (dropped []*Delivery) {
	s.lanes.mu.Lock()
	var names []DestinationName
	for name := range s.lanes.lanes {
		if name.Project == c.Project && (c.Destination == "" || name.Destination == c.Destination) {
			names = append(names, name)
		}
	}
	s.lanes.mu.Unlock()
	for _, name := range names {
		dropped = append(dropped, s.dispatcher.Drop(name, c.Covers)...)
	}
	return dropped
}
