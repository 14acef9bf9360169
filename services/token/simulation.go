package token

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Simulation makes a token's requests fail for a time, without being made. It is stored, so it outlives the process.
type Simulation struct {
	// Class of the failures; empty: no simulation.
	Class Class
	// Until is when it ends, by itself.
	Until time.Time
	// Failed means that the token's last failure is its doing, so that what follows from that ends with it.
	Failed bool
}

// DefaultSimulation is how long failures are simulated unless somebody says.
const DefaultSimulation = time.Minute

func (s Simulation) activeAt(now time.Time) bool { return s.Class != "" && now.Before(s.Until) }

// SimulateFailure lets every request of a token fail as if by the given class, for a duration (0: DefaultSimulation), without making it.
// The token at hand stays as it is. An empty class ends the simulation, and what followed from it. Errors: ErrNotFound; ErrStateConflict
// for a token that no request is made for.
func (s *Service) SimulateFailure(ctx context.Context, key Key, class Class, duration time.Duration) (Token, error) {
	if duration <= 0 {
		duration = DefaultSimulation
	}
	_, err := s.update(ctx, key, func(r *Record) error {
		if !r.Exists {
			return ErrUnchanged
		}
		now := s.p.Now()
		if class == "" {
			return r.Token.stopSimulation(now)
		}
		return r.Token.startSimulation(class, now.Add(duration), now)
	})
	if err != nil {
		return Token{}, err
	}
	t, err := s.p.Store.Get(ctx, key)
	if err != nil {
		return Token{}, err
	}
	return t.Revealed(s.p.Now()), nil
}

// EndSimulations ends the simulation of failures and takes a simulated expiry back, with what followed from them. Errors: ErrNotFound.
func (s *Service) EndSimulations(ctx context.Context, key Key) (Token, error) {
	_, err := s.update(ctx, key, func(r *Record) error {
		if !r.Exists {
			return ErrUnchanged
		}
		now := s.p.Now()
		err := r.Token.stopSimulation(now)
		if restored := r.Token.restoreExpiry(now); restored && errors.Is(err, ErrUnchanged) {
			return nil
		}
		return err
	})
	if err != nil {
		return Token{}, err
	}
	t, err := s.p.Store.Get(ctx, key)
	if err != nil {
		return Token{}, err
	}
	return t.Revealed(s.p.Now()), nil
}

func (t *Token) startSimulation(class Class, until, now time.Time) error {
	t.endSimulation(now)
	switch {
	case t.Kind.Static():
		return fmt.Errorf("%w: its credential is never refreshed", ErrStateConflict)
	case t.Stopped && !t.Simulation.Failed:
		return fmt.Errorf("%w: attempts have ended, so no request is made that could fail", ErrStateConflict)
	}
	t.Simulation.Class, t.Simulation.Until = class, until
	if t.Simulation.Failed { // of an earlier simulation, which this one replaces
		t.resumeBy(until)
	}
	return nil
}

// stopSimulation ends a simulation ahead of its time. If it failed attempts, one is made at once.
func (t *Token) stopSimulation(now time.Time) error {
	if t.Simulation == (Simulation{}) {
		return ErrUnchanged
	}
	t.Simulation.Until = now
	failed := t.Simulation.Failed
	t.endSimulation(now)
	if failed {
		t.AttemptAt, t.AttemptTrigger = now, TriggerSimulation
	}
	return nil
}

// endSimulation forgets a simulation whose time is over, and what followed from it but the state: that changes with the next attempt.
func (t *Token) endSimulation(now time.Time) {
	if now.Before(t.Simulation.Until) {
		return
	}
	if t.Simulation.Failed {
		t.Stopped, t.Failures, t.LastFailure, t.NotBefore = false, 0, nil, time.Time{}
	}
	t.Simulation = Simulation{}
}

// stoppedAt reports whether attempts have ended until somebody repairs something: not if only a simulation says so that is over.
func (t *Token) stoppedAt(now time.Time) bool {
	return t.Stopped && (!t.Simulation.Failed || now.Before(t.Simulation.Until))
}

// failAsSimulated is what a simulated failure leaves behind besides what a real one does: it all ends with the simulation.
func (t *Token) failAsSimulated(now time.Time) {
	if t.Simulation.Class == "" { // stopped in the meantime
		t.Simulation.Until = now
	}
	t.Simulation.Failed = true
	t.resumeBy(t.Simulation.Until)
}

func (t *Token) resumeBy(until time.Time) {
	if t.AttemptAt.IsZero() || t.Stopped || t.AttemptAt.After(until) {
		t.AttemptAt, t.AttemptTrigger = until, TriggerSimulation
	}
	if t.NotBefore.After(until) {
		t.NotBefore = until
	}
}

// simulated is the failure of a request that is not made because its failure is rehearsed; nil if it is not.
func (r *rotation) simulated(now time.Time) *Failure {
	rehearsal := r.token.Simulation
	if !rehearsal.activeAt(now) {
		return nil
	}
	reason := Reason(rehearsal.Class)
	if rehearsal.Class == ClassOurs {
		reason = ReasonInternalFault
	}
	return &Failure{
		Class: rehearsal.Class, Reason: reason, Time: now, Simulated: true,
		Message: "simulated until " + rehearsal.Until.UTC().Format(time.RFC3339) + "; no request was made",
	}
}
