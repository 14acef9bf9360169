package connection

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// watch follows the states of all tokens and takes them over, connecting again whenever the stream breaks.
func (s *Service) watch(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		w := &watcher{service: s, opened: s.now().Truncate(time.Microsecond), listed: make(map[Name]TokenStatus)}
		since, err := s.grantsSince(ctx)
		if err == nil {
			err = s.tokens.WatchStates(ctx, since, func(r TokenReport) error { return w.take(ctx, r) })
		}
		if ctx.Err() != nil {
			break
		}
		if w.listed == nil {
			failures = 0
		}
		failures++
		level := slog.LevelWarn
		if errors.Is(err, ErrTokensUnavailable) {
			level = slog.LevelInfo // it restarts, or this process stops
		}
		s.logger.Log(ctx, level, "stream of token states ended, will be opened again", "error", err)
		_ = sleep(ctx, retryDelay(failures))
	}
	return ctx.Err()
}

// watcher is one stream of token states.
type watcher struct {
	service *Service
	opened  time.Time // with the precision of stored times, which it is compared with
	// listed is what the token service has, as far as it has said. Nil once it has listed all.
	listed map[Name]TokenStatus
}

func (w *watcher) take(ctx context.Context, r TokenReport) error {
	if r.Synced {
		listed := w.listed
		w.listed = nil
		return errors.Join(w.service.reconcile(ctx, listed, w.opened), w.service.askAgain(ctx))
	}
	if t := r.Status; t.Grant != "" {
		return w.service.changeGrant(ctx, GrantName{Connection: t.Name, ID: t.Grant}, func(g Grant) Grant { return w.service.followGrant(g, t) })
	}
	if w.listed != nil {
		w.listed[r.Status.Name] = r.Status
	}
	if w.listed != nil {
		return w.service.report(ctx, r.Status, w.opened)
	}
	return w.service.report(ctx, r.Status, time.Time{})
}

// report takes over what became of a token. listed is when the full listing began that it comes from; zero: it is a change.
func (s *Service) report(ctx context.Context, t TokenStatus, listed time.Time) error {
	if t.Deleted {
		return nil // deletion is what the token service was asked for; its answer counts
	}
	return s.changeIfThere(ctx, t.Name, func(c Connection) Connection { return s.follow(c, t, listed) })
}

// follow returns what a connection becomes with the state of its token.
//
// Only the outcome of the revision that is wanted counts. A connection is UPDATING until the token service reports on its new settings, and
// as it reports AUTHORIZED with the former revision while a former token can still be used, an update that fails changes the state
// when that token is used up, or at once if there is none. Why it fails shows before.
func (s *Service) follow(c Connection, t TokenStatus, listed time.Time) Connection {
	position := Seen{Generation: t.Generation, StateTime: t.StateTime.Truncate(time.Microsecond)}
	late := position.before(c.Seen)
	if position.Generation < c.Seen.Generation && c.StateTime.Before(listed) {
		// The token service's database was restored from a backup. What was seen since the listing began is another replica's news, which
		// the listing was too early for.
		late = false
	}
	switch {
	case late, t.UID != c.UID, t.known() != c.Revision: // late, of a former connection, of other settings
		return c
	case t.Revision != c.Revision:
		return c.waiting(t.Wanted)
	case c.State == StateDeleting, c.State == StateDeauthorizing: // the answer to the call that is pending decides
		return c
	case c.State == StateDeauthorized && c.Reason == ReasonDeauthorized && c.Pending == PendingNothing: // final
		return c
	}
	c, moved := c.expecting(t.GrantExpireTime, s.now())
	if moved {
		c.Seen = position
	}
	state, reason, message := t.State, t.Reason, t.Message
	if t.State == StateAuthorizing && c.State == StateUpdating {
		state, reason, message = StateUpdating, "", ""
	}
	if t.State == StateAuthorized {
		reason, message = "", ""
	}
	switch {
	case state != c.State:
		c = s.enter(c, state, reason, message)
	case reason != c.Reason || message != c.Message:
		c.Reason, c.Message = reason, message
	default:
		return c // a new generation changes nothing else here
	}
	c.Seen = position
	if state == StateAuthorized {
		c.AuthorizeTime = c.StateTime
	}
	return c
}

// waiting returns what a connection whose former token is in use becomes with the attempts to obtain the one that is wanted.
func (c Connection) waiting(w Wanted) Connection {
	switch {
	case c.State == StateUpdating:
		c.Reason, c.Message = w.Reason, w.Message
	case c.State == StateAuthorizing && w.Reason == "":
		c.Reason, c.Message = ReasonTokenNotReady, ""
	case c.State == StateAuthorizing:
		c.Reason, c.Message = w.Reason, w.Message
	}
	return c
}

// changeIfThere is change for what is of no interest once the connection is gone.
func (s *Service) changeIfThere(ctx context.Context, name Name, edit func(Connection) Connection) error {
	_, err := s.change(ctx, name, func(c Connection) (Connection, error) { return edit(c), nil })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
