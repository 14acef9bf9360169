package connection

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"
)

// This file is horizon.go for the grants of connections of users: each ends at a time of its own.

// nextGrantWarning is when the next event is due that the grant ends.
func (s *Service) nextGrantWarning(ctx context.Context, g Grant) (time.Time, error) {
	if g.ExpireTime.IsZero() {
		return time.Time{}, nil
	}
	of, err := s.store.Get(ctx, g.Name.Connection)
	if err != nil {
		return time.Time{}, err
	}
	return of.Settings.nextWarning(g.ExpireTime, s.now()), nil
}

// warnGrants stores the events that are due, each with the time of the next, so that none is sent again.
func (s *Service) warnGrants(ctx context.Context) error {
	for {
		due, err := s.grants.DueGrantWarnings(ctx, s.now(), pageSize)
		if err != nil {
			return err
		}
		for _, g := range due {
			if err := s.warnOfGrant(ctx, g.Name); err != nil {
				return err
			}
		}
		if len(due) < pageSize {
			return nil
		}
	}
}

// warnOfGrant stores the event that is due of a grant. It is only put off if the connection's settings, changed since, do not want it yet.
func (s *Service) warnOfGrant(ctx context.Context, name GrantName) error {
	_, err := untilFresh(ctx, func() (Grant, error) {
		stored, err := s.grants.GetGrant(ctx, name)
		now := s.now().UTC().Truncate(time.Microsecond)
		if err != nil || stored.WarningTime.IsZero() || stored.WarningTime.After(now) {
			return stored, err // gone, or another replica was quicker
		}
		of, err := s.store.Get(ctx, name.Connection)
		if err != nil {
			return Grant{}, err
		}
		next := stored
		next.WarningTime = of.Settings.nextWarning(stored.ExpireTime, now)
		var e *StateEvent
		if !stored.ExpireTime.After(now.Add(of.Settings.warnings()[0])) {
			e = &StateEvent{
				ID: ulid.Make().String(), Kind: EventGrantExpiring, Connection: name.Connection, Grant: name.ID, EndUser: stored.EndUser,
				UID: stored.UID, State: stored.State, Reason: stored.Reason, Message: stored.Message, Time: now,
				GrantExpireTime: stored.ExpireTime,
			}
		}
		if err := s.grants.UpdateGrant(ctx, next, e); err != nil {
			return Grant{}, err
		}
		if e != nil {
			s.wakeAnnouncer()
		}
		return next, nil
	})
	if errors.Is(err, ErrGrantNotFound) {
		return nil
	}
	return err
}
