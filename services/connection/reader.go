package connection

import (
	"context"
	"fmt"
)

// Reader reads settings with their secrets for one question about several connections and grants: a connection that more than one of them is of is
// read once. It is for one goroutine, and for a moment.
type Reader struct {
	s    *Service
	read map[Name]readConnection
}

type readConnection struct {
	connection Connection
	err        error
}

// Reader returns a Reader that has read nothing.
func (s *Service) Reader() *Reader { return &Reader{s: s, read: map[Name]readConnection{}} }

// Settings returns a connection with its secrets, and what the catalogue says filled in. The caller must not change it.
//
// Errors: ErrNotFound, also for a connection that is being deleted; ErrSecretsUnreadable; [*UnknownProviderError] and [*ValidationError] of one
// that does not fit the catalogue any more.
func (r *Reader) Settings(ctx context.Context, name Name) (Connection, error) {
	known, ok := r.read[name]
	if !ok {
		known.connection, known.err = r.s.Settings(ctx, name)
		r.read[name] = known
	}
	return known.connection, known.err
}

// GrantSettings returns a grant with its credential and the settings that its token is obtained with, secrets included. The caller must not change
// them.
//
// Errors: ErrGrantNotFound, also for a grant that is being deleted or was revoked; those of Settings.
func (r *Reader) GrantSettings(ctx context.Context, name GrantName) (Grant, Settings, error) {
	g, err := r.s.grants.GetGrantWithCredential(ctx, name)
	if err != nil {
		return Grant{}, Settings{}, err
	}
	if g.State == StateDeleting || g.Credential.IsZero() {
		return Grant{}, Settings{}, fmt.Errorf("%w: %s has no credential", ErrGrantNotFound, name)
	}
	c, err := r.Settings(ctx, name.Connection)
	if err != nil {
		return Grant{}, Settings{}, err
	}
	return g, g.settings(c.Settings), nil
}
