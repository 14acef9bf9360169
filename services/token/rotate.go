package token

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// rotation is one attempt under way: the steps settings, claim, request and commit. What a step must
// not lose is durable before the next.
type rotation struct {
	s      *Service
	key    Key
	looked *Token   // as it was before the claim, with its credential
	token  Token    // as claimed
	latest Token    // as this attempt wrote it last
	intent *intent  // to redeem, worked out before the claim; nil once the request is about to leave, or where that could not be done
	entry  Rotation // its journal entry
	// answer is that of the request, or the stored one of an attempt whose process died; nil while a request is to be made.
	answer      *Answer
	unstored    bool // answer is in memory alone
	settings    Settings
	settled     bool // settings were asked for before the claim, and are what settingsErr says
	settingsErr error
	redeems     redemption
	entered     bool      // the gate let a request pass, and waits to hear of it
	taken       time.Time // when the request was counted against the client's budget; zero: it was not
	span        trace.Span
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
	r.lookAhead(ctx, a)
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

// worthClaiming looks before an attempt at the token, and whether one that is scheduled is still due, without taking the store's write path: every
// replica has every token in its queue, and one of them is first.
func (s *Service) worthClaiming(ctx context.Context, key Key, a ask) (looked *Token, due bool, err error) {
	t, err := s.p.Store.Get(ctx, key)
	if err != nil || !a.scheduled {
		return &t, err == nil, err
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
	if r.looked.Version+1 == r.token.Version {
		return *r.looked, nil
	}
	return r.s.p.Store.Get(ctx, r.key)
}

// keepsAnswer reports whether an answer that was taken over stays in the journal for later: something of ours is missing to read it.
func (r *rotation) keepsAnswer(failure *Failure) bool {
	return r.answer != nil && failure.Class == ClassOurs && !failure.Sent &&
		failure.Reason != ReasonConnectionNotFound && failure.Reason != ReasonSecretUnreadable
}
