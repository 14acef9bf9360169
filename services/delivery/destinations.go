package delivery

import (
	"context"
	"fmt"
	"time"
)

// stateWait is how long reads wait for the first news of a connection's credential.
const stateWait = 500 * time.Millisecond

// CreateDestination creates a destination; ErrExists, ErrConnectionNotFound, an InvalidError.
func (s *Service) CreateDestination(ctx context.Context, d Destination, w Write) (Destination, error) {
	d = d.withDefaults()
	if err := s.checkDestination(&d); err != nil {
		return Destination{}, err
	}
	if err := s.connections.Check(ctx, ConnectionName(d.Name.Project, d.Connection)); err != nil {
		return Destination{}, err
	}
	now := s.stamp()
	d.CreateTime, d.UpdateTime, d.Etag = now, now, s.newID(now)
	if w.ValidateOnly {
		_, err := s.store.Destination(ctx, d.Name)
		return d, absent(err, ErrDestinationNotFound, d.Name)
	}
	if err := s.store.CreateDestination(ctx, d); err != nil {
		return Destination{}, err
	}
	s.forgetLane(&d.Name)
	return s.withState(ctx, []Destination{d})[0], nil
}

// GetDestination returns a destination; ErrDestinationNotFound.
func (s *Service) GetDestination(ctx context.Context, name DestinationName) (Destination, error) {
	d, err := s.store.Destination(ctx, name)
	if err != nil {
		return Destination{}, err
	}
	return s.withState(ctx, []Destination{d})[0], nil
}

// ListDestinations returns a project's destinations by name, those after the given one.
func (s *Service) ListDestinations(ctx context.Context, project, after string, limit int) ([]Destination, error) {
	list, err := s.store.ListDestinations(ctx, project, after, limit)
	if err != nil {
		return nil, err
	}
	return s.withState(ctx, list), nil
}

// UpdateDestination changes a destination, as UpdateBus does a bus; ErrDestinationNotFound, ErrEtagMismatch, ErrConnectionNotFound, an
// InvalidError. Attempts from then on use the new settings.
func (s *Service) UpdateDestination(
	ctx context.Context, name DestinationName, w Write, change func(*Destination) error,
) (Destination, error) {
	d, err := retryWrite(w, func() (Destination, error) {
		d, err := s.store.Destination(ctx, name)
		if err != nil {
			return Destination{}, err
		}
		stored, connection := d.Etag, d.Connection
		if err := compareEtag(w.Etag, stored, name); err != nil {
			return Destination{}, err
		}
		if err := change(&d); err != nil {
			return Destination{}, err
		}
		d = d.withDefaults()
		if err := s.checkDestination(&d); err != nil {
			return Destination{}, err
		}
		if d.Connection != connection {
			if err := s.connections.Check(ctx, ConnectionName(name.Project, d.Connection)); err != nil {
				return Destination{}, err
			}
		}
		d.UpdateTime = s.stamp()
		d.Etag = s.newID(d.UpdateTime)
		if w.ValidateOnly {
			return d, nil
		}
		return d, s.store.ReplaceDestination(ctx, d, stored, func(users []Rule) error { return checkUsers(&d, users) })
	})
	if err != nil {
		return Destination{}, err
	}
	s.forgetLane(&name)
	return s.withState(ctx, []Destination{d})[0], nil
}

// checkUsers tells whether the targets of rules still fit a destination.
func checkUsers(d *Destination, users []Rule) error {
	for i := range users {
		for j := range users[i].Targets {
			t := &users[i].Targets[j]
			if t.Destination != d.Name.Destination {
				continue
			}
			if v := checkMethod(t, d); v != "" {
				return invalid(KindField, "destination.http_method", fmt.Sprintf("target %q of %s does not fit: %s", t.ID, users[i].Name, v))
			}
			if v := checkPlaceholders(t, "", d); v != nil {
				return invalid(KindField, "destination.endpoint", fmt.Sprintf("target %q of %s does not fit: %s", t.ID,
					users[i].Name, v.Description))
			}
		}
	}
	return nil
}

// DeleteDestination deletes a destination; ErrDestinationNotFound, ErrEtagMismatch, ErrInUse. Its unfinished deliveries are cancelled.
func (s *Service) DeleteDestination(ctx context.Context, name DestinationName, w Write) error {
	c := Cancellation{Project: name.Project, ID: s.newID(s.now()), Destination: name.Destination}
	if err := s.store.DeleteDestination(ctx, name, w.Etag, c); err != nil {
		return err
	}
	s.forgetLane(&name)
	s.cancelNow(ctx, []Cancellation{c})
	return nil
}

// withState sets Active by the credentials. Of a connection that was never asked for nothing is known at once: that is waited for, a
// little.
func (s *Service) withState(ctx context.Context, list []Destination) []Destination {
	ctx, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	for i := range list {
		s.credentials.Current(ConnectionName(list[i].Name.Project, list[i].Connection)) // ask for all, then wait
	}
	for i := range list {
		list[i].Probing = list[i].Circuit.HalfOpen(s.now())
		list[i].Active = s.active(ctx, ConnectionName(list[i].Name.Project, list[i].Connection))
	}
	return list
}

func (s *Service) active(ctx context.Context, connection string) bool {
	for {
		credential, changed := s.credentials.Current(connection)
		if credential.State != CredentialUnknown {
			return credential.Usable(s.now())
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
