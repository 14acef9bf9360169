package token

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/freshet-io/freshet/services/token/hub"
)

type subscription = hub.Subscription[Key, *Update]

func taken(items []hub.Item[Key, *Update]) []*Update {
	updates := make([]*Update, len(items))
	for i, item := range items {
		updates[i] = item.Value
	}
	return updates
}

// Watcher receives the newest state of the tokens that it was told to watch. Its methods are safe for concurrent use.
type Watcher struct {
	s   *Service
	sub *subscription

	mu   sync.Mutex
	keys map[Key]struct{} // watched; nil when closed
}

// Watch returns a Watcher of no token; Add adds them. It must be closed.
func (s *Service) Watch(ctx context.Context) *Watcher {
	s.meters.watchers.Add(ctx, 1)
	return &Watcher{s: s, sub: s.tokens.Subscribe(), keys: map[Key]struct{}{}}
}

// Add begins to watch a token: its present state arrives at once, later ones as they come. A token that is watched already
// arrives again. Errors: ErrNotFound; that of the store.
func (w *Watcher) Add(ctx context.Context, key Key) error {
	w.sub.Add(key)
	w.watch(key)
	t, err := w.s.load(ctx, key)
	if err != nil {
		w.Remove(key)
		return err
	}
	w.sub.Again(key, t.Version, &Update{Token: t, Snapshot: true})
	w.s.revive(&t)
	return nil
}

// revive lets a token that is not refreshed while nobody watches or asks begin again, now that somebody does.
func (s *Service) revive(t *Token) {
	switch now := s.p.Now(); {
	case t.Plan.ahead():
	case t.Plan.Mode == WhileWatched:
		s.enqueue(t)
	case !t.ValidAt(now) && !t.stoppedAt(now) && t.LastFailure == nil && t.Lease.Owner == "" && !t.NotBefore.After(now):
		if _, err := s.begin(t.Key, ask{trigger: TriggerMinTTL, fence: t.Lease.Fence}); err != nil {
			s.p.Logger.Info("token not obtained for a watcher", "token", t.Key.Name(), "error", err)
		}
	}
}

// Remove ends the watching of a token.
func (w *Watcher) Remove(key Key) {
	w.sub.Remove(key)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.keys, key)
	w.s.watches.remove(key, w)
}

// watch makes the watcher one whose acknowledgements of the token are waited for.
func (w *Watcher) watch(key Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil { // closed
		return
	}
	w.keys[key] = struct{}{}
	w.s.watches.add(key, w)
}

// Acknowledge tells that a generation of a token arrived and is in use.
func (w *Watcher) Acknowledge(key Key, generation int64) {
	w.s.watches.acknowledged(key, w, generation)
}

// Len returns the number of tokens watched.
func (w *Watcher) Len() int { return w.sub.Len() }

// Wake receives when there is something to Take.
func (w *Watcher) Wake() <-chan struct{} { return w.sub.Wake() }

// Take returns the newest state of every token that changed since it was last taken.
func (w *Watcher) Take() []*Update { return taken(w.sub.Take()) }

// Close ends the watching of all.
func (w *Watcher) Close(ctx context.Context) {
	w.sub.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.keys {
		w.s.watches.remove(key, w)
	}
	w.keys = nil
	w.s.meters.watchers.Add(ctx, -1)
}

// Now is the service's clock, for showing tokens as of now.
func (s *Service) Now() time.Time { return s.p.Now() }

// StatesSink receives what WatchStates has to tell. An error of any of them ends it.
type StatesSink struct {
	// State receives the state of a connection's own token, without its credential.
	State func(*Update) error
	// Synced is called once, when State has received every such token there is.
	Synced func() error
	// Idle is called when nothing else has been for the idle time.
	Idle func() error
}

// StatesScope says what WatchStates tells of.
type StatesScope struct {
	// Idle is after what time without news Idle of the sink is called.
	Idle time.Duration
	// Grants: also of tokens of grants, but in the listing only of those whose state changed at GrantsSince or later. There can be a million.
	Grants      bool
	GrantsSince time.Time
}

// WatchStates tells sink the state of every connection's own token, and then each change, until ctx ends or sink fails. A slow sink
// skips states of a token and gets its newest.
func (s *Service) WatchStates(ctx context.Context, scope StatesScope, sink StatesSink) error {
	sub := s.states.SubscribeAll()
	defer sub.Close()
	flush := func() error {
		for _, u := range taken(sub.Take()) {
			if u.Token.Key.Grant != "" && !scope.Grants {
				continue
			}
			if err := sink.State(u); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.listStates(ctx, sub, flush); err != nil {
		return err
	}
	if scope.Grants {
		if err := s.listGrantStates(ctx, scope.GrantsSince, sub, flush); err != nil {
			return err
		}
	}
	if err := sink.Synced(); err != nil {
		return err
	}
	timer := time.NewTimer(scope.Idle)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-sub.Wake():
			err = flush()
		case <-timer.C:
			err = sink.Idle()
		case <-s.stopping:
			err = ErrShuttingDown
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		timer.Reset(scope.Idle)
	}
}

// listStates offers every connection's own token, page by page.
func (s *Service) listStates(ctx context.Context, sub *subscription, flush func() error) error {
	var after Key
	for {
		page, err := s.p.Store.List(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for i := range page {
			sub.Offer(page[i].Key, page[i].Version, &Update{Token: page[i], Snapshot: true})
			after = page[i].Key
		}
		if err := flush(); err != nil || len(page) < pageSize {
			return err
		}
	}
}

// listGrantStates offers the tokens of grants whose state changed at the given time or later, and flushes as it goes.
func (s *Service) listGrantStates(ctx context.Context, since time.Time, sub *subscription, flush func() error) error {
	var failed error
	offered := 0
	err := s.eachGrant(ctx, since, func(t *Token) {
		sub.Offer(t.Key, t.Version, &Update{Token: *t, Snapshot: true})
		if offered++; failed == nil && offered%pageSize == 0 {
			failed = flush()
		}
	})
	if err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	return flush()
}

// standsAs reports whether nothing is different that is told of a grant's state: most refreshes are of no interest to those who watch a
// million of them.
func (t *Token) standsAs(former *Token) bool {
	return t.State == former.State && t.Reason == former.Reason && t.StatusRevision() == former.StatusRevision() &&
		t.Revision == former.Revision && t.GrantExpireTime.Equal(former.GrantExpireTime)
}
