package learn

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// looks is how often an old token is looked at while it is watched.
const looks = 10

// oldAccessToken learns what becomes of the first access token once the second was issued.
func (r *lesson) oldAccessToken(ctx context.Context, first, second pair, works bool) error {
	const subject = "old_access_token.fate"
	switch {
	case r.subject.ResourceURL == "":
		r.cannotTell(subject, "needs a URL that a token can be tried at")
		return nil
	case !works:
		r.cannotTell(subject, "the resource did not take the first access token while it was new")
		return nil
	case first.access.Equal(second.access):
		r.cannotTell(subject, "there was no other access token")
		return nil
	}
	last, refused, err := r.watch(ctx, second.at, func() (bool, error) { return r.resource(ctx, "does the first access token still work", first.access) })
	switch {
	case err != nil:
		return err
	case refused && last < 0:
		r.OldToken = token.Killed
		r.saw(subject, "the first access token was refused at once after the refresh")
	case refused:
		r.OldToken, r.Leeway = token.Leeway, max(last.Truncate(time.Second), time.Second)
		r.saw(subject, fmt.Sprintf("the first access token still worked %s after the refresh and was refused soon after", last.Round(time.Second)))
	default:
		r.OldToken = token.Survives
		r.saw(subject, fmt.Sprintf("the first access token still worked %s after the refresh; it was not watched for longer", last.Round(time.Second)))
	}
	return nil
}

// oldRefreshToken learns what becomes of a refresh token that was redeemed for successor.
func (r *lesson) oldRefreshToken(ctx context.Context, old seal.Secret, successor pair) error {
	const subject = "rotation.recovery"
	again, _, failure, err := r.redeem(ctx, "redeem the former refresh token again", old)
	if err != nil {
		return err
	}
	if failure != nil {
		if !final(failure) {
			r.cannotTell(subject, "the former refresh token could not be tried: "+failure.Message)
			return errEnd
		}
		r.Recovery = token.SingleUse
		r.saw(subject, "the former refresh token was refused while its successor was unused: "+failure.Message)
		return r.grantLives(ctx, successor.refresh)
	}
	if again.access.Equal(successor.access) && newest(again.refresh, successor.refresh).Equal(successor.refresh) {
		r.Recovery = token.Idempotent
		r.saw(subject, "the former refresh token gave the same answer once more")
		return nil
	}
	return r.grace(ctx, old, newest(again.refresh, successor.refresh), successor.at)
}

// final reports whether a refusal is about the refresh token, not about the moment.
func final(failure *token.Failure) bool {
	return failure.Class.EndsAttempts()
}

// grace tells a refresh token that lives for a time from one that lives until its successor is used.
func (r *lesson) grace(ctx context.Context, old, successor seal.Secret, since time.Time) error {
	const subject = "rotation.recovery"
	if _, _, failure, err := r.redeem(ctx, "redeem the newest refresh token", successor); err != nil || failure != nil {
		r.cannotTell(subject, "the former refresh token gave another pair, whose refresh token was refused")
		return err
	}
	last, refused, err := r.watch(ctx, since, func() (bool, error) {
		_, _, failure, err := r.redeem(ctx, "redeem the former refresh token again, now that its successor was used", old)
		return failure == nil, err
	})
	switch {
	case err != nil:
		return err
	case refused && last < 0:
		r.Recovery = token.UntilSuccessorUsed
		r.saw(subject, "the former refresh token could be redeemed again until its successor was used")
		r.cannotTell("rotation.grace", "for how long, if its successor is never used")
	case refused:
		r.Recovery, r.Grace = token.Grace, max(last.Truncate(time.Second), time.Second)
		r.saw(subject, fmt.Sprintf("the former refresh token could be redeemed again, whatever became of its successor, for %s", last.Round(time.Second)))
	default:
		r.Recovery, r.Grace = token.Grace, max(last.Truncate(time.Second), time.Second)
		r.saw(subject, fmt.Sprintf("the former refresh token could still be redeemed %s later, whatever became of its successor", last.Round(time.Second)))
		r.cannotTell("rotation.grace", "it was not watched until the end; the entry has what was seen")
	}
	return nil
}

// grantLives learns whether redeeming a spent refresh token has ended the grant.
func (r *lesson) grantLives(ctx context.Context, successor seal.Secret) error {
	_, _, failure, err := r.redeem(ctx, "redeem the newest refresh token: did that end the grant", successor)
	switch {
	case err != nil:
		return err
	case failure != nil && final(failure):
		r.saw("rotation.recovery", "redeeming a spent refresh token ends the whole grant")
	case failure == nil:
		r.saw("rotation.recovery", "redeeming a spent refresh token does not end the grant")
	}
	return nil
}

// watch looks until it does not work, for as long as the subject says. last is how long after since it last worked; negative if it never
// did.
func (r *lesson) watch(ctx context.Context, since time.Time, works func() (bool, error)) (last time.Duration, refused bool, err error) {
	last = -1
	ticker := time.NewTicker(max(r.subject.Watch/looks, 100*time.Millisecond))
	defer ticker.Stop()
	for {
		ok, err := works()
		if err != nil || !ok {
			return last, err == nil, err
		}
		last = r.now().Sub(since)
		if last >= r.subject.Watch {
			return last, false, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return last, false, ctx.Err()
		}
	}
}
