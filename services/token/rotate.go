package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// rotation is one attempt under way: the steps claim, settings, request and commit. What a step must
// not lose is durable before the next.
type rotation struct {
	s      *Service
	key    Key
	looked *Token   // as it was before the claim, with its credential, if anybody looked
	token  Token    // as claimed
	entry  Rotation // its journal entry
	// answer is that of the request, or the stored one of an attempt whose process died; nil while a request is to be made.
	answer   *Answer
	unstored bool // answer is in memory alone
	settings Settings
	redeems  redemption
	entered  bool      // the gate let a request pass, and waits to hear of it
	taken    time.Time // when the request was counted against the client's budget; zero: it was not
	span     trace.Span
}

// rotate makes one attempt to get the next generation of a token. Its outcome, good or bad, is in the store when it returns
// nil. Errors: no attempt took place (errNotDue …, ErrNotFound), or the outcome could not be stored.
func (s *Service) rotate(ctx context.Context, key Key, a ask) error {
	looked, due, err := s.worthClaiming(ctx, key, a)
	if !due {
		return err
	}
	options := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithAttributes(attribute.String("freshet.token.name", key.Name()))}
	if a.caller.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: a.caller}))
	}
	ctx, span := s.tracer.Start(ctx, "token.refresh", options...)
	defer span.End()

	r := &rotation{s: s, key: key, looked: looked, span: span}
	if err := r.claim(ctx, a); err != nil {
		if errors.Is(err, errSettled) {
			return nil
		}
		if !errors.Is(err, errStale) && !errors.Is(err, errLeased) && !errors.Is(err, errNotDue) {
			recordError(span, err)
		}
		return err
	}
	span.SetAttributes(attribute.String("freshet.token.trigger", string(r.entry.Trigger)),
		attribute.Int64("freshet.token.generation", r.entry.Generation))

	// The lease must outlive the work: it is renewed while the work goes on, and work ends when that fails.
	ctx, stop := r.keepLease(ctx)
	defer stop()
	issued, credential, err := r.obtain(ctx)
	r.report(ctx, err)
	if err == nil {
		return r.commit(ctx, issued, credential)
	}
	var failure *Failure
	switch {
	case errors.Is(err, errLeaseLost), errors.Is(context.Cause(ctx), errLeaseLost):
		r.uncommitted(ctx, errLeaseLost)
		return errLeaseLost
	case s.life.Err() != nil && r.answer == nil && !r.protected():
		return r.abandon(ctx)
	case errors.As(err, &failure) && r.keepsAnswer(failure):
		s.attempts.Set(key, 0, s.p.Now().Add(s.p.LeaseTime/3))
		return nil
	case failure != nil:
		return r.fail(ctx, failure)
	case r.answer != nil: // that was taken over; the process is stopping again
		return err
	default:
		return r.fail(ctx, &Failure{Class: ClassOurs, Reason: ReasonInternalFault, Message: "internal fault", Time: s.p.Now()})
	}
}

// worthClaiming looks before a scheduled attempt whether it is still due, without taking the store's write path: every
// replica has every token in its queue, and one of them is first. It returns what it saw, if it looked.
func (s *Service) worthClaiming(ctx context.Context, key Key, a ask) (looked *Token, due bool, err error) {
	if !a.scheduled {
		return nil, true, nil
	}
	t, err := s.p.Store.Get(ctx, key)
	if err != nil {
		return nil, false, err
	}
	now := s.p.Now()
	if due := t.dueAttempt(s.tokens.Watched(key)); due.IsZero() || due.After(now) && t.Lease.Owner != s.owner {
		s.enqueue(&t)
		return nil, false, errNotDue
	}
	return &t, true, nil
}

// stored is the token with its credential. What was read before the claim still is that if nothing but the claim was written since.
func (r *rotation) stored(ctx context.Context) (Token, error) {
	if r.looked != nil && r.looked.Version+1 == r.token.Version {
		return *r.looked, nil
	}
	return r.s.p.Store.Get(ctx, r.key)
}

// errSettled means that the claim itself settled the outcome.
var errSettled = errors.New("token: settled by its claim")

// claim takes the lease and records the intent, in one write.
func (r *rotation) claim(ctx context.Context, a ask) error {
	ctx, span := r.s.tracer.Start(ctx, "token.refresh.claim")
	defer span.End()
	id := ulid.Make().String()
	var apply bool
	t, err := r.s.update(ctx, r.key, func(rec *Record) error {
		apply = false
		now := r.s.p.Now()
		if err := r.s.claimable(rec, a, now); err != nil {
			return err
		}
		t := &rec.Token
		trigger := a.trigger
		if a.scheduled || a.trigger == TriggerMinTTL && !t.AttemptAt.IsZero() && !t.AttemptAt.After(now) {
			trigger = t.AttemptTrigger
		}
		if trigger == "" { // it is refreshed because somebody watches it
			trigger = TriggerSchedule
		}
		rec.Quiet = true
		switch rec.Open.resolve() {
		case resolveApply:
			apply, r.entry = true, *rec.Open
			r.lease(t, rec.Open.ID, now)
			return nil
		case resolveLost:
			rec.Quiet = false
			r.lose(rec, now)
			return nil
		case resolveRepeat:
			abandoned := *rec.Open
			abandoned.end(RotationAbandoned, now)
			rec.Journal = append(rec.Journal, abandoned)
			trigger = TriggerRecovery
		case resolveNone:
		}
		t.endSimulation(now)
		r.lease(t, id, now)
		r.entry = Rotation{
			Key: r.key, ID: id, Generation: t.Generation + 1, State: RotationIntent, Trigger: trigger, Fence: t.Lease.Fence,
			StartTime: now, Repeatable: true, TraceID: traceID(r.span),
		}
		rec.Journal = append(rec.Journal, r.entry)
		return nil
	})
	if err != nil {
		if errors.Is(err, errNotDue) || errors.Is(err, errLeased) {
			r.s.enqueue(&t)
		}
		return err
	}
	if t.Lease.Owner == "" { // its rotation was lost
		r.s.meters.lost(ctx)
		return errSettled
	}
	r.token = t
	if apply {
		return r.adopt(ctx)
	}
	return nil
}

// claimable reports whether an attempt may begin; its errors say why not.
func (s *Service) claimable(rec *Record, a ask, now time.Time) error {
	if !rec.Exists {
		return ErrNotFound
	}
	t := &rec.Token
	dead := t.Lease.Owner == s.owner // of ours, but nothing runs: there is one flight per token
	switch {
	case !dead && t.Lease.heldAt(now):
		return errLeased
	case !a.scheduled && t.Lease.Fence != a.fence:
		return errStale
	case t.Lease.Owner != "":
		return nil // left open by a process that died: whatever was asked, that comes first
	case t.stoppedAt(now) && (!a.scheduled || !t.probing()):
		return errStopped
	}
	if due := t.dueAttempt(s.tokens.Watched(t.Key)); a.scheduled && (due.IsZero() || due.After(now)) {
		return errNotDue
	}
	return nil
}

// lease takes the lease for a journal entry.
func (r *rotation) lease(t *Token, id string, now time.Time) {
	t.Lease = Lease{Owner: r.s.owner, Until: now.Add(r.s.p.LeaseTime), Fence: t.Lease.Fence + 1, Rotation: id}
}

// lose gives up on a request that may have been made and cannot be made again.
func (r *rotation) lose(rec *Record, now time.Time) {
	lost := *rec.Open
	lost.end(RotationLost, now)
	lost.FailureMessage = "the process ended after the refresh token may have been redeemed; the answer is lost"
	rec.Journal = append(rec.Journal, lost)
	t := &rec.Token
	t.fail(&Failure{Class: ClassGrantDead, Reason: ReasonRotationLost, Message: lost.FailureMessage, Time: now, Sent: true},
		lost.Revision, r.s.p.Random)
}

// adopt takes over an answer that a process stored before it died.
func (r *rotation) adopt(ctx context.Context) error {
	answer, err := r.s.p.Store.Response(ctx, r.key, r.entry.ID)
	if err == nil {
		r.answer = &answer
		return nil
	}
	if unavailable(err) {
		return fmt.Errorf("token: read stored answer: %w", err)
	}
	// It does not open with the present master key. What it says will never be known.
	err = r.fail(ctx, &Failure{
		Class: ClassOurs, Reason: ReasonSecretUnreadable, Message: "a stored answer cannot be opened with the present master key",
		Time: r.s.p.Now(), Sent: true,
	})
	if err != nil {
		return err
	}
	return errSettled
}

// keepsAnswer reports whether an answer that was taken over stays in the journal for later: something of ours is missing to read it.
func (r *rotation) keepsAnswer(failure *Failure) bool {
	return r.answer != nil && failure.Class == ClassOurs && !failure.Sent &&
		failure.Reason != ReasonConnectionNotFound && failure.Reason != ReasonSecretUnreadable
}
