package token

import (
	"context"

	"github.com/freshet-io/freshet/services/token/oauth1"
)

// Signature is what signs one request.
type Signature struct {
	// Authorization is the value of the header of that name.
	Authorization string
	// Generation and Fingerprint of the token that it is for.
	Generation  int64
	Fingerprint string
}

// Sign signs a request with the current credential (RFC 5849). A fingerprint, unless empty, must be that of the credential.
//
// Errors: ErrNotFound; [*NotUsableError]; ErrSuperseded; ErrNotSigned; those of oauth1.
func (s *Service) Sign(ctx context.Context, key Key, request oauth1.Request, fingerprint string) (Signature, error) {
	t, err := s.load(ctx, key)
	if err != nil {
		return Signature{}, err
	}
	now := s.p.Now()
	if !t.ValidAt(now) {
		return Signature{}, t.notUsable(now)
	}
	if fingerprint != "" && fingerprint != t.Fingerprint {
		return Signature{}, ErrSuperseded
	}
	if t.Credential.OAuth1.IsZero() {
		return Signature{}, ErrNotSigned
	}
	header, err := t.Credential.OAuth1.Header(request, now)
	if err != nil {
		return Signature{}, err
	}
	return Signature{Authorization: header, Generation: t.Generation, Fingerprint: t.Fingerprint}, nil
}
