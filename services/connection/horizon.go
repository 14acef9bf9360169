package connection

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"
)

// This file is the end of the grant behind a connection: refresh tokens die of age or of not being used, and then only the end user can
// help. Those who can ask them are told in time, by events.

// defaultGrantWarning is how long before its end the first event is sent where the refresh policy does not say.
const defaultGrantWarning = 14 * 24 * time.Hour

const (
	// horizonInterval bounds how late a warning is.
	horizonInterval = time.Hour
	// horizonSlack keeps every refresh of a grant whose idle time begins anew from being a write.
	horizonSlack = time.Minute
)

// warnings are how long before the end of a grant its events are sent, the longest first.
func (s Settings) warnings() []time.Duration {
	first := s.OAuth2.Refresh.GrantWarning
	if first <= 0 {
		first = defaultGrantWarning
	}
	all := []time.Duration{first}
	const day = 24 * time.Hour
	for _, before := range []time.Duration{7 * day, 3 * day, day} {
		if before < first {
			all = append(all, before)
		}
	}
	return all
}

// nextWarning is when the next event of a grant that ends at the given time is due after now; zero if there is none. A grant that begins with
// less time than a warning has is not warned of by that one.
func (s Settings) nextWarning(expire, now time.Time) time.Time {
	if expire.IsZero() {
		return time.Time{}
	}
	for _, before := range s.warnings() {
		if at := expire.Add(-before); at.After(now) {
			return at
		}
	}
	return time.Time{}
}

// expecting returns the connection with the end of its grant as it is reported, and reports whether that is another one.
func (c Connection) expecting(expire, now time.Time) (Connection, bool) {
	expire = expire.Truncate(time.Microsecond)
	if !movedEnd(c.GrantExpireTime, expire) {
		return c, false
	}
	c.GrantExpireTime = expire
	c.GrantWarningTime = c.Settings.nextWarning(expire, now)
	return c, true
}

// movedEnd reports whether the end of a grant is another one. Each refresh of a grant whose idle time begins anew would be a write otherwise.
func movedEnd(from, to time.Time) bool {
	if from.IsZero() || to.IsZero() || !to.After(from) {
		return !from.Equal(to)
	}
	return to.Sub(from) >= horizonSlack
}

// foresee sends the warnings that are due.
func (s *Service) foresee(ctx context.Context) error {
	return every(ctx, horizonInterval, func() {
		if err := errors.Join(s.warn(ctx), s.warnGrants(ctx)); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "grants that end soon not announced yet, will be tried again", "error", err)
		}
	})
}

// warn stores the events that are due, each with the time of the next, so that none is sent again.
func (s *Service) warn(ctx context.Context) error {
	for {
		due, err := s.store.DueWarnings(ctx, s.now(), pageSize)
		if err != nil {
			return err
		}
		for _, c := range due {
			if err := s.warnOf(ctx, c.Name); err != nil {
				return err
			}
		}
		if len(due) < pageSize {
			return nil
		}
	}
}

func (s *Service) warnOf(ctx context.Context, name Name) error {
	_, err := untilFresh(ctx, func() (Connection, error) {
		stored, err := s.store.Get(ctx, name)
		now := s.now().UTC().Truncate(time.Microsecond)
		if err != nil || stored.GrantWarningTime.IsZero() || stored.GrantWarningTime.After(now) {
			return stored, err // gone, or another replica was quicker
		}
		next := stored
		next.GrantWarningTime = stored.Settings.nextWarning(stored.GrantExpireTime, now)
		e := &StateEvent{
			ID: ulid.Make().String(), Kind: EventGrantExpiring, Connection: stored.Name, UID: stored.UID, State: stored.State,
			Reason: stored.Reason, Message: stored.Message, Time: now, GrantExpireTime: stored.GrantExpireTime,
		}
		if err := s.store.Update(ctx, next, e); err != nil {
			return Connection{}, err
		}
		s.wakeAnnouncer()
		s.logger.InfoContext(ctx, "grant of a connection ends soon", "connection", name.String(), "expires", stored.GrantExpireTime)
		return next, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
