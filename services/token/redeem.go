package token

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// This file is what keeps a refresh token or a code from being redeemed once too often. Whether it may be is decided by what the journal
// and the provider's behavior say, never by trying: reuse of a spent one makes servers revoke the whole grant (RFC 9700 section 4.14).

// seed is the refresh token or code in the settings: where the grant begins.
func (s *OAuth2) seed() seal.Secret {
	if s.Grant == KindAuthorizationCode {
		return s.Code.Code
	}
	return s.RefreshToken
}

// redemption is what an attempt redeems.
type redemption struct {
	grant Grant
	// first tells that it is the refresh token or code of the settings.
	first bool
	// fingerprint names what is redeemed, seed the beginning it descends from.
	fingerprint, seed string
	// prior is the token's RedeemedAt before the attempt.
	prior time.Time
}

// loadRedemption finds what this attempt redeems: the newest refresh token, or the settings' if that is another grant's.
func (r *rotation) loadRedemption(ctx context.Context) error {
	if !r.settings.Kind.Redeems() {
		return nil
	}
	stored, err := r.s.p.Store.Get(ctx, r.key)
	if err != nil {
		return ours(err, r.s.p.Now())
	}
	if stored.CredentialLost {
		return &Failure{
			Class: ClassOurs, Reason: ReasonSecretUnreadable, Message: "the refresh token cannot be opened with the present master key",
			Time: r.s.p.Now(),
		}
	}
	seed := r.settings.OAuth2.seed()
	r.redeems = redemption{first: true, seed: seed.Fingerprint(), fingerprint: seed.Fingerprint()}
	if held := stored.Credential; held.Seed == r.redeems.seed && held.Seed != "" {
		if held.RefreshToken.IsZero() {
			return dead(r.s.p.Now(), "the authorization server gave no refresh token, and what the grant began with is spent")
		}
		r.redeems.first = false
		r.redeems.grant = Grant{RefreshToken: held.RefreshToken}
		r.redeems.fingerprint = held.RefreshToken.Fingerprint()
	}
	if r.redeems.fingerprint == r.token.RedeemedFingerprint {
		r.redeems.prior = r.token.RedeemedAt
	}
	return nil
}

func dead(now time.Time, message string) *Failure {
	return &Failure{Class: ClassGrantDead, Reason: ReasonGrantDead, Message: message, Time: now}
}

// recovery is what the provider does with a refresh token that was redeemed; a code is always spent (RFC 6749 section 4.1.2).
func (r *rotation) recovery() RotationRecovery {
	switch {
	case r.redeems.first && r.settings.Kind == KindAuthorizationCode:
		return SingleUse
	case r.settings.OAuth2.Provider.Recovery == "":
		return SingleUse
	default:
		return r.settings.OAuth2.Provider.Recovery
	}
}

// mayRedeemUntil is until when what was redeemed for the first time at the given time, without a known answer, may be redeemed again.
// ok is false if that is not at all so; a zero time with ok is without end.
func (r *rotation) mayRedeemUntil(first time.Time) (until time.Time, ok bool) {
	grace := r.settings.OAuth2.Provider.RotationGrace
	switch r.recovery() {
	case Reusable, Idempotent:
		return time.Time{}, true
	case UntilSuccessorUsed: // a successor that nobody saw is not used
		if grace == 0 {
			return time.Time{}, true
		}
		return first.Add(grace), true
	case Grace:
		return first.Add(grace), true
	default:
		return time.Time{}, false
	}
}

// spent reports whether the attempt would redeem what may be spent.
func (r *rotation) spent(now time.Time) bool {
	if r.redeems.prior.IsZero() {
		return false
	}
	until, ok := r.mayRedeemUntil(r.redeems.prior)
	return !ok || (!until.IsZero() && !now.Before(until))
}

// beforeRequest makes it durable that the refresh token may be redeemed from now on. Without that, it is not.
func (r *rotation) beforeRequest(ctx context.Context, now time.Time) error {
	if !r.settings.Kind.Redeems() {
		return nil
	}
	if r.spent(now) {
		return lostRotation(now)
	}
	_, repeatable := r.mayRedeemUntil(now)
	r.entry.RequestSent, r.entry.Repeatable = true, repeatable
	r.entry.RefreshTokenFingerprint = r.redeems.fingerprint
	redeemed := r.redeems.prior
	if redeemed.IsZero() {
		redeemed = now
	}
	_, err := r.write(ctx, func(rec *Record) {
		rec.Quiet = true
		rec.Token.RedeemedAt, rec.Token.RedeemedFingerprint = redeemed, r.redeems.fingerprint
		rec.Journal = append(rec.Journal, r.entry)
	})
	if err != nil {
		r.entry.RequestSent = false
		return ours(err, now)
	}
	return nil
}

// lostRotation is the failure of a redemption whose answer nobody will ever know.
func lostRotation(now time.Time) *Failure {
	return &Failure{
		Class: ClassGrantDead, Reason: ReasonRotationLost, Time: now, Sent: true,
		Message: "a refresh token that can be redeemed once was redeemed and the answer was lost; the end user must authorize again",
	}
}

// judge turns the failure of an attempt that redeemed something into what it means for the grant, and says whether the redemption is
// known not to have happened.
func (r *rotation) judge(failure *Failure, now time.Time) (judged *Failure, untouched bool) {
	if !r.settings.Kind.Redeems() || r.entry.RefreshTokenFingerprint == "" {
		return failure, false
	}
	switch {
	case !failure.Sent:
		return failure, true
	case failure.Class == ClassAmbiguous:
		first := r.redeems.prior
		if first.IsZero() {
			first = r.entry.SentTime
		}
		if until, ok := r.mayRedeemUntil(first); !ok || (!until.IsZero() && !now.Before(until)) {
			lost := lostRotation(now)
			lost.Message += " (" + failure.Message + ")"
			lost.HTTPStatus = failure.HTTPStatus
			return lost, false
		}
		return failure, false
	case failure.Class == ClassGrantDead && !r.redeems.prior.IsZero():
		// An earlier attempt may have redeemed it: then this is not the end user's doing.
		lost := lostRotation(now)
		lost.HTTPStatus = failure.HTTPStatus
		return lost, false
	default:
		return failure, true // refused: nothing was redeemed (RFC 6749 section 5.2)
	}
}

// horizon is when the grant behind a new generation ends: the earliest of what the server and the provider's behavior say.
func (r *rotation) horizon(issued *Issued, begun, now time.Time) time.Time {
	provider := r.settings.OAuth2.Provider
	var end time.Time
	consider := func(at time.Time) {
		if end.IsZero() || at.Before(end) {
			end = at
		}
	}
	if !issued.RefreshExpireTime.IsZero() {
		consider(issued.RefreshExpireTime)
	} else if provider.IdleLifetime > 0 {
		consider(now.Add(provider.IdleLifetime))
	}
	if provider.GrantLifetime > 0 {
		consider(begun.Add(provider.GrantLifetime))
	}
	return end
}

// granted records what a new generation says of the grant behind it.
func (r *rotation) granted(t *Token, issued *Issued, now time.Time) {
	t.RedeemedAt, t.RedeemedFingerprint = time.Time{}, ""
	if !r.settings.Kind.Redeems() {
		t.GrantTime, t.GrantExpireTime = time.Time{}, time.Time{}
		return
	}
	if r.redeems.first || t.GrantTime.IsZero() {
		t.GrantTime = now
	}
	t.GrantExpireTime = r.horizon(issued, t.GrantTime, now)
}

// withinGrace brings the next attempt forward if it would come after the time in which the refresh token may be redeemed again.
func (r *rotation) withinGrace(t *Token, now time.Time) {
	if t.Stopped || t.RedeemedAt.IsZero() || !r.settings.Kind.Redeems() {
		return
	}
	until, ok := r.mayRedeemUntil(t.RedeemedAt)
	if !ok || until.IsZero() || t.AttemptAt.Before(until) || !now.Before(until) {
		return
	}
	t.AttemptAt = now.Add(until.Sub(now) / 2)
}
