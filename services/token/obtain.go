package token

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// obtain gets the settings and with them the next credential. Errors are [*Failure], or that of ctx.
func (r *rotation) obtain(ctx context.Context) (Issued, Credential, error) {
	if !r.settled {
		r.settingsErr = r.loadSettings(ctx)
	}
	if r.settingsErr != nil {
		return Issued{}, Credential{}, r.settingsErr
	}
	if r.answer != nil && r.entry.Kind != r.settings.Kind { // is read as what it was asked for
		r.settings.Kind, r.settings.OAuth2.Grant = r.entry.Kind, r.entry.Kind
	}
	r.entry.Kind = r.settings.Kind
	if r.settings.Kind.Static() {
		issued, credential := r.settings.static(r.s.p.Now())
		r.entry.Revision = r.settings.Revision
		return issued, credential, nil
	}
	if r.imports() {
		issued := r.imported(r.s.p.Now())
		return issued, r.credential(issued), nil
	}
	if r.intent == nil {
		if err := r.loadHeld(ctx); err != nil {
			return Issued{}, Credential{}, err
		}
	}
	if r.answer == nil {
		r.entry.Revision = r.settings.Revision
		if err := r.request(ctx); err != nil {
			return Issued{}, Credential{}, err
		}
	}
	// An answer that was taken over is for the settings of its time, which may not be the present ones.
	r.settings.Revision = r.entry.Revision
	issued, err := r.read()
	if err != nil {
		if lost := r.keepAnswer(ctx); lost != nil {
			err = lost
		}
		return Issued{}, Credential{}, err
	}
	return issued, r.credential(issued), nil
}

// read says what the answer means. It does no input or output, so that an answer which brings the next generation is durable with it, in the
// one write of the commit. Every other answer, and one that the reader stumbles over, is stored as it came before anything else is done.
func (r *rotation) read() (issued Issued, err error) {
	err = guard(func() (failed error) {
		issued, failed = r.s.p.Exchanger.Read(*r.answer, r.settings.OAuth2, r.redeems.grant)
		return failed
	})
	if err == nil && r.sameAgain(issued) {
		err = &Failure{
			Class: ClassTooEarly, Reason: ReasonTooEarly, Message: "the authorization server returned the token at hand once more",
			Time: r.s.p.Now(), HTTPStatus: r.answer.HTTPStatus, Sent: true,
		}
	}
	return issued, err
}

// credential is what a new generation consists of.
func (r *rotation) credential(issued Issued) Credential {
	credential := r.settings.bearer(issued)
	credential.Key = r.redeems.grant.Key
	if !r.settings.Kind.Redeems() {
		credential.RefreshToken = seal.Secret{} // another one is not needed, so it is not kept
		return credential
	}
	credential.Seed = r.redeems.seed
	if credential.RefreshToken.IsZero() { // the server does not rotate it (RFC 6749 section 6)
		credential.RefreshToken = r.redeems.grant.RefreshToken
		if r.redeems.first && !r.redeems.former && r.settings.Kind == KindRefreshToken {
			credential.RefreshToken = r.settings.OAuth2.RefreshToken
		}
	}
	return credential
}

// sameToken is how much longer a token must live than the one at hand to be a new one although its text is the same.
const sameToken = 2 * time.Second

// sameAgain reports whether the server returned the valid token at hand, for no longer than it is valid anyway.
func (r *rotation) sameAgain(issued Issued) bool {
	t := &r.token
	if r.settings.Kind.Redeems() && !issued.RefreshToken.IsZero() && issued.RefreshToken.Fingerprint() != r.redeems.fingerprint {
		return false // the next refresh token came with it, which must be kept
	}
	return t.ValidAt(r.s.p.Now()) && t.Revision <= t.GenerationRevision && r.entry.Revision <= t.GenerationRevision &&
		issued.AccessToken.Fingerprint() == t.Fingerprint && issued.ExpireTime.Sub(t.ExpireTime) < sameToken
}

// settingsTimeout bounds the question to the connection service.
const settingsTimeout = 10 * time.Second

func (r *rotation) loadSettings(ctx context.Context) error {
	ctx, span := r.s.tracer.Start(ctx, "token.refresh.settings")
	defer span.End()
	ctx, cancel := context.WithTimeout(ctx, settingsTimeout)
	defer cancel()
	settings, err := r.s.p.Settings.AuthorizationSettings(ctx, r.key.SettingsName())
	if err == nil && settings.ConnectionUID != r.token.ConnectionUID {
		// Another connection of the same name: its AuthorizeToken is on the way and makes this attempt pointless.
		err = &Failure{Class: ClassOurs, Reason: ReasonConnectionNotFound, Message: "the connection was deleted and created anew"}
	}
	if err == nil && settings.Revision < r.token.Revision {
		// A token of these would be replaced at once by another of these, and so on.
		err = &Failure{Class: ClassOurs, Reason: ReasonServiceUnavailable, Message: "the settings at hand are older than those that were authorized"}
	}
	if err != nil {
		recordError(span, err)
		return ours(err, r.s.p.Now())
	}
	r.settings = settings
	return nil
}

// ours makes sure that an error is a Failure with a time. Errors that are none are ours.
func ours(err error, now time.Time) error {
	var failure *Failure
	if !errors.As(err, &failure) {
		if errors.Is(err, context.Canceled) {
			return err
		}
		failure = &Failure{Class: ClassOurs, Reason: ReasonInternalFault, Message: "internal fault"}
	}
	stamped := *failure
	stamped.Time = now
	return &stamped
}

// request makes the token request. Its answer is in memory alone.
func (r *rotation) request(ctx context.Context) error {
	if r.intent == nil {
		if err := r.makeReady(ctx); err != nil {
			return err
		}
	}
	answer, err := r.send(ctx)
	if err == nil && answer.Challenged {
		if err = r.challenged(ctx); err == nil {
			answer, err = r.send(ctx)
		}
	}
	if err != nil {
		return err
	}
	r.answer, r.unstored = &answer, true
	r.entry.RequestSent, r.entry.HTTPStatus = true, answer.HTTPStatus
	r.entry.State, r.entry.RespondedTime = RotationResponded, r.s.p.Now()
	return nil
}

// makeReady sees to everything that must be done before the intent to redeem is recorded.
func (r *rotation) makeReady(ctx context.Context) error {
	if held := r.admit(ctx, r.s.p.Now()); held != nil {
		return held
	}
	if err := r.freshenNonce(ctx); err != nil {
		return err
	}
	return r.hold(ctx)
}

// send makes the request, after it is durable that what it redeems may be redeemed.
func (r *rotation) send(ctx context.Context) (Answer, error) {
	r.entry.SentTime = r.s.p.Now()
	if err := r.beforeRequest(ctx, r.entry.SentTime); err != nil {
		return Answer{}, err
	}
	sending := ctx
	if r.settings.Kind.Redeems() { // once it has left, its answer is waited for, even while the process is stopping
		sending = context.WithoutCancel(ctx)
	}
	sending, cancel := context.WithTimeout(sending, r.s.requestTimeout(&r.token, r.s.p.Now()))
	defer cancel()
	sending, span := r.s.tracer.Start(sending, "token.refresh.request", trace.WithAttributes(attribute.String("freshet.grant", string(r.settings.Kind))))
	defer span.End()
	answer, err := r.s.p.Exchanger.Exchange(sending, r.settings.OAuth2, r.redeems.grant)
	if err != nil {
		recordError(span, err)
		failure, ok := errors.AsType[*Failure](err)
		r.entry.RequestSent = !ok || failure.Sent // without a word on it, it may have left
		return Answer{}, ours(err, r.s.p.Now())
	}
	return answer, nil
}

// prepareTimeout bounds what is done before a request that may spend what it redeems.
const prepareTimeout = 10 * time.Second

// freshenNonce sees to it that a redemption is not refused at first for want of a nonce. Nothing is redeemed by that.
func (r *rotation) freshenNonce(ctx context.Context) error {
	if !r.settings.Kind.Redeems() || r.redeems.grant.Key.IsZero() {
		return nil
	}
	if until, ok := r.mayRedeemUntil(r.s.p.Now()); ok && until.IsZero() {
		return nil // it can be redeemed as often as one likes
	}
	ctx, cancel := context.WithTimeout(ctx, min(prepareTimeout, r.s.requestTimeout(&r.token, r.s.p.Now())))
	defer cancel()
	ctx, span := r.s.tracer.Start(ctx, "token.refresh.prepare")
	defer span.End()
	if err := r.s.p.Exchanger.Prepare(ctx, r.settings.OAuth2, r.redeems.grant); err != nil {
		recordError(span, err)
		return ours(err, r.s.p.Now())
	}
	return nil
}

// minRequestTimeout is the least time a token request gets, however little life the token has left.
const minRequestTimeout = 2 * time.Second

// requestTimeout is half of the token's remaining life, so that a server that hangs leaves time for another attempt.
func (s *Service) requestTimeout(t *Token, now time.Time) time.Duration {
	if !t.ValidAt(now) || t.ExpireTime.IsZero() {
		return s.p.RequestTimeout
	}
	return min(s.p.RequestTimeout, max(t.ExpireTime.Sub(now)/2, minRequestTimeout))
}
