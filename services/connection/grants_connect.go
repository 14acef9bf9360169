package connection

import (
	"context"
	"fmt"
	"maps"
	"sync"
)

// This file is what package connect needs of grants.

// UsersConnection returns a connection that can have grants with its secrets, what its provider has for it filled in.
//
// Errors: ErrNotFound, ErrDeleting, ErrNoUsers; those of [Service.Settings].
func (s *Service) UsersConnection(ctx context.Context, name Name) (Connection, error) {
	return s.users(ctx, name, s.store.GetWithSecrets)
}

func (s *Service) users(ctx context.Context, name Name, get func(context.Context, Name) (Connection, error)) (Connection, error) {
	c, err := get(ctx, name)
	switch {
	case err != nil:
		return Connection{}, err
	case c.State == StateDeleting:
		return Connection{}, fmt.Errorf("%w: %s", ErrDeleting, name)
	case !c.Settings.OAuth2.Users:
		return Connection{}, fmt.Errorf("%w: %s", ErrNoUsers, name)
	}
	c.Settings, err = s.filled(c.Settings)
	return c, err
}

// GetGrantWithCredential returns a grant with its credential. Errors: ErrGrantNotFound, ErrSecretsUnreadable.
func (s *Service) GetGrantWithCredential(ctx context.Context, name GrantName) (Grant, error) {
	return s.grants.GetGrantWithCredential(ctx, name)
}

// SetGrantAccount records what was found out of the account of the grant with that UID; one that is gone is no error.
func (s *Service) SetGrantAccount(ctx context.Context, name GrantName, uid string, account map[string]string) error {
	return s.changeGrant(ctx, name, func(g Grant) Grant {
		if g.UID == uid {
			g.Account = maps.Clone(account)
		}
		return g
	})
}

// GrantsChanged returns a channel that is closed when this process writes a grant next.
func (s *Service) GrantsChanged() <-chan struct{} { return s.grantsChanged.next() }

// changes tells those who wait of the next one. Its zero value is ready.
type changes struct {
	mu      sync.Mutex
	waiting chan struct{} // nil: nobody waits
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(chan struct{})
	}
	return c.waiting
}

func (c *changes) happened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		close(c.waiting)
		c.waiting = nil
	}
}

// AnswerCaptures returns what is kept of the token answers of a grant besides the token. Errors: those of the catalogue.
func (s *Service) AnswerCaptures(of Settings) ([]AnswerCapture, error) {
	if of.Preset() == "" {
		return nil, nil
	}
	return s.catalog.AnswerCaptures(of.OAuth2.Preset)
}
