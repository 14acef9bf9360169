package token

import (
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/token/schedule"
)

// This file is what happens to a token, as functions of the token alone: no store, no clock, no request.

// setState changes the state, and its time if it is another one.
func (t *Token) setState(state State, reason Reason, message string, now time.Time) {
	if t.State != state || t.Reason != reason {
		t.StateTime = now
	}
	t.State, t.Reason, t.Message = state, reason, clip(message, MaxMessage)
}

// authorize makes the given revision the wanted one. The generation at hand stays in use until the next is there.
func (t *Token) authorize(revision int64, now time.Time) {
	t.Revision = revision
	t.Stopped = false
	t.Failures, t.LastFailure, t.NotBefore = 0, nil, time.Time{}
	t.Simulation.Failed = false
	t.AttemptAt, t.AttemptTrigger = now, TriggerAuthorize
	if !t.ValidAt(now) {
		t.setState(StateAuthorizing, ReasonNotReady, "the token is being obtained", now)
	}
}

// deauthorize forgets the credential and ends attempts, also one that is under way: its lease is gone.
func (t *Token) deauthorize(revision int64, now time.Time) {
	t.Revision = revision
	t.forget()
	t.Stopped = true
	t.Failures, t.LastFailure = 0, nil
	t.release()
	t.setState(StateDeauthorized, ReasonDeauthorized, "the connection was deauthorized", now)
}

// forget drops everything that describes the credential at hand, but not the count of generations: it never goes back.
func (t *Token) forget() {
	t.TokenType, t.Scopes, t.Fingerprint, t.Traceparent = "", nil, "", ""
	t.IssueTime, t.ExpireTime, t.ExpirySource = time.Time{}, time.Time{}, ""
	t.RefreshAt, t.MustRefreshAt, t.AttemptAt, t.AttemptTrigger = time.Time{}, time.Time{}, time.Time{}, ""
	t.NotBefore, t.GrantExpireTime, t.CredentialLost = time.Time{}, time.Time{}, false
	t.Plan, t.Simulation = Plan{}, Simulation{}
}

// release ends the lease. The fence stays: whoever still works under it can no longer write.
func (t *Token) release() {
	t.Lease = Lease{Fence: t.Lease.Fence}
	t.HoldUntil = time.Time{}
}

// renew puts a new generation in force.
func (t *Token) renew(issued Issued, settings *Settings, fingerprint, traceparent string, now time.Time) {
	t.Generation++
	t.GenerationRevision, t.Kind = settings.Revision, settings.Kind
	t.Revision = max(t.Revision, settings.Revision)
	t.TokenType, t.Scopes = issued.TokenType, issued.Scopes
	t.IssueTime, t.ExpireTime, t.ExpirySource = issued.IssueTime, issued.ExpireTime, issued.ExpirySource
	t.Fingerprint, t.Traceparent, t.CredentialLost = fingerprint, traceparent, false
	t.NotBefore, t.Plan = time.Time{}, settings.plan()
	if t.Plan.NotBefore > 0 {
		t.NotBefore = issued.IssueTime.Add(t.Plan.NotBefore)
	}
	t.Stopped, t.Failures, t.LastFailure, t.LastSuccess = false, 0, nil, now
	t.Simulation.Failed = false
	t.endSimulation(now)
	t.setState(StateAuthorized, "", "", now)
	t.plan(issued.IssueTime, t.Plan.RefreshBefore, TriggerSchedule)
	if !t.AttemptAt.IsZero() {
		t.AttemptAt = later(t.AttemptAt, now.Add(minInterval))
	}
	if t.Revision > t.GenerationRevision { // the settings changed while this one was being obtained
		t.AttemptAt, t.AttemptTrigger = now, TriggerAuthorize
	}
	t.lapse(now)
	t.release()
}

// minInterval keeps tokens that live for no time at all from being asked for in a tight loop.
const minInterval = 100 * time.Millisecond

// lapse changes the state of a token whose time is over, and reports whether it was.
func (t *Token) lapse(now time.Time) bool {
	if t.State != StateAuthorized || t.ValidAt(now) {
		return false
	}
	at, state, reason, message := t.ExpireTime, StateFailedConnectivity, ReasonExpired, "the token expired"
	switch {
	case t.CredentialLost:
		at, reason, message = now, ReasonSecretUnreadable, "the stored token cannot be opened with the present master key"
	case t.LastFailure != nil:
		reason, message = t.LastFailure.Reason, t.LastFailure.Message
		if t.Stopped {
			state = StateDeauthorized
		}
	case !t.Plan.ahead(): // nothing went wrong
		state, message = StateAuthorizing, "the token expired; the next one is obtained when somebody asks for it"
	}
	t.setState(state, reason, message, at)
	return true
}

// fail records a failed attempt that was made with the given revision of the settings (0: not known), and decides what
// follows from its class.
func (t *Token) fail(f *Failure, revision int64, random func() float64) {
	t.release()
	t.suffer(f, revision, random)
	if f.Simulated {
		t.failAsSimulated(f.Time)
	} else {
		t.Simulation.Failed = false
	}
}

func (t *Token) suffer(f *Failure, revision int64, random func() float64) {
	switch {
	case revision != 0 && revision < t.Revision: // says nothing of the settings that are wanted now
		t.AttemptAt, t.AttemptTrigger = f.Time, TriggerAuthorize
		t.lapse(f.Time)
		return
	case f.Class == ClassTooEarly:
		t.postpone(f.Time)
		t.lapse(f.Time)
		return
	}
	if t.Stopped && (f.Held || !f.Class.EndsAttempts()) { // a probe that found nothing out
		t.probeAfter(f, random)
		t.lapse(f.Time)
		return
	}
	if !f.Held {
		t.Failures++
	}
	t.LastFailure = f
	switch {
	case f.Class == ClassClientBroken && !f.Held:
		t.Stopped = true
		t.probeAfter(f, random)
	case f.Class.EndsAttempts() && !f.Held:
		t.Stopped = true
		t.AttemptAt, t.AttemptTrigger = time.Time{}, ""
	default:
		wait := max(schedule.Backoff(t.Failures, t.ExpireTime.Sub(f.Time), t.Lifetime(), random), min(f.RetryAfter, maxRetryAfter))
		if f.Held {
			wait = min(f.RetryAfter, maxRetryAfter)
		}
		t.AttemptAt = f.Time.Add(wait)
	}
	if t.ValidAt(f.Time) {
		return
	}
	if t.Stopped {
		t.setState(StateDeauthorized, f.Reason, f.Message, f.Time)
	} else {
		t.setState(StateFailedConnectivity, f.Reason, f.Message, f.Time)
	}
}

// A client that is refused may be repaired at its server, of which nobody tells us: it is looked for, ever less often.
const (
	firstProbe = 15 * time.Minute
	lastProbe  = 6 * time.Hour
)

// probeAfter plans the attempt that finds out whether the client is accepted again. The state is what it is until then.
func (t *Token) probeAfter(f *Failure, random func() float64) {
	wait := min(firstProbe<<min(max(t.Failures-1, 0), 8), lastProbe)
	wait -= time.Duration(random() * float64(wait/4)) // what was refused at once is not tried at once
	t.AttemptAt, t.AttemptTrigger = f.Time.Add(max(wait, min(f.RetryAfter, maxRetryAfter))), TriggerRecovery
}

// probing reports whether attempts go on although they have ended, to find out whether the client is accepted again.
func (t *Token) probing() bool { return t.Stopped && !t.AttemptAt.IsZero() }

// maxRetryAfter bounds what a server can ask for, so that a wrong header does not end a connection.
const maxRetryAfter = time.Hour

// minPostpone keeps a server that hands out the same token again from being asked all the time.
const minPostpone = time.Second

// postpone waits half of the remaining life after the server handed out the token at hand once more: it refreshes late,
// and nobody says how late.
func (t *Token) postpone(now time.Time) {
	wait := max(t.ExpireTime.Sub(now)/2, minPostpone)
	t.AttemptAt, t.AttemptTrigger = now.Add(wait), TriggerSchedule
	t.NotBefore = t.AttemptAt
}

// Generations that are rejected one after the other, each within soonRejected of its making, make the next refresh wait
// twice as long each time: new tokens evidently do not help.
const (
	soonRejected   = 5 * time.Minute
	firstRejection = time.Second
	maxRejection   = 5 * time.Minute
)

// reject records that an API refused the generation at hand, and reports whether that is news. Any number of reports of
// one generation cause one refresh.
func (t *Token) reject(now time.Time) bool {
	if t.RejectedGeneration == t.Generation || t.Kind.Static() || t.Stopped {
		return false
	}
	if t.RejectedGeneration != t.Generation-1 || now.Sub(t.IssueTime) > soonRejected {
		t.Rejections = 0
	}
	t.RejectedGeneration = t.Generation
	at := now
	if t.Rejections > 0 {
		at = later(now, t.IssueTime.Add(min(firstRejection<<min(t.Rejections-1, 16), maxRejection)))
	}
	t.Rejections++
	at = later(at, t.NotBefore)
	if t.LastFailure != nil { // backoff is there for a reason
		at = later(at, t.AttemptAt)
	}
	if t.AttemptAt.IsZero() || at.Before(t.AttemptAt) {
		t.AttemptAt, t.AttemptTrigger = at, TriggerRejected
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// simulate shortens the life of the generation at hand and reports whether it did. It never lengthens it.
func (t *Token) simulate(expireIn time.Duration, now time.Time) (bool, error) {
	if !t.ValidAt(now) {
		return false, fmt.Errorf("%w: it is %s; simulating expiry needs a valid token", ErrStateConflict, t.State)
	}
	if t.ExpireTime.IsZero() {
		return false, fmt.Errorf("%w: it does not expire", ErrStateConflict)
	}
	if expireIn >= t.ExpireTime.Sub(now) {
		return false, nil
	}
	if t.ExpirySource != ExpirySimulated {
		t.Plan.TrueExpireTime, t.Plan.TrueExpirySource = t.ExpireTime, t.ExpirySource
	}
	t.ExpireTime, t.ExpirySource = now.Add(expireIn), ExpirySimulated
	attempt, trigger := t.AttemptAt, t.AttemptTrigger
	t.plan(now, 0, TriggerSimulation)
	if t.Stopped || (!attempt.IsZero() && attempt.Before(t.AttemptAt)) || t.LastFailure != nil {
		t.AttemptAt, t.AttemptTrigger = attempt, trigger
	}
	t.lapse(now)
	return true, nil
}

// restoreExpiry takes a simulated expiry back and reports whether there was one. A token that has expired only by simulation can be used
// again.
func (t *Token) restoreExpiry(now time.Time) bool {
	if t.ExpirySource != ExpirySimulated || t.Plan.TrueExpireTime.IsZero() {
		return false
	}
	lapsed := t.ExpireTime
	t.ExpireTime, t.ExpirySource = t.Plan.TrueExpireTime, t.Plan.TrueExpirySource
	t.Plan.TrueExpireTime, t.Plan.TrueExpirySource = time.Time{}, ""
	if t.State != StateAuthorized && !t.CredentialLost && now.Before(t.ExpireTime) && !now.Before(lapsed) {
		t.setState(StateAuthorized, "", "", now)
	}
	if !t.Stopped && t.LastFailure == nil && t.Lease.Owner == "" {
		t.plan(t.IssueTime, t.Plan.RefreshBefore, TriggerSchedule)
	}
	t.lapse(now)
	return true
}
