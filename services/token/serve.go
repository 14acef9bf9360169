package token

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Get returns the current token, with at least minTTL of validity left; more than half of its lifetime is taken as half. If
// there is none, it waits for the next generation, within ctx. It never returns an expired token.
//
// Errors: ErrNotFound; [*NotUsableError] if there is none to be had; that of ctx.
func (s *Service) Get(ctx context.Context, key Key, minTTL time.Duration) (Token, error) {
	t, err := s.load(ctx, key)
	if err != nil {
		return Token{}, err
	}
	if now := s.p.Now(); t.lives(minTTL, now) {
		return t.Revealed(now), nil
	}
	if t, err = s.next(ctx, &t, TriggerMinTTL); err != nil {
		return Token{}, err
	}
	now := s.p.Now()
	if !t.lives(minTTL, now) {
		return Token{}, t.notUsable(now)
	}
	return t.Revealed(now), nil
}

// lives reports whether the token is valid for at least ttl, or for half of its life if that is less.
func (t *Token) lives(ttl time.Duration, now time.Time) bool {
	if !t.ValidAt(now) {
		return false
	}
	return t.ExpireTime.IsZero() || t.ExpireTime.Sub(now) >= min(ttl, t.Lifetime()/2)
}

// Refresh obtains the next generation and returns it. Calls at the same time share one request. If it fails the token at
// hand stays in use, and the error is a [*NotUsableError] that says why.
func (s *Service) Refresh(ctx context.Context, key Key) (Token, error) {
	before, err := s.load(ctx, key)
	if err != nil {
		return Token{}, err
	}
	after, err := s.next(ctx, &before, TriggerCaller)
	if err != nil {
		return Token{}, err
	}
	now := s.p.Now()
	if after.Generation > before.Generation && after.ValidAt(now) {
		return after.Revealed(now), nil
	}
	return Token{}, after.notUsable(now)
}

// next waits for the outcome of the attempt that runs, or else of one that it starts, and returns the token after it.
// Errors: [*NotUsableError] if none is made before ctx ends.
func (s *Service) next(ctx context.Context, t *Token, trigger Trigger) (Token, error) {
	now := s.p.Now()
	switch {
	case t.Lease.Owner != "": // runs, here or elsewhere; if its process died, somebody takes over when the lease is over
		return s.await(ctx, t.Key, t.Lease.Fence, nil)
	case t.stoppedAt(now), t.heldBack(trigger, now):
		return Token{}, t.notUsable(now)
	case trigger != TriggerCaller && t.LastFailure != nil && t.AttemptAt.After(now):
		// Every caller starting an attempt of its own would undo the backoff. The next one is waited for if there is time.
		if deadline, bounded := ctx.Deadline(); bounded && deadline.Before(t.AttemptAt) {
			return Token{}, t.notUsable(now)
		}
		return s.await(ctx, t.Key, t.Lease.Fence+1, nil)
	}
	a := ask{trigger: trigger, fence: t.Lease.Fence, caller: trace.SpanContextFromContext(ctx)}
	return s.await(ctx, t.Key, t.Lease.Fence+1, func() (*flight, error) { return s.begin(t.Key, a) })
}

// heldBack reports whether the server asked not to be asked now.
func (t *Token) heldBack(trigger Trigger, now time.Time) bool {
	throttled := t.LastFailure != nil && t.LastFailure.Class == ClassThrottled && t.AttemptAt.After(now)
	return t.NotBefore.After(now) || trigger == TriggerCaller && throttled
}

// notUsable says why there is no credential, or no next one.
func (t *Token) notUsable(now time.Time) error {
	shown := t.Revealed(now)
	e := &NotUsableError{Key: t.Key, State: shown.State, Reason: shown.Reason, Message: shown.Message, NextAttempt: t.AttemptAt}
	if t.LastFailure != nil && shown.Reason != ReasonDeauthorized {
		e.Reason, e.Message = t.LastFailure.Reason, t.LastFailure.Message
	}
	if e.Reason == "" { // valid, but the server does not give another one yet
		e.Reason, e.Message = ReasonTooEarly, "the authorization server does not issue another token yet"
	}
	return e
}

// load reads a token for serving. If its credential does not open with the present master key it is obtained anew.
func (s *Service) load(ctx context.Context, key Key) (Token, error) {
	t, err := s.p.Store.Get(ctx, key)
	if err != nil || !t.CredentialLost || t.State != StateAuthorized {
		return t, err
	}
	generation := t.Generation
	_, err = s.update(ctx, key, func(r *Record) error {
		if !r.Exists || r.Token.Generation != generation || r.Token.State != StateAuthorized {
			return ErrUnchanged
		}
		now := s.p.Now()
		r.Token.CredentialLost = true
		r.Token.lapse(now)
		r.Token.Stopped, r.Token.AttemptAt, r.Token.AttemptTrigger = false, now, TriggerRecovery
		return nil
	})
	if err != nil {
		return Token{}, err
	}
	s.p.Logger.ErrorContext(ctx, "stored token cannot be opened with the present master key; obtaining a new one", "token", key.Name())
	return s.p.Store.Get(ctx, key)
}
