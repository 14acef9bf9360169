package token

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// ask says why a rotation shall be made, and when it shall not be.
type ask struct {
	// scheduled: only if the stored AttemptAt has come, with the trigger stored beside it.
	scheduled bool
	// trigger of a rotation that somebody asks for.
	trigger Trigger
	// fence that the asker saw: if another attempt has begun since, its outcome is the answer.
	fence int64
	// caller links the refresh cycle to the trace of the call that asked for it.
	caller trace.SpanContext
}

// flight is a rotation that runs in this process. There is at most one per token.
type flight struct {
	done chan struct{}
	err  error // valid after done: the rotation could not be made or recorded; its failure at the server is none
	// again means that the token became due while the flight was ending. Guarded by Service.mu.
	again bool
}

// Why a rotation does not take place.
var (
	errNotDue  = errors.New("token: no attempt is due")
	errLeased  = errors.New("token: another process is refreshing it")
	errStale   = errors.New("token: another attempt has begun")
	errStopped = errors.New("token: attempts have ended")
)

// begin starts a rotation that somebody asks for, unless one runs, and returns the one that runs.
func (s *Service) begin(key Key, a ask) (*flight, error) {
	f, _, err := s.launch(key, func() error {
		select {
		case s.slots <- struct{}{}:
		case <-s.life.Done():
			return ErrShuttingDown
		}
		defer func() { <-s.slots }()
		return s.rotate(s.life, key, a)
	})
	return f, err
}

// beginScheduled starts a rotation of a token that may be due, unless one runs. The caller holds a slot and gives it away.
func (s *Service) beginScheduled(key Key) {
	f, started, _ := s.launch(key, func() error {
		defer func() { <-s.slots }()
		return s.rotate(s.life, key, ask{scheduled: true})
	})
	if started {
		return
	}
	<-s.slots
	if f != nil {
		s.mu.Lock()
		f.again = true
		s.mu.Unlock()
	}
}

// launch runs work as the key's flight unless there is one, and reports whether it does.
func (s *Service) launch(key Key, work func() error) (f *flight, started bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, running := s.flights[key]; running {
		return f, false, nil
	}
	if s.stopped {
		return nil, false, ErrShuttingDown
	}
	f = &flight{done: make(chan struct{})}
	s.flights[key] = f
	s.wg.Go(func() {
		f.err = guard(work)
		s.mu.Lock()
		delete(s.flights, key)
		again := f.again
		s.mu.Unlock()
		close(f.done)
		s.settle(key, f, again)
	})
	return f, true, nil
}

// guard turns a panic into an error, so that it costs one rotation and not the process.
func guard(work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("token: panic in rotation: %v\n%s", v, debug.Stack())
		}
	}()
	return work()
}

// settle looks after a rotation that left no outcome in the store, or missed a change.
func (s *Service) settle(key Key, f *flight, again bool) {
	switch {
	case f.harmless(), errors.Is(f.err, ErrNotFound), errors.Is(f.err, ErrShuttingDown):
		if again {
			s.attempts.Set(key, 0, s.p.Now())
		}
	default:
		s.p.Logger.Error("rotation not recorded, will be looked at again", "token", key.Name(), "error", f.err)
		s.attempts.Set(key, 0, s.p.Now().Add(time.Second))
	}
}

// await waits for the outcome of an attempt on the token whose fence is at least the given one, and returns the token as it
// is afterwards, with its credential; or as soon as attempts have ended. start, unless nil, begins such an attempt in this
// process, or returns the rotation that runs here, which may be another.
func (s *Service) await(ctx context.Context, key Key, fence int64, start func() (*flight, error)) (Token, error) {
	sub := s.tokens.Subscribe()
	defer sub.Close()
	sub.Add(key)
	var f *flight
	for {
		t, err := s.p.Store.Get(ctx, key)
		begun := t.Lease.Fence >= fence
		switch {
		case err != nil:
			return Token{}, err
		case t.stoppedAt(s.p.Now()), begun && t.Lease.Owner == "":
			return t, nil
		case !begun && start != nil && f == nil:
			if f, err = start(); err != nil {
				return Token{}, err
			}
		}
		select {
		case <-f.landed():
			if !f.harmless() {
				return Token{}, f.err
			}
			f = nil
		case <-sub.Wake():
			for _, item := range sub.Take() {
				if item.Value.Deleted {
					return Token{}, ErrNotFound
				}
			}
		case <-s.stopping:
			return Token{}, ErrShuttingDown
		case <-ctx.Done():
			return Token{}, ctx.Err()
		}
	}
}

// landed is closed when the flight ends; nil, which blocks for ever, without one.
func (f *flight) landed() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.done
}

// harmless reports whether the flight either took place, or had a reason not to that the token's state shows.
func (f *flight) harmless() bool {
	for _, reason := range []error{errNotDue, errLeased, errStale, errStopped, errLeaseLost} {
		if errors.Is(f.err, reason) {
			return true
		}
	}
	return f.err == nil
}
