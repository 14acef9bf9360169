package token

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Update is a token's state on its way to a watcher.
type Update struct {
	// Token as stored; show only what Token.Revealed returns. Without its credential for those who watch all states.
	Token Token
	// Deleted means that the token is gone; only Key and Version are set then.
	Deleted bool
	// Snapshot means that it is what the store had when the watching began, not a change.
	Snapshot bool
	// View is for the edge that shows the update: what it made of it, kept here so that it is made once however many watch.
	View atomic.Value
}

// update changes a token and tells the queues and the watchers. Errors are those of the store, of change, and ErrNotFound if
// change left a token that does not exist as it was.
func (s *Service) update(ctx context.Context, key Key, change func(*Record) error) (Token, error) {
	return s.updateFrom(ctx, key, nil, change)
}

// updateFrom is update of a token that was read before, unless known is nil.
func (s *Service) updateFrom(ctx context.Context, key Key, known *Token, change func(*Record) error) (Token, error) {
	var quiet, existed, written bool
	t, err := s.p.Store.Update(ctx, key, known, func(r *Record) error {
		err := change(r)
		quiet, existed, written = r.Quiet, r.Exists, err == nil
		return err
	})
	if err != nil {
		return t, err
	}
	if !existed && !written {
		return t, ErrNotFound
	}
	if quiet {
		return t, nil
	}
	s.enqueue(&t)
	if written {
		s.publish(context.WithoutCancel(ctx), &t) // whoever asked may be gone; the watchers are not
	}
	return t, nil
}

// publish tells the watchers in this process of a token's change. The token need not have its credential.
func (s *Service) publish(ctx context.Context, t *Token) {
	s.publishState(t)
	if !s.tokens.Watched(t.Key) {
		return
	}
	full, err := s.p.Store.Get(ctx, t.Key)
	switch {
	case err == nil:
		s.publishToken(&full)
	case !errors.Is(err, ErrNotFound) && ctx.Err() == nil:
		// Watchers keep what they have, and take it for what it is worth: every state says when it ends.
		s.p.Logger.ErrorContext(ctx, "changed token not read for its watchers", "token", t.Key.Name(), "error", err)
	}
}

// publishToken tells those who watch by name. t has its credential.
func (s *Service) publishToken(t *Token) {
	s.tokens.Publish(t.Key, t.Version, &Update{Token: *t})
}

// publishState tells those who watch all states.
func (s *Service) publishState(t *Token) {
	if !s.states.HasAll() {
		return
	}
	bare := *t
	bare.Credential = Credential{}
	s.states.Publish(t.Key, t.Version, &Update{Token: bare})
}

// publishDeleted tells everyone that a token is gone.
func (s *Service) publishDeleted(key Key, version int64) {
	gone := &Update{Token: Token{Key: key, Version: version}, Deleted: true}
	s.tokens.Publish(key, version, gone)
	s.states.Publish(key, version, gone)
}

// listen carries the changes of other replicas to the watchers of this one.
func (s *Service) listen(ctx context.Context) error {
	return s.p.Store.Listen(ctx, func(n Notice) {
		switch {
		case n.Resync:
			s.resync(ctx)
		case n.Deleted:
			s.enqueueAt(n.Key, n.Version, time.Time{}, time.Time{}, time.Time{})
			s.publishDeleted(n.Key, n.Version)
		default:
			s.enqueueAt(n.Key, n.Version, n.AttemptDue, n.WatchedDue, n.ExpiryDue)
			s.reread(ctx, n.Key, n.Version)
		}
	})
}

// reread publishes a token that another replica changed.
func (s *Service) reread(ctx context.Context, key Key, version int64) {
	if !s.states.Behind(key, version) && !s.tokens.Behind(key, version) {
		return
	}
	t, err := s.p.Store.Get(ctx, key)
	switch {
	case err == nil:
		s.publishState(&t)
		s.publishToken(&t)
	case errors.Is(err, ErrNotFound):
		// its deletion is announced by a notice of its own
	case ctx.Err() == nil:
		s.p.Logger.ErrorContext(ctx, "token changed by another replica not read", "token", key.Name(), "error", err)
	}
}

// resync reads everything that somebody watches: notices may have been lost.
func (s *Service) resync(ctx context.Context) {
	if err := s.retry(ctx, s.fill); err != nil {
		s.logUnless(ctx, err, "due tokens not read after reconnecting to the store")
	}
	for _, key := range s.tokens.Keys() {
		t, err := s.p.Store.Get(ctx, key)
		switch {
		case err == nil:
			s.enqueue(&t)
			s.publishToken(&t)
		case errors.Is(err, ErrNotFound):
			s.publishDeleted(key, s.p.Now().UnixMicro())
		default:
			s.logUnless(ctx, err, "watched token not read after reconnecting to the store")
		}
	}
	if s.states.HasAll() {
		err := errors.Join(
			s.eachOwn(ctx, s.publishState),
			s.eachGrant(ctx, s.p.Now().Add(-resyncGrants), s.publishState))
		s.logUnless(ctx, err, "states not read after reconnecting to the store")
	}
}

// resyncGrants is how long notices can have been missing: states of grants that changed in this time are told of again.
const resyncGrants = time.Hour

func (s *Service) logUnless(ctx context.Context, err error, message string) {
	if err != nil && ctx.Err() == nil {
		s.p.Logger.ErrorContext(ctx, message, "error", err)
	}
}

// eachOwn calls fn with every connection's own token, without its credential.
func (s *Service) eachOwn(ctx context.Context, fn func(*Token)) error {
	var after Key
	for {
		page, err := s.p.Store.List(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for i := range page {
			fn(&page[i])
			after = page[i].Key
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// eachGrant calls fn with the token of every grant whose state changed at the given time or later, without its credential.
func (s *Service) eachGrant(ctx context.Context, since time.Time, fn func(*Token)) error {
	cursor := DueCursor{At: since}
	for {
		page, err := s.p.Store.ListGrants(ctx, cursor, pageSize)
		if err != nil {
			return err
		}
		for i := range page {
			fn(&page[i])
			cursor = DueCursor{At: page[i].StateTime, Key: page[i].Key}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}
