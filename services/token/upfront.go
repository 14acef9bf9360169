package token

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/token/gate"
)

// This file is what an attempt finds out before its claim. Settings are only read, so they need no lease; and once they are known, so is what
// the attempt redeems. Then the claim records the intent to redeem it too, and a refresh is two writes: that, and the commit.

// intent is a redemption that the claim records.
type intent struct {
	// version of the token that it was worked out for. The claim records it if the token is still the same.
	version int64
	client  gate.Client
	// recorded: the claim did.
	recorded bool
}

// lookAhead asks for the settings, and works out the redemption if nothing else has to be written before it.
func (r *rotation) lookAhead(ctx context.Context, a ask) {
	t := r.looked
	if t.Lease.Owner != "" { // what was begun comes first
		return
	}
	r.token = *t
	r.settingsErr = r.loadSettings(ctx)
	r.settled = true
	if r.settingsErr == nil && r.redeemsAtOnce() {
		r.intend(a)
	}
}

// redeemsAtOnce reports whether the next durable step after the claim would be the intent to redeem.
func (r *rotation) redeemsAtOnce() bool {
	o, now := &r.settings.OAuth2, r.s.p.Now()
	switch {
	case !r.settings.Kind.Redeems(), r.imports(), r.simulated(now) != nil:
		return false
	case o.DPoP != "": // a key, and a nonce
		return false
	case o.Provider.MintLimit > 0: // is counted in the store
		return false
	case o.Provider.OldAccessToken == Killed && r.token.ValidAt(now): // consumers are told before
		return false
	default:
		return true
	}
}

// intend works out what is redeemed, and asks whether the request may leave. What speaks against it comes up again after the claim, and is
// recorded then.
func (r *rotation) intend(a ask) {
	if r.loadRedemption(r.looked) != nil || r.spent(r.s.p.Now()) {
		return
	}
	client := r.settings.OAuth2.client()
	if _, ok := r.s.gate.Enter(client, r.key, a.triggerFor(&r.token, r.s.p.Now()) == TriggerAuthorize); !ok {
		return
	}
	r.entered = true
	r.intent = &intent{version: r.looked.Version, client: client}
}

// recordIntent adds to a claim what it redeems, if the token is the one that it was worked out for.
func (r *rotation) recordIntent(t *Token, version int64) {
	if r.intent == nil {
		return
	}
	r.intent.recorded = version == r.intent.version
	if !r.intent.recorded {
		return
	}
	r.entry.Revision, r.entry.Kind = r.settings.Revision, r.settings.Kind
	r.redeem(r.entry.StartTime)(t)
}

// forget begins the claim anew.
func (i *intent) forget() {
	if i != nil {
		i.recorded = false
	}
}

// settleIntent is called after the claim. Whatever was found out for another state of the token is forgotten.
func (r *rotation) settleIntent(claimed bool) {
	if r.intent != nil && (!claimed || !r.intent.recorded) {
		r.s.gate.Leave(r.intent.client, r.key, gate.Outcome{Kind: gate.Unsent, Time: r.s.p.Now()})
		r.entered, r.intent, r.redeems = false, nil, redemption{}
	}
	if !claimed {
		return
	}
	r.s.mu.Lock()
	delete(r.s.unsent, r.key)
	r.s.mu.Unlock()
	if r.token.Version != r.looked.Version+1 {
		r.settled, r.settings, r.settingsErr = false, Settings{}, nil
	}
}

// unsentClaim is a claim with an intent of which it is not known whether it was stored. Nothing was sent, so it does not matter: but the
// journal may say otherwise.
type unsentClaim struct {
	id    string
	prior time.Time // the token's RedeemedAt before
}

// claimAgain repeats a claim with an intent that may or may not have been stored. If that remains unknown, it is remembered that nothing was sent.
func (r *rotation) claimAgain(
	ctx context.Context, id string, failed error, write func(context.Context) (Token, error),
) (t Token, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err = r.s.retry(ctx, func(ctx context.Context) error {
		if failed != nil {
			err, failed = failed, nil // the first time it is waited for
			return err
		}
		t, err = write(ctx)
		return err
	})
	if err != nil {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.s.unsent[r.key] = unsentClaim{id: id, prior: r.redeems.prior}
	}
	return t, err
}

// resolve says what becomes of the open journal entry of a record, if there is one.
func (s *Service) resolve(rec *Record) resolution {
	found := rec.Open.resolve()
	s.mu.Lock()
	defer s.mu.Unlock()
	claim, ok := s.unsent[rec.Token.Key]
	if ok && found == resolveLost && rec.Open.ID == claim.id {
		rec.Token.RedeemedAt = claim.prior
		return resolveRepeat
	}
	return found
}
