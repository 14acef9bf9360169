package token

import (
	"bytes"
	"context"
	"net/http"
	"slices"
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
	// first tells that it is the refresh token or code of the settings, former that these settings are no longer at hand.
	first, former bool
	// fingerprint names what is redeemed, seed the beginning it descends from.
	fingerprint, seed string
	// prior is the token's RedeemedAt before the attempt.
	prior time.Time
}

// loadHeld finds what this attempt redeems, and the key that it proves possession of.
func (r *rotation) loadHeld(ctx context.Context) error {
	if !r.settings.Kind.Redeems() && r.settings.OAuth2.DPoP == "" && r.entry.KeyThumbprint == "" {
		return nil
	}
	stored, err := r.stored(ctx)
	switch {
	case unavailable(err):
		return &Failure{Class: ClassOurs, Reason: ReasonStoreUnavailable, Message: "the store is unavailable", Time: r.s.p.Now()}
	case err != nil:
		return ours(err, r.s.p.Now())
	}
	if r.settings.Kind.Redeems() {
		if err := r.loadRedemption(&stored); err != nil {
			return err
		}
	}
	return r.loadKey(ctx, &stored)
}

// loadRedemption finds what this attempt redeems: the newest refresh token, or the settings' if that is another grant's.
func (r *rotation) loadRedemption(stored *Token) error {
	now := r.s.p.Now()
	if r.settings.OAuth2.seed().IsZero() {
		return dead(now, "there is no refresh token; the end user must authorize again")
	}
	seed := r.settings.OAuth2.seed().Fingerprint()
	held := stored.Credential
	switch {
	case r.answer != nil:
		r.redeems = r.redeemedThen(held, seed)
	case held.Seed == seed && !held.RefreshToken.IsZero():
		r.redeems = redemption{grant: Grant{RefreshToken: held.RefreshToken}, fingerprint: held.RefreshToken.Fingerprint(), seed: seed}
	case !slices.Contains(r.token.SpentSeeds, seed):
		r.redeems = redemption{first: true, fingerprint: seed, seed: seed}
	case stored.CredentialLost:
		return &Failure{
			Class: ClassOurs, Reason: ReasonSecretUnreadable, Message: "the refresh token cannot be opened with the present master key",
			Time: now,
		}
	default:
		return dead(now, "the refresh token or code in the settings was redeemed before, and no later refresh token is held; "+
			"the end user must authorize again")
	}
	if r.redeems.fingerprint == r.token.RedeemedFingerprint {
		r.redeems.prior = r.token.RedeemedAt
	}
	return nil
}

// redeemedThen is what the request redeemed whose stored answer was taken over. The settings may have changed since: then the answer
// still belongs to the grant that it was asked for with, not to the one that begins with seed.
func (r *rotation) redeemedThen(held Credential, seed string) redemption {
	redeemed := r.entry.RefreshTokenFingerprint
	if !held.RefreshToken.IsZero() && held.RefreshToken.Fingerprint() == redeemed {
		return redemption{grant: Grant{RefreshToken: held.RefreshToken}, fingerprint: redeemed, seed: held.Seed}
	}
	return redemption{first: true, fingerprint: redeemed, seed: redeemed, former: redeemed != seed}
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
		return first.Add(grace - graceMargin(grace)), true
	case Grace:
		return first.Add(grace - graceMargin(grace)), true
	default:
		return time.Time{}, false
	}
}

// graceMargin is how long before the end of a grace period the last redemption may begin: it has to arrive in time.
func graceMargin(grace time.Duration) time.Duration { return min(grace/4, 5*time.Second) }

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
		r.entry.RequestSent = false
		return lostRotation(now)
	}
	if r.intent != nil { // the claim recorded it
		r.intent = nil
		if ctx.Err() != nil {
			r.entry.RequestSent = false
		}
		return ctx.Err()
	}
	redeem := r.redeem(now)
	writing, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := r.write(writing, func(rec *Record) {
		rec.Quiet = true
		redeem(&rec.Token)
		rec.Journal = append(rec.Journal, r.entry)
	})
	later := r.s.p.Now()
	switch {
	case unavailable(err):
		err = &Failure{
			Class: ClassOurs, Reason: ReasonStoreUnavailable, Time: later,
			Message: "the store is unavailable; the refresh token was not redeemed, because the next one might not be kept",
		}
	case err != nil:
		err = ours(err, later)
	case r.spent(later): // the write took long
		err = lostRotation(later)
	default:
		return nil
	}
	r.entry.RequestSent = false
	return err
}

// redeem notes in the entry that the attempt redeems what it does from now on, and returns what that changes in the token.
func (r *rotation) redeem(now time.Time) func(*Token) {
	_, repeatable := r.mayRedeemUntil(now)
	r.entry.RequestSent, r.entry.Repeatable = true, repeatable
	r.entry.SentTime, r.entry.RefreshTokenFingerprint = now, r.redeems.fingerprint
	redeemed := r.redeems.prior
	if redeemed.IsZero() {
		redeemed = now
	}
	return func(t *Token) {
		if !t.RedeemedAt.IsZero() && t.RedeemedFingerprint != r.redeems.fingerprint && r.recovery() != Reusable {
			t.spend(t.RedeemedFingerprint) // of another grant; its answer never came
		}
		t.RedeemedAt, t.RedeemedFingerprint = redeemed, r.redeems.fingerprint
	}
}

// challenged records that the server processed nothing, for want of a nonce that it gave with this answer: the same attempt may be sent once more
// (RFC 9449 section 8). If the process dies in between, whoever is next knows that nothing was redeemed.
func (r *rotation) challenged(ctx context.Context) error {
	r.entry.Challenges++
	r.entry.RequestSent = false
	if !r.settings.Kind.Redeems() {
		return nil
	}
	writing, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := r.write(writing, func(rec *Record) {
		rec.Quiet = true
		rec.Token.RedeemedAt = r.redeems.prior
		rec.Journal = append(rec.Journal, r.entry)
	})
	if unavailable(err) {
		return &Failure{
			Class: ClassOurs, Reason: ReasonStoreUnavailable, Time: r.s.p.Now(),
			Message: "the store is unavailable; the refresh token was not redeemed, because the next one might not be kept",
		}
	}
	if err != nil {
		return ours(err, r.s.p.Now())
	}
	return nil
}

// protected reports whether the attempt may have redeemed something: then its outcome is not given up while the process lives.
func (r *rotation) protected() bool {
	return r.entry.RequestSent && r.entry.RefreshTokenFingerprint != ""
}

// rescues reports whether another process declared this very attempt lost, which is still here and has its answer: what is known is better
// than what was feared.
func (r *rotation) rescues(stored *Token) bool {
	return r.answer != nil && r.protected() && stored.Lease.Owner == "" && stored.ConnectionUID == r.token.ConnectionUID &&
		stored.LastFailure != nil && stored.LastFailure.Reason == ReasonRotationLost &&
		stored.RedeemedFingerprint == r.entry.RefreshTokenFingerprint
}

// lostRotation is the failure of a redemption whose answer nobody will ever know.
func lostRotation(now time.Time) *Failure {
	return &Failure{
		Class: ClassGrantDead, Reason: ReasonRotationLost, Time: now, Sent: true,
		Message: "the refresh token may have been redeemed and the answer is lost; it cannot be redeemed again, so the end user must authorize again",
	}
}

// judge turns the failure of an attempt that redeemed something into what it means for the grant, and says whether the redemption is
// known not to have happened.
func (r *rotation) judge(failure *Failure, now time.Time) (judged *Failure, untouched bool) {
	if !r.settings.Kind.Redeems() || r.entry.RefreshTokenFingerprint == "" {
		return failure, false
	}
	switch {
	case !r.entry.RequestSent:
		return failure, true
	case failure.Reason == ReasonIDTokenRefused: // the code is spent, and what it gave is not ours
		return failure, false
	case !r.refused(failure):
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
	case failure.Class == ClassGrantDead && !r.redeems.prior.IsZero() && r.recovery() != Reusable:
		// An earlier attempt may have redeemed it: then this is not the end user's doing.
		lost := lostRotation(now)
		lost.HTTPStatus = failure.HTTPStatus
		return lost, false
	default:
		return failure, true // refused: nothing was redeemed (RFC 6749 section 5.2)
	}
}

// refused reports whether the answer says that nothing was redeemed: an error of RFC 6749 section 5.2 or another refusal of the request, and
// the statuses by which a server or a proxy before it says that it did not process it. A gateway that timed out says no such thing, nor
// does a page with a status of success.
func (r *rotation) refused(failure *Failure) bool {
	switch failure.Class {
	case ClassAmbiguous, ClassOurs:
		return false
	case ClassThrottled:
		return failure.HTTPStatus < http.StatusInternalServerError || failure.HTTPStatus == http.StatusServiceUnavailable
	case ClassConfiguration:
		page := r.answer != nil && bytes.HasPrefix(bytes.TrimSpace(r.answer.Body), []byte("<"))
		return failure.HTTPStatus >= http.StatusMultipleChoices || !page
	default:
		return true
	}
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
