package token

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// A superseded access token is revoked, where the settings ask for it, when nobody is known to use it any more.
const (
	// revokeDelay is what requests get to end that were begun before their consumer had the next generation.
	revokeDelay = 5 * time.Second
	// elsewhereDelay is what the watchers of other replicas get: their acknowledgements are not known here.
	elsewhereDelay = time.Minute
	// orphanTime is how long a revocation is left alone that no process says it is waiting with: watchers have connected again by then, and
	// what they got was the newest generation.
	orphanTime = 3 * time.Minute
	// attendEvery is how often a process says so.
	attendEvery = time.Minute
)

// The token type hints of RFC 7009 section 2.1.
const (
	hintAccessToken  = "access_token"
	hintRefreshToken = "refresh_token"
)

// endedRevocation is how long a grant that ended is tried to be revoked, if nobody knows when it ends by itself.
const endedRevocation = 30 * 24 * time.Hour

// ended returns the revocation of everything that the token's grant gave; nil if nothing is held.
func (t *Token) ended(now time.Time) *Revocation {
	held, hint := t.Credential.RefreshToken, hintRefreshToken
	if held.IsZero() {
		held, hint = t.Credential.AccessToken, hintAccessToken
	}
	if held.IsZero() {
		return nil
	}
	expire := t.GrantExpireTime
	if expire.IsZero() {
		expire = now.Add(endedRevocation)
	}
	return &Revocation{
		Key: t.Key, ID: ulid.Make().String(), ConnectionUID: t.ConnectionUID, Hint: hint, Generation: t.Generation, Token: held,
		DueTime: now, ExpireTime: expire,
	}
}

// superseded returns the revocation of the access token that the next generation takes the place of, if it is to be revoked; nil otherwise.
// One that was obtained with other settings is not: it may be another server's.
func (r *rotation) superseded(ctx context.Context, next string) *Revocation {
	o := &r.settings.OAuth2
	now := r.s.p.Now()
	if !o.Policy.RevokeSuperseded || o.Provider.RevocationEndpoint == "" || o.Provider.OldAccessToken == Killed ||
		!r.token.ValidAt(now) || r.token.ExpireTime.IsZero() || r.token.GenerationRevision != r.settings.Revision {
		return nil
	}
	stored, err := r.s.p.Store.Get(ctx, r.key)
	if err != nil || stored.Generation != r.token.Generation {
		return nil
	}
	old := stored.Credential.AccessToken
	if old.IsZero() || old.Fingerprint() == next {
		return nil
	}
	return &Revocation{
		Key: r.key, ID: ulid.Make().String(), ConnectionUID: r.token.ConnectionUID, Server: o.server(), Hint: hintAccessToken,
		Generation: r.token.Generation, Token: old, DueTime: now.Add(orphanTime), ExpireTime: r.token.ExpireTime,
	}
}

// server names the authorization server and the client at it that a token belongs to: nobody else is shown it.
func (s *OAuth2) server() string {
	return seal.NewSecret(s.TokenEndpoint + " " + s.ClientID).Fingerprint()
}

// revokeLater has a stored revocation made once all who watch have the generation after it. Call it before they are told. If the process
// ends before, another makes it.
func (r *rotation) revokeLater(revocation *Revocation, next *Token) {
	if revocation == nil {
		return
	}
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	awaited, end := s.watches.expect(r.key, next.Generation)
	s.wg.Go(func() {
		defer end()
		if s.unused(awaited, revocation) {
			s.revoke(s.life, revocation)
		}
	})
}

// unused waits until nobody is known to use a superseded token any more, and reports false if it expires before, or the process ends.
func (s *Service) unused(awaited *acknowledgement, revocation *Revocation) bool {
	expired := time.NewTimer(revocation.ExpireTime.Sub(s.p.Now()))
	defer expired.Stop()
	attended := time.NewTicker(attendEvery)
	defer attended.Stop()
	for waiting := true; waiting; {
		select {
		case <-awaited.done:
			waiting = false
		case <-attended.C:
			s.attend(revocation)
		case <-expired.C:
			s.dropRevocation(s.life, revocation, revocationExpired)
			return false
		case <-s.stopping:
			return false
		}
	}
	delay := revokeDelay
	if !s.p.Store.Exclusive() {
		delay = elsewhereDelay
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-expired.C:
		s.dropRevocation(s.life, revocation, revocationExpired)
		return false
	case <-s.stopping:
		return false
	}
}

// attend keeps other processes from taking over a revocation that this one waits with.
func (s *Service) attend(revocation *Revocation) {
	if err := s.p.Revocations.PostponeRevocation(s.life, revocation, s.p.Now().Add(orphanTime)); err != nil {
		s.logUnless(s.life, err, "revocation not attended to")
	}
}
