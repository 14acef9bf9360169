package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// errSettled means that the claim itself settled the outcome.
var errSettled = errors.New("token: settled by its claim")

// claim takes the lease and records the intent, in one write: that to redeem as well, if it is known what.
func (r *rotation) claim(ctx context.Context, a ask) error {
	ctx, span := r.s.tracer.Start(ctx, "token.refresh.claim")
	defer span.End()
	id, known := ulid.Make().String(), r.looked
	if known.Lease.Rotation != "" {
		known = nil // what was left open is read too
	}
	var apply bool
	write := func(ctx context.Context) (t Token, err error) {
		return r.s.updateFrom(ctx, r.key, known, func(rec *Record) (err error) {
			apply, err = r.open(rec, a, id)
			return err
		})
	}
	t, err := write(ctx)
	if r.intent != nil && r.intent.recorded && unavailable(err) {
		t, err = r.claimAgain(ctx, id, err, write)
	}
	if err != nil {
		r.settleIntent(false)
		if errors.Is(err, errNotDue) || errors.Is(err, errLeased) {
			r.s.enqueue(&t)
		}
		return err
	}
	if t.Lease.Owner == "" { // its rotation was lost
		r.settleIntent(false)
		r.s.meters.lost(ctx)
		return errSettled
	}
	r.token, r.latest = t, t
	r.settleIntent(true)
	if apply {
		return r.adopt(ctx)
	}
	return nil
}

// open makes a record that of a token under this attempt's lease. apply tells that it has an answer already.
func (r *rotation) open(rec *Record, a ask, id string) (apply bool, err error) {
	r.intent.forget()
	if rec.Open != nil && rec.Open.ID == id { // a first try was stored after all
		r.entry, r.intent.recorded = *rec.Open, true
		return false, ErrUnchanged
	}
	now, version := r.s.p.Now(), rec.Token.Version
	if err := r.s.claimable(rec, a, now); err != nil {
		return false, err
	}
	t := &rec.Token
	trigger := a.triggerFor(t, now)
	rec.Quiet = true
	switch r.s.resolve(rec) {
	case resolveApply:
		r.entry = *rec.Open
		r.lease(t, rec.Open.ID, now)
		return true, nil
	case resolveLost:
		rec.Quiet = false
		r.lose(rec, now)
		return false, nil
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
	r.recordIntent(t, version)
	rec.Journal = append(rec.Journal, r.entry)
	return false, nil
}

// triggerFor is what sets an attempt on the token off.
func (a ask) triggerFor(t *Token, now time.Time) Trigger {
	trigger := a.trigger
	if a.scheduled || a.trigger == TriggerMinTTL && !t.AttemptAt.IsZero() && !t.AttemptAt.After(now) {
		trigger = t.AttemptTrigger
	}
	if trigger == "" { // it is refreshed because somebody watches it
		return TriggerSchedule
	}
	return trigger
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
