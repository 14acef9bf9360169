package token

import (
	"context"

	"github.com/freshet-io/freshet/services/token/dpop"
)

// This file is about the keys that tokens are bound to (RFC 9449). A key lives as long as its grant: servers bind the refresh tokens of public
// clients to it (section 5), so that another key would end the grant. It is durable before the first request that proves possession of it,
// and stays with the generation that was obtained with it.

// NextKey is a key that no generation is bound to yet.
type NextKey struct {
	Key dpop.Key
	// Seed is that of the grant, as in Credential.Seed.
	Seed string
}

// loadKey finds the key that the attempt proves possession of, or makes it.
func (r *rotation) loadKey(ctx context.Context, stored *Token) error {
	held := NextKey{Key: stored.Credential.Key, Seed: stored.Credential.Seed}
	if r.answer != nil {
		return r.keyThen(held, stored.NextKey)
	}
	r.entry.KeyThumbprint = ""
	algorithm := r.settings.OAuth2.DPoP
	if algorithm == "" {
		return nil
	}
	for _, known := range []NextKey{held, stored.NextKey} {
		if r.serves(known, algorithm) {
			r.prove(known.Key)
			return nil
		}
	}
	key, err := dpop.NewKey(algorithm)
	if err != nil {
		return ours(err, r.s.p.Now())
	}
	if err := r.keepKey(ctx, NextKey{Key: key, Seed: r.redeems.seed}); err != nil {
		return err
	}
	r.prove(key)
	return nil
}

// serves reports whether a key is that of the grant. Where there are no refresh tokens that may be bound to it, it must also be of the algorithm
// that the settings want now.
func (r *rotation) serves(known NextKey, algorithm dpop.Algorithm) bool {
	return !known.Key.IsZero() && known.Seed == r.redeems.seed && (r.settings.Kind.Redeems() || known.Key.Algorithm == algorithm)
}

// prove makes the attempt one that proves possession of a key.
func (r *rotation) prove(key dpop.Key) {
	r.redeems.grant.Key = key
	r.entry.KeyThumbprint = key.Thumbprint
}

// keepKey makes a key durable. Without that nothing is bound to it.
func (r *rotation) keepKey(ctx context.Context, next NextKey) error {
	writing, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := r.write(writing, func(rec *Record) {
		rec.Quiet = true
		rec.NextKey = &next
	})
	if unavailable(err) {
		return &Failure{
			Class: ClassOurs, Reason: ReasonStoreUnavailable, Message: "the store is unavailable; nothing was asked for with a key that might not be kept",
			Time: r.s.p.Now(),
		}
	}
	if err != nil {
		return ours(err, r.s.p.Now())
	}
	return nil
}

// keyThen finds the key of the request whose stored answer was taken over.
func (r *rotation) keyThen(known ...NextKey) error {
	if r.entry.KeyThumbprint == "" {
		return nil
	}
	for _, k := range known {
		if k.Key.Thumbprint == r.entry.KeyThumbprint {
			r.redeems.grant.Key = k.Key
			return nil
		}
	}
	return &Failure{
		Class: ClassOurs, Reason: ReasonSecretUnreadable, Message: "the key of a stored answer cannot be opened with the present master key",
		Time: r.s.p.Now(), Sent: true,
	}
}

// typeDPoP is the type of bound tokens, RFC 9449 section 5.
const typeDPoP = "DPoP"

// Bound returns the thumbprint of the key that the credential at hand is bound to; ok is false if it is bound to none.
func (t *Token) Bound() (thumbprint string, ok bool) {
	if t.Credential.Key.IsZero() || t.TokenType != typeDPoP {
		return "", false
	}
	return t.Credential.Key.Thumbprint, true
}

// BindingDeclined reports whether the server was asked for a bound token and issued another one.
func (t *Token) BindingDeclined() bool {
	return !t.Credential.Key.IsZero() && t.TokenType != typeDPoP
}

// ProofRequest says what a proof is for.
type ProofRequest struct {
	// Method and URL of the request.
	Method, URL string
	// Nonce is the latest of the server that it goes to; empty: it gave none.
	Nonce string
	// Fingerprint of the credential that it carries; empty: the current one.
	Fingerprint string
}

// Proof is a proof of possession for one request.
type Proof struct {
	Text string
	// Generation and Fingerprint of the token that it is for.
	Generation  int64
	Fingerprint string
}

// Prove returns a proof of possession for a request with the current credential, RFC 9449 section 7.
//
// Errors: ErrNotFound; [*NotUsableError]; ErrSuperseded; ErrNotBound; dpop.ErrURL.
func (s *Service) Prove(ctx context.Context, key Key, request ProofRequest) (Proof, error) {
	t, err := s.load(ctx, key)
	if err != nil {
		return Proof{}, err
	}
	now := s.p.Now()
	if !t.ValidAt(now) {
		return Proof{}, t.notUsable(now)
	}
	if request.Fingerprint != "" && request.Fingerprint != t.Fingerprint {
		return Proof{}, ErrSuperseded
	}
	if _, bound := t.Bound(); !bound {
		return Proof{}, ErrNotBound
	}
	text, err := t.Credential.Key.Proof(dpop.Claims{
		Method: request.Method, URL: request.URL, Nonce: request.Nonce, AccessToken: t.Credential.AccessToken, Time: now,
	})
	if err != nil {
		return Proof{}, err
	}
	return Proof{Text: text, Generation: t.Generation, Fingerprint: t.Fingerprint}, nil
}
