package token

import (
	"context"
	"sync"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// A superseded access token is revoked, where the settings ask for it, when nobody is known to use it any more.
const (
	// revokeDelay is what requests get to end that were begun before their consumer had the next generation.
	revokeDelay = 5 * time.Second
	// elsewhereDelay is what the watchers of other replicas get: their acknowledgements are not known here.
	elsewhereDelay = time.Minute
)

// watches are the watchers of each token in this process, and what waits for their acknowledgements.
type watches struct {
	mu       sync.Mutex
	watchers map[Key]map[*Watcher]struct{}
	waiting  map[Key]map[*acknowledgement]struct{}
}

// acknowledgement is the wait for those who watched a token when a generation of it was made.
type acknowledgement struct {
	generation int64
	missing    map[*Watcher]struct{}
	done       chan struct{} // closed when none is missing
}

func newWatches() *watches {
	return &watches{watchers: map[Key]map[*Watcher]struct{}{}, waiting: map[Key]map[*acknowledgement]struct{}{}}
}

func (w *watches) add(key Key, watcher *Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers[key] == nil {
		w.watchers[key] = map[*Watcher]struct{}{}
	}
	w.watchers[key][watcher] = struct{}{}
}

// remove forgets a watcher of a token: it is waited for no longer.
func (w *watches) remove(key Key, watcher *Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watchers[key], watcher)
	if len(w.watchers[key]) == 0 {
		delete(w.watchers, key)
	}
	for a := range w.waiting[key] {
		a.heard(watcher)
	}
}

// acknowledged takes in that a watcher has a generation.
func (w *watches) acknowledged(key Key, watcher *Watcher, generation int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.waiting[key] {
		if generation >= a.generation {
			a.heard(watcher)
		}
	}
}

// expect begins to wait for everybody who watches the token now. It must be ended.
func (w *watches) expect(key Key, generation int64) (a *acknowledgement, end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a = &acknowledgement{generation: generation, missing: map[*Watcher]struct{}{}, done: make(chan struct{})}
	for watcher := range w.watchers[key] {
		a.missing[watcher] = struct{}{}
	}
	if len(a.missing) == 0 {
		close(a.done)
	}
	if w.waiting[key] == nil {
		w.waiting[key] = map[*acknowledgement]struct{}{}
	}
	w.waiting[key][a] = struct{}{}
	return a, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiting[key], a)
		if len(w.waiting[key]) == 0 {
			delete(w.waiting, key)
		}
	}
}

func (a *acknowledgement) heard(watcher *Watcher) {
	if _, missing := a.missing[watcher]; !missing {
		return
	}
	delete(a.missing, watcher)
	if len(a.missing) == 0 {
		close(a.done)
	}
}

// superseded returns the access token that the next generation takes the place of, if it is to be revoked. One that was obtained with other
// settings is not: it may be another server's.
func (r *rotation) superseded(ctx context.Context) seal.Secret {
	o := &r.settings.OAuth2
	if !o.Policy.RevokeSuperseded || o.Provider.RevocationEndpoint == "" || o.Provider.OldAccessToken == Killed ||
		!r.token.ValidAt(r.s.p.Now()) || r.token.ExpireTime.IsZero() || r.token.GenerationRevision != r.settings.Revision {
		return seal.Secret{}
	}
	stored, err := r.s.p.Store.Get(ctx, r.key)
	if err != nil || stored.Generation != r.token.Generation {
		return seal.Secret{}
	}
	return stored.Credential.AccessToken
}

// revokeLater revokes a superseded access token once all who watch have the generation after it. Call it before they are told. Nothing
// waits for it, and it does not outlive the process: the token expires in any case.
func (r *rotation) revokeLater(old seal.Secret, next *Token) {
	if old.IsZero() || old.Fingerprint() == next.Fingerprint {
		return
	}
	s, key, settings, expire := r.s, r.key, r.settings.OAuth2, r.token.ExpireTime
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	awaited, end := s.watches.expect(key, next.Generation)
	s.wg.Go(func() {
		defer end()
		if !s.unused(awaited, expire) {
			return
		}
		ctx, cancel := context.WithTimeout(s.life, s.p.RequestTimeout)
		defer cancel()
		if err := s.p.Exchanger.Revoke(ctx, settings, old, hintAccessToken); err != nil {
			s.p.Logger.WarnContext(ctx, "superseded access token not revoked", "token", key.Name(), "generation", awaited.generation-1, "error", err)
			return
		}
		s.p.Logger.InfoContext(ctx, "superseded access token revoked", "token", key.Name(), "generation", awaited.generation-1)
	})
}

// hintAccessToken is the token type hint of RFC 7009 section 2.1.
const hintAccessToken = "access_token"

// unused waits until nobody is known to use a superseded token any more, and reports false if it expires before, or the process ends.
func (s *Service) unused(awaited *acknowledgement, expire time.Time) bool {
	expired := time.NewTimer(expire.Sub(s.p.Now()))
	defer expired.Stop()
	select {
	case <-awaited.done:
	case <-expired.C:
		return false
	case <-s.stopping:
		return false
	}
	delay := revokeDelay
	if !s.p.Store.Exclusive() {
		delay = elsewhereDelay
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-expired.C:
		return false
	case <-s.stopping:
		return false
	}
}
