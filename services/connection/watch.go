package connection

import (
	"context"
	"errors"
	"time"
)

// watch follows the states of all tokens and takes them over, connecting again whenever the stream breaks.
func (s *Service) watch(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		w := &watcher{service: s, seen: make(map[TokenRef]int64)}
		err := s.tokens.WatchStates(ctx, func(r TokenReport) error { return w.take(ctx, r) })
		if ctx.Err() != nil {
			break
		}
		if w.synced {
			failures = 0
		}
		failures++
		s.logger.WarnContext(ctx, "stream of token states ended, will be opened again", "error", err)
		_ = sleep(ctx, retryDelay(failures))
	}
	return ctx.Err()
}

// watcher is one stream of token states.
type watcher struct {
	service *Service
	// seen is what the token service knows, as far as it has listed it: the revision by name and UID. Nil once all is listed.
	seen   map[TokenRef]int64
	synced bool
}

func (w *watcher) take(ctx context.Context, r TokenReport) error {
	if r.Synced {
		w.synced = true
		err := w.service.reconcile(ctx, w.seen)
		w.seen = nil
		return err
	}
	if w.seen != nil && !r.Status.Deleted {
		w.seen[TokenRef{Name: r.Status.Name, UID: r.Status.UID}] = r.Status.Revision
	}
	return w.service.report(ctx, r.Status)
}

// reconcile compares what the token service listed with what is stored. They differ when one of the databases was restored from a backup,
// or lost. What the token service does not know it is told again; the settings here decide. It is also the moment at which the
// token service is known to be reachable.
func (s *Service) reconcile(ctx context.Context, known map[TokenRef]int64) error {
	s.pending.hurry()
	var missing []Connection
	err := s.scan(ctx, false, func(c Connection) {
		revision, ok := known[TokenRef{Name: c.Name, UID: c.UID}]
		if c.Pending == PendingNothing && c.wantsToken() && (!ok || revision > c.Revision) {
			missing = append(missing, c)
		}
	})
	if err != nil {
		return err
	}
	for _, c := range missing {
		if err := s.tellAgain(ctx, c, known[TokenRef{Name: c.Name, UID: c.UID}]); err != nil {
			return err
		}
	}
	return nil
}

// wantsToken reports whether the token service ought to have a token of this connection, or to try for one. It is also true where the
// last attempt failed for good: a token service that does not know of that has not tried.
func (c Connection) wantsToken() bool {
	switch c.State {
	case StateDeauthorizing, StateDeleting:
		return false
	case StateDeauthorized:
		return c.Reason != ReasonDeauthorized
	default:
		return true
	}
}

// tellAgain has the token service told of a connection that it does not know, or of which it knows a later revision than is stored here.
// Neither starts anything new by itself: if the token service turns out to know it after all, nothing happens.
func (s *Service) tellAgain(ctx context.Context, missing Connection, revision int64) error {
	s.logger.WarnContext(ctx, "token service has another record of the connection, will be told again",
		"connection", missing.Name.String(), "revision", missing.Revision, "known_revision", revision)
	_, err := s.change(ctx, missing.Name, func(c Connection) (Connection, error) {
		if c.UID != missing.UID || c.Revision != missing.Revision || c.Pending != PendingNothing || !c.wantsToken() {
			return c, nil // somebody was quicker
		}
		c.Pending = PendingAuthorize
		c.Seen = Seen{}
		if revision > c.Revision {
			c.Revision = revision + 1 // lower ones would be ignored
		}
		return c, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// report takes over what became of a token.
func (s *Service) report(ctx context.Context, t TokenStatus) error {
	if t.Deleted {
		return nil // deletion is what the token service was asked for; its answer counts
	}
	_, err := s.change(ctx, t.Name, func(c Connection) (Connection, error) { return s.follow(c, t), nil })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// follow returns what a connection becomes with the state of its token.
//
// Only the outcome of the revision that is wanted counts. A connection is UPDATING until the token service reports on its new settings, and
// as it reports AUTHORIZED with the former revision while a former token can still be used, an update that fails shows
// when that token is used up, or at once if there is none.
func (s *Service) follow(c Connection, t TokenStatus) Connection {
	position := Seen{Generation: t.Generation, StateTime: t.StateTime.Truncate(time.Microsecond)}
	switch {
	case t.UID != c.UID, t.Revision != c.Revision:
		return c // of another connection, of former settings; or this is to be told again, see reconcile
	case c.State == StateDeleting, c.State == StateDeauthorizing:
		return c // the answer to the call that is pending decides
	case position.before(c.Seen):
		return c // late
	}
	state, reason, message := t.State, t.Reason, t.Message
	if t.State == StateAuthorizing && c.State == StateUpdating {
		state, reason, message = StateUpdating, "", ""
	}
	if t.State == StateAuthorized {
		reason, message = "", ""
	}
	if state == c.State && reason == c.Reason && message == c.Message {
		return c
	}
	if state == c.State {
		c.Reason, c.Message = reason, message
	} else {
		c = s.enter(c, state, reason, message)
	}
	c.Seen = position
	if state == StateAuthorized {
		c.AuthorizeTime = c.StateTime
	}
	return c
}
