package token

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// errLeaseLost means that another process has taken over the rotation, or the token was deauthorized or deleted: what
// was obtained under the lease must not be stored.
var errLeaseLost = errors.New("token: the lease was lost")

// storeTimeout bounds the writing of an outcome. It outlasts the rotation's own context: an outcome is not thrown away
// because the process is stopping.
const storeTimeout = 10 * time.Second

// keepLease renews the lease while the rotation runs. The context it returns ends with errLeaseLost when that fails.
func (r *rotation) keepLease(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ticker := time.NewTicker(r.s.p.LeaseTime / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			_, err := r.writeIf(ctx, nil, r.leased, func(rec *Record) {
				rec.Quiet = true
				rec.Token.Lease.Until = r.s.p.Now().Add(r.s.p.LeaseTime)
			})
			if errors.Is(err, errLeaseLost) {
				cancel(errLeaseLost)
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-finished
	}
}

// write changes the token if this rotation may, and tries again while the store is unavailable.
func (r *rotation) write(ctx context.Context, change func(*Record)) (stored Token, err error) {
	stored, err = r.writeIf(ctx, &r.latest, func(stored *Token) bool { return r.leased(stored) || r.current(stored) && r.rescues(stored) }, change)
	if err == nil {
		r.latest = stored
	}
	return stored, err
}

func (r *rotation) writeIf(
	ctx context.Context, known *Token, may func(stored *Token) bool, change func(*Record),
) (stored Token, err error) {
	err = r.s.retry(ctx, func(ctx context.Context) error {
		stored, err = r.s.p.Store.Update(ctx, r.key, known, func(rec *Record) error {
			if !may(&rec.Token) {
				return errLeaseLost
			}
			change(rec)
			return nil
		})
		return err
	})
	return stored, err
}

// leased reports whether the token, as stored, is still under this rotation's lease.
func (r *rotation) leased(stored *Token) bool {
	return stored.Lease.Owner == r.s.owner && r.current(stored)
}

// current reports whether no other attempt has begun since, nor succeeded.
func (r *rotation) current(stored *Token) bool {
	return stored.Lease.Fence == r.token.Lease.Fence && stored.Generation == r.token.Generation
}

// persist is write for an outcome: it goes on when the process is stopping, for a bounded time. The outcome of a redemption is not given
// up before that: nobody could get it again.
func (r *rotation) persist(ctx context.Context, change func(*Record)) (Token, error) {
	ctx = context.WithoutCancel(ctx)
	if r.entry.RefreshTokenFingerprint == "" {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		return r.write(ctx, change)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.s.life, func() { time.AfterFunc(storeTimeout, cancel) })()
	return r.write(ctx, change)
}

// keepAnswer stores the raw answer, if it is not. If that cannot be done the answer in memory is used all the same: it may be the only one
// there will ever be, and the outcome may still be stored. It returns errLeaseLost if nothing may be.
func (r *rotation) keepAnswer(ctx context.Context) error {
	if !r.unstored {
		return nil
	}
	_, err := r.persist(ctx, func(rec *Record) {
		rec.Quiet = true
		if !r.leased(&rec.Token) {
			return // a rescue is settled by its commit, in one step
		}
		rec.Journal = append(rec.Journal, r.entry)
		rec.Answer = r.answer
	})
	switch {
	case err == nil:
		r.unstored = false
	case !errors.Is(err, errLeaseLost):
		r.s.p.Logger.ErrorContext(ctx, "answer of the authorization server not journalled", "token", r.key.Name(), "error", err)
		return nil
	}
	return err
}

// commit puts the next generation in force and pushes it.
func (r *rotation) commit(ctx context.Context, issued Issued, credential Credential) error {
	writing, span := r.s.tracer.Start(ctx, "token.refresh.commit")
	fingerprint, traceparent := credential.fingerprint(), traceparent(r.span)
	former, superseded := r.token, r.superseded(writing, fingerprint)
	stored, err := r.persist(writing, func(rec *Record) {
		now := r.s.p.Now()
		entry := r.entry
		entry.end(RotationCommitted, now)
		if !former.ExpireTime.IsZero() {
			plan := r.settings.plan()
			entry.HasLead, entry.Lead = true, former.lead(now, &plan)
		}
		rec.Token.renew(issued, &r.settings, fingerprint, traceparent, now)
		r.granted(&rec.Token, &issued, now)
		rec.Token.warn(now) // by the push of this generation
		rec.Credential, rec.Revoke = &credential, superseded
		rec.Journal = append(rec.Journal, entry)
	})
	if errors.Is(err, errLeaseLost) && r.committed(writing, fingerprint) {
		stored, err = r.s.p.Store.Get(writing, r.key) // the write was repeated after its first answer was lost
	}
	recordError(span, err)
	span.End()
	if err != nil {
		if !errors.Is(err, errLeaseLost) && !unavailable(err) { // what was read cannot be stored; what was received can
			err = errors.Join(err, r.keepAnswer(ctx))
		}
		r.uncommitted(ctx, err)
		return err
	}
	stored.Credential = credential
	r.revokeLater(superseded, &stored)
	r.push(ctx, &stored, &former)
	return nil
}

// committed reports whether this rotation's generation is in force.
func (r *rotation) committed(ctx context.Context, fingerprint string) bool {
	t, err := r.s.p.Store.Get(ctx, r.key)
	return err == nil && t.Generation == r.token.Generation+1 && t.Fingerprint == fingerprint && t.Lease.Fence == r.token.Lease.Fence
}

// uncommitted accounts for a credential that was obtained and is not used.
func (r *rotation) uncommitted(ctx context.Context, err error) {
	r.s.meters.refreshed(ctx, r.entry.Trigger, "", outcomeLost)
	if !errors.Is(err, errLeaseLost) || !r.entry.RequestSent {
		return
	}
	t, err := r.s.p.Store.Get(context.WithoutCancel(ctx), r.key)
	if err != nil || t.ConnectionUID != r.token.ConnectionUID {
		return
	}
	if t.Generation > r.token.Generation || t.Lease.Owner != "" { // another process has made that generation, or is about to
		r.s.meters.doubleRedeemed(ctx)
		r.s.p.Logger.ErrorContext(ctx, "two processes made a token request for one generation", "token", r.key.Name(),
			"generation", r.entry.Generation)
	}
}

// push tells the watchers of the new generation.
func (r *rotation) push(ctx context.Context, stored, former *Token) {
	ctx, span := r.s.tracer.Start(ctx, "token.refresh.push")
	defer span.End()
	r.s.enqueue(stored)
	r.s.publishToken(stored)
	if r.key.Grant == "" || !stored.standsAs(former) {
		r.s.publishState(stored)
	}
	now := r.s.p.Now()
	if !former.ExpireTime.IsZero() {
		lead := former.lead(now, &stored.Plan)
		r.s.meters.led(ctx, lead, r.entry.Trigger)
		r.span.SetAttributes(attribute.Float64("freshet.token.lead_time_s", lead.Seconds()))
	}
	r.s.meters.refreshed(ctx, r.entry.Trigger, "", outcomeOK)
	r.s.p.Logger.InfoContext(ctx, "token refreshed", "token", r.key.Name(), "generation", stored.Generation,
		"trigger", string(r.entry.Trigger), "expire_time", stored.ExpireTime, "refresh_at", stored.RefreshAt)
}

// fail records that the attempt failed, and tells the watchers what follows.
func (r *rotation) fail(ctx context.Context, failure *Failure) error {
	failure, untouched := r.judge(failure, r.s.p.Now())
	failure.Message = clip(failure.Message, MaxMessage)
	recordError(r.span, failure)
	stored, err := r.persist(ctx, func(rec *Record) {
		entry := r.entry
		entry.end(RotationFailed, failure.Time)
		entry.FailureClass, entry.FailureMessage = failure.Class, failure.Message
		entry.HTTPStatus = failure.HTTPStatus
		if failure.Reason == ReasonRotationLost {
			entry.State = RotationLost
		}
		if untouched {
			rec.Token.RedeemedAt = r.redeems.prior
		}
		rec.Token.fail(failure, r.entry.Revision, r.s.p.Random)
		r.withinGrace(&rec.Token, failure.Time)
		rec.Journal = append(rec.Journal, entry)
	})
	if failure.Reason == ReasonRotationLost {
		r.s.meters.lost(ctx)
	}
	r.s.meters.refreshed(ctx, r.entry.Trigger, failure.Class, outcomeFailed)
	if err != nil {
		return err
	}
	r.s.enqueue(&stored)
	r.s.publish(context.WithoutCancel(ctx), &stored)
	level := r.s.p.Logger.WarnContext
	if failure.Class == ClassTooEarly {
		level = r.s.p.Logger.InfoContext
	}
	level(ctx, "token refresh failed", "token", r.key.Name(), "class", string(failure.Class), "message", failure.Message,
		"state", string(stored.State), "attempt_at", stored.AttemptAt)
	return nil
}

// abandon gives the token back because the process is stopping. Whoever is next begins anew.
func (r *rotation) abandon(ctx context.Context) error {
	_, err := r.persist(ctx, func(rec *Record) {
		now := r.s.p.Now()
		entry := r.entry
		entry.end(RotationAbandoned, now)
		if r.redeems.fingerprint != "" && !r.entry.RequestSent {
			rec.Token.RedeemedAt = r.redeems.prior
		}
		rec.Token.release()
		rec.Token.AttemptAt, rec.Token.AttemptTrigger = now, TriggerRecovery
		rec.Journal = append(rec.Journal, entry)
	})
	return err
}
