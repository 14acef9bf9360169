package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery/signature"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// MaxSigningKeys is how many keys a destination has at most, those that have expired not counted.
const MaxSigningKeys = 10

// SigningKey signs what a destination is sent.
type SigningKey struct {
	Name       SigningKeyName
	Algorithm  signature.Algorithm
	PublicKey  string // empty for a shared secret
	CreateTime time.Time
	ExpireTime time.Time // zero: never
	Secret     seal.Secret
}

// NewSigningKey says what key is to be created.
type NewSigningKey struct {
	Algorithm signature.Algorithm // 0: that of Secret, else HMACSHA256
	Secret    seal.Secret         // zero: one is generated
	// RetireOthers, if not nil, is how long the other keys still sign.
	RetireOthers *time.Duration
}

// CreateSigningKey creates a key of a destination, and returns it with its secret; ErrDestinationNotFound, ErrLimit, an InvalidError.
func (s *Service) CreateSigningKey(ctx context.Context, on DestinationName, n NewSigningKey) (SigningKey, error) {
	material, err := n.key()
	if err != nil {
		return SigningKey{}, err
	}
	now := s.stamp()
	key := SigningKey{
		Name: SigningKeyName{on.Project, on.Destination, s.newID(now)}, Algorithm: material.Algorithm(),
		PublicKey: material.Public(), CreateTime: now,
	}
	key.Secret = material.Secret()
	var retire time.Time
	if n.RetireOthers != nil {
		retire = now.Add(*n.RetireOthers)
	}
	if err := s.store.AddSigningKey(ctx, key, now, retire, MaxSigningKeys); err != nil {
		return SigningKey{}, err
	}
	s.forgetLane(&on)
	return key, nil
}

// key generates or imports the key.
func (n *NewSigningKey) key() (signature.Key, error) {
	if n.Secret.IsZero() {
		if n.Algorithm == 0 {
			n.Algorithm = signature.HMACSHA256
		}
		return signature.Generate(n.Algorithm)
	}
	key, err := signature.Parse(n.Secret)
	switch {
	case errors.Is(err, signature.ErrKey):
		return key, invalid(KindField, "secret", err.Error())
	case err != nil:
		return key, err
	case n.Algorithm != 0 && n.Algorithm != key.Algorithm():
		return key, invalid(KindField, "algorithm", "the secret is of another one; leave it out")
	}
	return key, nil
}

// ListSigningKeys returns a destination's keys that have not expired, oldest first; ErrDestinationNotFound.
func (s *Service) ListSigningKeys(ctx context.Context, on DestinationName) ([]SigningKey, error) {
	if _, err := s.store.Destination(ctx, on); err != nil {
		return nil, err
	}
	return s.store.SigningKeys(ctx, on, s.stamp())
}

// DeleteSigningKey deletes a key; ErrSigningKeyNotFound.
func (s *Service) DeleteSigningKey(ctx context.Context, name SigningKeyName) error {
	if err := s.store.DeleteSigningKey(ctx, name); err != nil {
		return err
	}
	on := name.On()
	s.forgetLane(&on)
	return nil
}

// laneKey is a key as its lane needs it.
type laneKey struct {
	signature.Key
	expires time.Time // zero: never
}

// laneKeys reads the keys of a destination.
func (s *Service) laneKeys(ctx context.Context, on DestinationName) ([]laneKey, error) {
	stored, err := s.store.SigningKeys(ctx, on, s.stamp())
	if err != nil {
		return nil, err
	}
	keys := make([]laneKey, 0, len(stored))
	for i := range stored {
		k := &stored[i]
		key, err := signature.Parse(k.Secret)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
		keys = append(keys, laneKey{key, k.ExpireTime})
	}
	return keys, nil
}

// sign signs a request with the lane's active keys.
func (l *laneState) sign(r *Request, d *Delivery, now time.Time) {
	if len(l.keys) == 0 {
		return
	}
	active := make([]signature.Key, 0, len(l.keys))
	for _, k := range l.keys {
		if k.expires.IsZero() || now.Before(k.expires) {
			active = append(active, k.Key)
		}
	}
	signature.Sign(r.Header, active, d.ID.Delivery, now, r.Body)
}
