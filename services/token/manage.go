package token

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/token/dpop"
)

// Authorize starts to keep a connection's token, or obtains it anew if revision is newer than the stored one. It returns when
// that is recorded. Another connectionUID than the stored one means another connection of the same name: the token
// starts anew. Repeating a call changes nothing.
func (s *Service) Authorize(ctx context.Context, key Key, connectionUID string, revision int64) (Token, error) {
	return s.update(ctx, key, func(r *Record) error {
		now := s.p.Now()
		if !r.Exists || r.Token.ConnectionUID != connectionUID {
			r.startAnew(connectionUID, now)
		} else if revision <= r.Token.Revision {
			return ErrUnchanged
		}
		r.Token.authorize(revision, now)
		return nil
	})
}

// Deauthorize forgets a token's secrets and stops obtaining new ones. With another connectionUID than the stored one, or an
// older revision, it changes nothing; nor does repeating it. With revoke, what is forgotten is revoked at the server in the background.
func (s *Service) Deauthorize(ctx context.Context, key Key, connectionUID string, revision int64, revoke bool) (t Token, err error) {
	err = s.ending(ctx, key, connectionUID, revoke, func(revocation *Revocation) (bool, error) {
		t, err = s.update(ctx, key, s.deauthorization(connectionUID, revision, revocation))
		if errors.Is(err, errStale) {
			return false, nil
		}
		return true, err
	})
	return t, err
}

// maxEndings bounds how often an ending is tried again because a generation was made meanwhile.
const maxEndings = 10

// ending calls end with the revocation of what is held, nil for nothing, until it reports that it was of the generation at hand.
func (s *Service) ending(ctx context.Context, key Key, connectionUID string, revoke bool, end func(*Revocation) (bool, error)) error {
	for range maxEndings {
		var revocation *Revocation
		if revoke {
			held, err := s.p.Store.Get(ctx, key)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if err == nil && held.ConnectionUID == connectionUID {
				revocation = held.ended(s.p.Now())
			}
		}
		done, err := end(revocation)
		if err != nil {
			return err
		}
		if done {
			if revocation != nil {
				s.revocationStored()
			}
			return nil
		}
	}
	return errStale
}

// deauthorization is the change that Deauthorize makes. It fails with errStale if the revocation is not of the generation at hand.
func (s *Service) deauthorization(connectionUID string, revision int64, revocation *Revocation) func(*Record) error {
	return func(r *Record) error {
		now := s.p.Now()
		t := &r.Token
		switch {
		case !r.Exists: // remembered, so that an Authorize that was overtaken does not start it
			r.startAnew(connectionUID, now)
		case t.ConnectionUID != connectionUID, revision < t.Revision,
			revision == t.Revision && t.State == StateDeauthorized && t.Reason == ReasonDeauthorized:
			return ErrUnchanged
		case revocation != nil && revocation.Generation != t.Generation:
			return errStale
		}
		if r.Open != nil && r.Open.State.Open() {
			ended := *r.Open
			ended.end(RotationAbandoned, now)
			if r.Open.resolve() == resolveLost {
				ended.State = RotationLost
			}
			r.Journal = append(r.Journal, ended)
		}
		t.deauthorize(revision, now)
		r.Credential, r.Revoke = &Credential{}, revocation
		return nil
	}
}

// startAnew makes the record that of a connection that has had no token yet.
func (r *Record) startAnew(connectionUID string, now time.Time) {
	// The count of versions goes on from a clock's, so that a successor's state is newer than any of a deleted token;
	// and the fence goes on, so that nobody who worked for the predecessor can write.
	version, fence := r.Token.Version, r.Token.Lease.Fence
	former := r.Token
	if !r.Exists {
		version = now.UnixMicro()
	}
	r.ForgetJournal = r.Exists
	r.Credential = &Credential{}
	r.Open = nil
	r.Token = Token{Key: r.Token.Key, ConnectionUID: connectionUID, Version: version, Lease: Lease{Fence: fence}, StateTime: now}
	// A refresh token that the predecessor spent is spent for everyone.
	r.Token.SpentSeeds = former.SpentSeeds
	r.Token.RedeemedAt, r.Token.RedeemedFingerprint = former.RedeemedAt, former.RedeemedFingerprint
}

// Delete removes a token and its history; watchers end. With another connectionUID than the stored one it changes nothing. With revoke, what is
// held is revoked at the server in the background.
func (s *Service) Delete(ctx context.Context, key Key, connectionUID string, revoke bool) error {
	var deleted bool
	var version int64
	err := s.ending(ctx, key, connectionUID, revoke, func(revocation *Revocation) (done bool, err error) {
		deleted, version, err = s.p.Store.Delete(ctx, key, connectionUID, revocation)
		return deleted || revocation == nil, err
	})
	if err != nil || !deleted {
		return err
	}
	s.enqueueAt(key, version, time.Time{}, time.Time{}, time.Time{})
	s.publishDeleted(key, version)
	return nil
}

// ReportRejected tells that an API refused the credential with this fingerprint although it seemed valid. If it is the
// current one, the next generation is obtained; any number of reports of one generation cause one refresh. current says
// whether it was, generation which one is current.
func (s *Service) ReportRejected(ctx context.Context, key Key, fingerprint string) (current bool, generation int64, err error) {
	t, err := s.update(ctx, key, func(r *Record) error {
		if !r.Exists || r.Token.Fingerprint == "" || r.Token.Fingerprint != fingerprint || !r.Token.reject(s.p.Now()) {
			return ErrUnchanged
		}
		// Watchers see the refresh when it is there. Until then nothing that they see is different but the time of the
		// next attempt.
		return nil
	})
	if err != nil {
		return false, 0, err
	}
	return t.Fingerprint != "" && t.Fingerprint == fingerprint, t.Generation, nil
}

// SimulateExpiry treats the current generation as if it expired after expireIn. It never lengthens its life. Errors:
// ErrStateConflict if there is no valid token or it does not expire.
func (s *Service) SimulateExpiry(ctx context.Context, key Key, expireIn time.Duration) (Token, error) {
	_, err := s.update(ctx, key, func(r *Record) error {
		if !r.Exists {
			return ErrUnchanged
		}
		changed, err := r.Token.simulate(expireIn, s.p.Now())
		if err == nil && !changed {
			return ErrUnchanged
		}
		return err
	})
	if err != nil {
		return Token{}, err
	}
	t, err := s.p.Store.Get(ctx, key)
	if err != nil {
		return Token{}, err
	}
	return t.Revealed(s.p.Now()), nil
}

// Rotations returns up to limit rotations of a token, newest first, older than the one with id before; "" starts.
func (s *Service) Rotations(ctx context.Context, key Key, before string, limit int) ([]Rotation, error) {
	return s.p.Store.Rotations(ctx, key, before, limit)
}

// maxRecord is more than the journal keeps of a token.
const maxRecord = 1000

// Record returns what is held of a token, without its credential, and its whole journal, newest first. It has no effect on the token: nothing
// is obtained for it. Errors: ErrNotFound.
func (s *Service) Record(ctx context.Context, key Key) (Token, []Rotation, error) {
	t, err := s.p.Store.Get(ctx, key)
	if err != nil {
		return Token{}, nil, err
	}
	t.Credential = Credential{}
	journal, err := s.p.Store.Rotations(ctx, key, "", maxRecord)
	return t, journal, err
}

// Trial is how a token request went.
type Trial struct {
	// Failure says what went wrong; nil if a token was obtained.
	Failure *Failure
	// Sent tells whether the request left, HTTPStatus what was answered.
	Sent       bool
	HTTPStatus int
	// Issued describes the token obtained. It has no secrets: they were thrown away.
	Issued Issued
	// Duration of the request.
	Duration time.Duration
}

// Try makes one token request with the given settings, says how it went and throws the token away. It stores nothing. Errors:
// ErrUnsupported if no request is made for that kind of grant, or if it would spend what the connection lives on: a refresh token, a code, or
// the token in use where the server ends it with the next one.
func (s *Service) Try(ctx context.Context, settings Settings) (Trial, error) {
	old := settings.OAuth2.Provider.OldAccessToken
	if settings.Kind.Static() || settings.Kind.Redeems() || old == Killed || old == Leeway {
		return Trial{}, ErrUnsupported
	}
	start := s.p.Now()
	ctx, cancel := context.WithTimeout(ctx, s.p.RequestTimeout)
	defer cancel()
	var grant Grant
	if settings.OAuth2.DPoP != "" {
		key, err := dpop.NewKey(settings.OAuth2.DPoP)
		if err != nil {
			return Trial{}, err
		}
		grant.Key = key
	}
	answer, err := s.p.Exchanger.Exchange(ctx, settings.OAuth2, grant)
	if err == nil && answer.Challenged {
		answer, err = s.p.Exchanger.Exchange(ctx, settings.OAuth2, grant)
	}
	trial := Trial{Duration: s.p.Now().Sub(start), HTTPStatus: answer.HTTPStatus, Sent: err == nil}
	if err == nil {
		trial.Issued, err = s.p.Exchanger.Read(answer, settings.OAuth2, grant)
		trial.Issued.AccessToken, trial.Issued.RefreshToken = Credential{}.AccessToken, Credential{}.RefreshToken
	}
	if err == nil {
		return trial, nil
	}
	if !errors.As(err, &trial.Failure) {
		return Trial{}, err
	}
	trial.Sent = trial.Failure.Sent
	return trial, nil
}
