package token

import "sync"

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
