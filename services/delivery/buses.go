package delivery

import (
	"context"
	"errors"
	"fmt"
)

// maxWrites bounds how often a change without etag is tried again because somebody else was quicker.
const maxWrites = 5

// Write are the options of a call that changes a resource.
type Write struct {
	// Etag is compared with the stored one unless it is empty.
	Etag string
	// ValidateOnly checks everything and stores nothing.
	ValidateOnly bool
}

// CreateBus creates a bus; ErrExists.
func (s *Service) CreateBus(ctx context.Context, bus Bus, w Write) (Bus, error) {
	if err := checkBus(&bus); err != nil {
		return Bus{}, err
	}
	now := s.stamp()
	bus.CreateTime, bus.UpdateTime, bus.Etag = now, now, s.newID(now)
	if w.ValidateOnly {
		_, err := s.store.Bus(ctx, bus.Name)
		return bus, absent(err, ErrBusNotFound, bus.Name)
	}
	return bus, s.store.CreateBus(ctx, bus)
}

// absent turns the error of a read into that of a creation.
func absent(err, notFound error, name fmt.Stringer) error {
	switch {
	case errors.Is(err, notFound):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%s: %w", name, ErrExists)
}

// GetBus returns a bus; ErrBusNotFound.
func (s *Service) GetBus(ctx context.Context, name BusName) (Bus, error) {
	return s.store.Bus(ctx, name)
}

// ListBuses returns a project's buses by name, those after the given one.
func (s *Service) ListBuses(ctx context.Context, project, after string, limit int) ([]Bus, error) {
	return s.store.ListBuses(ctx, project, after, limit)
}

// UpdateBus changes a bus; ErrBusNotFound, ErrEtagMismatch, the errors of change. change is given the stored bus, and may be called again
// if somebody else was quicker.
func (s *Service) UpdateBus(ctx context.Context, name BusName, w Write, change func(*Bus) error) (Bus, error) {
	return retryWrite(w, func() (Bus, error) {
		bus, err := s.store.Bus(ctx, name)
		if err != nil {
			return Bus{}, err
		}
		stored := bus.Etag
		if err := compareEtag(w.Etag, stored, name); err != nil {
			return Bus{}, err
		}
		if err := change(&bus); err != nil {
			return Bus{}, err
		}
		if err := checkBus(&bus); err != nil {
			return Bus{}, err
		}
		bus.UpdateTime = s.stamp()
		bus.Etag = s.newID(bus.UpdateTime)
		if w.ValidateOnly {
			return bus, nil
		}
		if err := s.store.ReplaceBus(ctx, bus, stored); err != nil {
			return Bus{}, err
		}
		s.indexes.forget(name)
		s.logs.forget(name)
		return bus, nil
	})
}

// DeleteBus deletes a bus; ErrBusNotFound, ErrEtagMismatch, ErrInUse; ErrStateConflict for the default bus.
func (s *Service) DeleteBus(ctx context.Context, name BusName, w Write) error {
	if name.Bus == DefaultBus {
		return fmt.Errorf("%s: the default bus cannot be deleted: %w", name, ErrStateConflict)
	}
	if err := s.store.DeleteBus(ctx, name, w.Etag); err != nil {
		return err
	}
	s.indexes.forget(name)
	s.logs.forget(name)
	return nil
}

func compareEtag(given, stored string, name fmt.Stringer) error {
	if given != "" && given != stored {
		return fmt.Errorf("%s: %w", name, ErrEtagMismatch)
	}
	return nil
}

// retryWrite repeats a read-modify-write that another one came between, unless the caller insists on an etag.
func retryWrite[R any](w Write, write func() (R, error)) (R, error) {
	for i := 1; ; i++ {
		r, err := write()
		if !errors.Is(err, ErrEtagMismatch) || w.Etag != "" || i == maxWrites {
			return r, err
		}
	}
}
