package token

import (
	"context"
	"errors"
	"time"
)

// Where a refresh kills the token at hand, consumers are told before: they begin no request for at most holdTime, and those that they have
// begun get drainTime to end.
const (
	holdTime  = 2 * time.Second
	drainTime = 500 * time.Millisecond
)

// hold tells consumers that the token at hand is about to be killed, and gives their requests a moment. What they do then is theirs: it is
// a courtesy that never keeps the request from being made.
func (r *rotation) hold(ctx context.Context) error {
	now := r.s.p.Now()
	if r.settings.OAuth2.Provider.OldAccessToken != Killed || !r.token.ValidAt(now) {
		return nil
	}
	writing, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	stored, err := r.write(writing, func(rec *Record) { rec.Token.HoldUntil = now.Add(holdTime) })
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errLeaseLost) {
			return err
		}
		r.s.p.Logger.WarnContext(ctx, "consumers not told that their token is about to be killed", "token", r.key.Name(), "error", err)
		return nil
	}
	r.s.publish(context.WithoutCancel(ctx), &stored)
	if r.s.p.Store.Exclusive() && !r.s.tokens.Watched(r.key) {
		return nil // nobody is there to wait for
	}
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lead is the validity that a former generation has left when the next one is there: none if that kills it.
func (t *Token) lead(now time.Time, next *Plan) time.Duration {
	left := t.ExpireTime.Sub(now)
	switch next.OldToken {
	case Killed:
		return min(left, 0)
	case Leeway:
		return min(left, next.Leeway)
	default:
		return left
	}
}
