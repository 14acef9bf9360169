package connection

import (
	"context"
	"time"
)

// reconcile compares the full listing of the token service with what is stored. They differ when one of the databases was restored from
// a backup, or lost: what is stored here decides, and the token service is told again. It is also the moment at which the token service is
// known to be reachable.
//
// Tokens without a connection are left alone: were this the database that is lost, they would be all that is left. So are connections whose
// state changed since the listing began, at opened: it may have been too early for them, and the token service, being there, was told.
func (s *Service) reconcile(ctx context.Context, listed map[Name]TokenStatus, opened time.Time) error {
	s.pending.hurry()
	var differing []Connection
	known := 0
	err := s.scan(ctx, false, func(c Connection) {
		t, ok := listed[c.Name]
		if ok {
			known++
		}
		if c.StateTime.Before(opened) && c.missing(t) != PendingNothing {
			differing = append(differing, c)
		}
	})
	if err != nil {
		return err
	}
	if orphans := len(listed) - known; orphans > 0 {
		s.logger.WarnContext(ctx, "token service has tokens without a connection", "tokens", orphans)
	}
	for _, c := range differing {
		if err := s.tellAgain(ctx, c, listed[c.Name]); err != nil {
			return err
		}
	}
	return nil
}

// missing returns what the token service must be told if t is all that it knows of the connection; t is zero if it knows nothing.
func (c Connection) missing(t TokenStatus) Pending {
	known := t.UID == c.UID && !t.Deleted
	switch {
	case c.Settings.OAuth2.Users:
		return PendingNothing // it has no token
	case c.Pending != PendingNothing, c.State == StateDeauthorizing, c.State == StateDeleting:
		return PendingNothing // is being told
	case c.State == StateDeauthorized && c.Reason == ReasonDeauthorized:
		if known && t.State != StateDeauthorized {
			return PendingDeauthorize
		}
		return PendingNothing
	case !known, t.known() != c.Revision:
		// Also where the last attempt failed for good: a token service that does not know of that has not tried.
		return PendingAuthorize
	default:
		return PendingNothing
	}
}

// tellAgain has the token service told of a connection again. That starts nothing by itself: if the token service knows after all, nothing
// happens, and if it does not, it reports what it makes of it.
func (s *Service) tellAgain(ctx context.Context, differing Connection, t TokenStatus) error {
	s.logger.WarnContext(ctx, "token service has another record of the connection, will be told again",
		"connection", differing.Name.String(), "revision", differing.Revision, "its_uid", t.UID, "its_revision", t.known())
	return s.changeIfThere(ctx, differing.Name, func(c Connection) Connection {
		if c.UID != differing.UID || c.Revision != differing.Revision {
			return c // somebody was quicker
		}
		pending := c.missing(t)
		if pending == PendingNothing {
			return c
		}
		c.Pending = pending
		c.Seen = Seen{}
		if t.UID == c.UID && t.known() >= c.Revision {
			c.Revision = t.known() + 1 // others would be ignored
		}
		return c
	})
}
