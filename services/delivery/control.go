package delivery

import (
	"context"
	"time"
)

// MaxBacklogCount is how many deliveries [Backlog] counts at most.
const MaxBacklogCount = 100_000

// Pause holds all attempts at a destination. The zero value holds nothing.
type Pause struct {
	Time   time.Time // zero: not paused
	Reason string
}

// IsSet reports whether attempts are held.
func (p Pause) IsSet() bool { return !p.Time.IsZero() }

// Backlog is what waits for a destination.
type Backlog struct {
	Waiting  int       // owned by nobody; at most MaxBacklogCount
	More     bool      // there are more than that
	InMemory int       // of this process
	Oldest   time.Time // when the one that waits longest became due; zero: none is due
}

// PauseDestination holds attempts at a destination until ResumeDestination; ErrDestinationNotFound.
func (s *Service) PauseDestination(ctx context.Context, name DestinationName, reason string) (Destination, error) {
	return s.control(ctx, name, func(d *Destination) error {
		pause := Pause{Time: d.Pause.Time, Reason: reason}
		if !pause.IsSet() {
			pause.Time = s.stamp()
		}
		return s.store.SetPause(ctx, name, pause)
	})
}

// ResumeDestination ends a pause and closes the circuit; ErrDestinationNotFound.
func (s *Service) ResumeDestination(ctx context.Context, name DestinationName) (Destination, error) {
	return s.control(ctx, name, func(d *Destination) error {
		if d.Circuit.IsOpen() {
			if err := s.store.SetCircuit(ctx, name, Circuit{}); err != nil {
				return err
			}
		}
		return s.store.SetPause(ctx, name, Pause{})
	})
}

// control changes what holds a destination, and returns it afterwards.
func (s *Service) control(ctx context.Context, name DestinationName, change func(*Destination) error) (Destination, error) {
	d, err := s.store.Destination(ctx, name)
	if err != nil {
		return Destination{}, err
	}
	if err := change(&d); err != nil {
		return Destination{}, err
	}
	s.forgetLane(&name)
	return s.GetDestination(ctx, name)
}

// DestinationBacklog returns what waits for a destination; ErrDestinationNotFound.
func (s *Service) DestinationBacklog(ctx context.Context, name DestinationName) (Backlog, error) {
	if _, err := s.store.Destination(ctx, name); err != nil {
		return Backlog{}, err
	}
	b, err := s.store.Backlog(ctx, name, MaxBacklogCount)
	if err != nil {
		return Backlog{}, err
	}
	items, oldest := s.dispatcher.Load(name)
	b.InMemory = items
	if !oldest.IsZero() && (b.Oldest.IsZero() || oldest.Before(b.Oldest)) {
		b.Oldest = oldest.UTC()
	}
	if b.Oldest.After(s.now()) {
		b.Oldest = time.Time{}
	}
	return b, nil
}
