package token

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/token/gate"
)

// client is who the settings ask as.
func (s *OAuth2) client() gate.Client {
	var credential strings.Builder
	for _, secret := range []string{
		s.ClientSecret.Fingerprint(), s.AlternateClientSecret.Fingerprint(), s.SigningKey.PrivateKey.Fingerprint(),
		s.ClientCertificate.PrivateKey.Fingerprint(), string(s.ClientAuthentication),
	} {
		credential.WriteString(secret + " ")
	}
	return gate.Client{Endpoint: s.TokenEndpoint, ID: s.ClientID, Credential: credential.String()}
}

// admit is asked before a request leaves. A failure means that it does not, and when it is worth another try.
func (r *rotation) admit(ctx context.Context, now time.Time) error {
	if failure := r.simulated(now); failure != nil {
		return failure
	}
	o := &r.settings.OAuth2
	hold, ok := r.s.gate.Enter(o.client(), r.key, r.entry.Trigger == TriggerAuthorize)
	if !ok {
		return held(hold, now, r.s.p.Random)
	}
	if until, err := r.take(ctx, now); err != nil || !until.IsZero() {
		r.s.gate.Leave(o.client(), r.key, gate.Outcome{Kind: gate.Unsent, Time: now})
		if err != nil {
			return err
		}
		return held(gate.Hold{Cause: gate.Spent, Until: until}, now, r.s.p.Random)
	}
	r.entered = true
	return nil
}

// take counts the request against what the provider allows, or returns when there will be room for it.
func (r *rotation) take(ctx context.Context, now time.Time) (until time.Time, err error) {
	provider := r.settings.OAuth2.Provider
	if provider.MintLimit <= 0 || provider.MintPeriod <= 0 {
		return time.Time{}, nil
	}
	writing, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err = r.s.p.Budgets.UpdateBudget(writing, r.key.Project, r.settings.OAuth2.server(), now, func(b *gate.Budget) {
		until, _ = b.Take(gate.Limit{Requests: provider.MintLimit, Period: provider.MintPeriod}, now)
	})
	if unavailable(err) {
		return time.Time{}, &Failure{Class: ClassOurs, Reason: ReasonStoreUnavailable, Message: "the store is unavailable", Time: now}
	}
	if err != nil {
		return time.Time{}, ours(err, now)
	}
	if until.IsZero() {
		r.taken = now
	}
	return until, nil
}

// giveBack takes back what was counted for a request that did not leave.
func (r *rotation) giveBack(ctx context.Context) {
	if r.taken.IsZero() {
		return
	}
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := r.s.p.Budgets.UpdateBudget(writing, r.key.Project, r.settings.OAuth2.server(), r.s.p.Now(), func(b *gate.Budget) {
		b.GiveBack(r.taken)
	})
	if err != nil { // the client has a request less until the period is over
		r.s.p.Logger.WarnContext(ctx, "a token request that was not made stays counted", "token", r.key.Name(), "error", err)
	}
}

// Waiting requests are spread over a quarter of the time that they waited, within these bounds, so that they do not all come at once.
const (
	minSpread = time.Second
	maxSpread = time.Minute
)

func spread(waited time.Duration, random func() float64) time.Duration {
	return time.Duration(random() * float64(min(max(waited/4, minSpread), maxSpread)))
}

// held is the failure of a request that was not made because of what others met.
func held(hold gate.Hold, now time.Time, random func() float64) *Failure {
	wait := max(hold.Until.Sub(now), 0)
	f := &Failure{
		Class: ClassThrottled, Reason: ReasonThrottled, Time: now, Held: true, RetryAfter: wait + spread(wait, random),
	}
	switch hold.Cause {
	case gate.Paused:
		f.Message = "not asked: the token endpoint told another connection to wait"
	case gate.Refused:
		f.Class, f.Reason = ClassClientBroken, ReasonClientBroken
		f.Message = "not asked: the authorization server refuses the client, which is tried with one connection at a time"
	case gate.Spent:
		f.Message = "not asked: the client has made the token requests that the provider allows in a period"
	}
	return f
}

// report tells the others what the request met. err is nil if it brought a credential.
func (r *rotation) report(ctx context.Context, err error) {
	if !r.entered {
		return
	}
	outcome := gate.Outcome{Kind: gate.Accepted, Time: r.s.p.Now()}
	var failure *Failure
	if errors.As(err, &failure) {
		outcome.Time, outcome.RetryAfter = failure.Time, failure.RetryAfter
	}
	switch {
	case err == nil:
	case failure == nil:
		outcome.Kind = gate.Unknown
	case failure.Class == ClassClientBroken && failure.Sent:
		outcome.Kind = gate.Denied
	case failure.Class == ClassThrottled:
		outcome.Kind = gate.Throttled
	case !failure.Sent:
		outcome.Kind = gate.Unsent
		r.giveBack(ctx)
	case failure.Class == ClassGrantDead, failure.Class == ClassTooEarly:
	default:
		outcome.Kind = gate.Unknown
	}
	client := r.settings.OAuth2.client()
	change := r.s.gate.Leave(client, r.key, outcome)
	switch {
	case change.Opened:
		r.s.p.Logger.ErrorContext(ctx, "authorization server refuses a client; its other connections wait",
			"client_id", client.ID, "token_endpoint", client.Endpoint, "token", r.key.Name())
	case change.Closed:
		r.s.p.Logger.InfoContext(ctx, "authorization server accepts a client again",
			"client_id", client.ID, "token_endpoint", client.Endpoint, "waiting", len(change.Held))
		if len(change.Held) > 0 {
			r.s.release(change.Held)
		}
	}
}

// releaseEvery is how many tokens are tried in a time, on average, when their client is accepted again.
const releaseEvery = 10 * time.Millisecond

// release lets tokens be tried that were refused, or held back, because of their client.
func (s *Service) release(keys []Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	over := max(time.Duration(len(keys))*releaseEvery, minSpread)
	s.wg.Go(func() {
		for _, key := range keys {
			_, err := s.update(s.life, key, func(r *Record) error {
				now := s.p.Now()
				if !r.Exists || !r.Token.repaired(now, now.Add(time.Duration(s.p.Random()*float64(over)))) {
					return ErrUnchanged
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrNotFound) {
				s.logUnless(s.life, err, "token not released after its client was accepted again")
			}
		}
	})
}

// repaired lets a token whose client is accepted again be tried at the given time, and reports whether it waited for that.
func (t *Token) repaired(now, at time.Time) bool {
	if t.LastFailure == nil || t.LastFailure.Class != ClassClientBroken || t.Simulation.Failed || t.Lease.Owner != "" {
		return false
	}
	if ended := t.Stopped && t.AttemptAt.IsZero(); !ended && !t.AttemptAt.After(at) {
		return false
	}
	t.Stopped = false
	t.AttemptAt, t.AttemptTrigger = at, TriggerRecovery
	if t.State == StateDeauthorized && !t.ValidAt(now) {
		t.setState(StateFailedConnectivity, t.Reason, t.Message, now)
	}
	return true
}
