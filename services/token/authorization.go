package token

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// PushAuthorization pushes the parameters of an authorization request (RFC 9126) as the client of the settings. Errors are [*Failure].
func (s *Service) PushAuthorization(ctx context.Context, of Settings, request map[string]string) (requestURI seal.Secret, lifetime time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.p.RequestTimeout)
	defer cancel()
	return s.p.Exchanger.Push(ctx, of.OAuth2, request)
}

// Captured returns what the answer told that made the token's generation, see OAuth2.Captures. Errors: ErrNotFound.
func (s *Service) Captured(ctx context.Context, key Key) (map[string]string, error) {
	t, err := s.p.Store.Get(ctx, key)
	return t.Credential.Captured, err
}
