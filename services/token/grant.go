package token

import (
	"slices"
	"time"
)

// This file is what is known of the grant behind a token: when it began, when it ends, and what it began with.

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
	if !r.settings.Kind.Redeems() {
		t.GrantTime, t.GrantExpireTime = time.Time{}, time.Time{}
		return
	}
	t.RedeemedAt, t.RedeemedFingerprint = time.Time{}, ""
	rotated := !issued.RefreshToken.IsZero() && issued.RefreshToken.Fingerprint() != r.redeems.fingerprint && r.recovery() != Reusable
	if r.redeems.fingerprint == r.redeems.seed && (rotated || r.settings.Kind == KindAuthorizationCode) {
		t.spend(r.redeems.seed)
	}
	if r.redeems.first || t.GrantTime.IsZero() {
		t.GrantTime = now
	}
	t.GrantExpireTime = r.horizon(issued, t.GrantTime, now)
	if r.settings.endless() {
		t.GrantExpireTime = issued.ExpireTime
	}
}

// maxSpentSeeds bounds Token.SpentSeeds.
const maxSpentSeeds = 8

// spend remembers that what a grant began with is used up, so that settings which bring it back do not redeem it again.
func (t *Token) spend(seed string) {
	if slices.Contains(t.SpentSeeds, seed) {
		return
	}
	t.SpentSeeds = append(slices.Clip(t.SpentSeeds), seed)
	if excess := len(t.SpentSeeds) - maxSpentSeeds; excess > 0 {
		t.SpentSeeds = t.SpentSeeds[excess:]
	}
}
