package connection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/oklog/ulid/v2"
)

// GrantDraft is a grant to be created.
type GrantDraft struct {
	Name       GrantName
	EndUser    string
	Metadata   map[string]string
	Credential GrantCredential
}

// CreateGrant stores a grant and has its token kept. With validateOnly it only checks, and returns what would be stored, without UID.
//
// Errors: ErrNotFound for the connection, ErrNoUsers, ErrDeleting, *ValidationError, ErrExists.
func (s *Service) CreateGrant(ctx context.Context, d GrantDraft, validateOnly bool) (Grant, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	g := Grant{
		Name: d.Name, EndUser: d.EndUser, Metadata: maps.Clone(d.Metadata), Credential: d.Credential, Revision: 1, ConfigVersion: 1,
		State: StateCreating, Reason: ReasonTokenNotReady, Pending: PendingAuthorize, CreateTime: now, UpdateTime: now, StateTime: now,
	}
	if !validateOnly {
		g.UID = ulid.Make().String()
	}
	g, err := untilFresh(ctx, func() (Grant, error) {
		of, err := s.ofUsers(ctx, d.Name.Connection)
		if err != nil {
			return Grant{}, err
		}
		if err := d.Credential.check(of.Settings, now); err != nil {
			return Grant{}, err
		}
		switch taken, err := s.grants.GetGrant(ctx, d.Name); {
		case err == nil && taken.State == StateDeleting:
			return Grant{}, fmt.Errorf("%w: %s", ErrDeleting, d.Name)
		case err == nil:
			return Grant{}, fmt.Errorf("%w: %s", ErrExists, d.Name)
		case !errors.Is(err, ErrGrantNotFound):
			return Grant{}, err
		}
		if validateOnly {
			return g, nil
		}
		return s.saveGrant(ctx, Grant{}, g, func(ctx context.Context, g Grant, e *StateEvent) error {
			return s.grants.CreateGrant(ctx, g, of.UID, e)
		})
	})
	if err != nil || validateOnly {
		return g.withoutSecrets(), err
	}
	tellFirst(ctx, s, s.pendingGrants, g.Name, s.driveGrant)
	return g.withoutSecrets(), nil
}

// ofUsers returns a connection that can have grants, without its secrets.
func (s *Service) ofUsers(ctx context.Context, name Name) (Connection, error) {
	return s.users(ctx, name, s.store.Get)
}

// GetGrant returns a grant without its credential, or ErrGrantNotFound.
func (s *Service) GetGrant(ctx context.Context, name GrantName) (Grant, error) {
	return s.grants.GetGrant(ctx, name)
}

// ListGrants returns grants of a project without their credentials, in the order that [GrantQuery] says.
func (s *Service) ListGrants(ctx context.Context, project string, q GrantQuery) ([]Grant, error) {
	return s.grants.ListGrants(ctx, project, q)
}

// GrantSettings is that of a [Reader].
func (s *Service) GrantSettings(ctx context.Context, name GrantName) (Grant, Settings, error) {
	return s.Reader().GrantSettings(ctx, name)
}

// GrantUpdate is a change of a grant. Nil members stay as they are.
type GrantUpdate struct {
	ETag         string // compared with the stored one unless it is empty
	EndUser      *string
	Metadata     *map[string]string
	Credential   *GrantCredential // takes the place of what there was
	ValidateOnly bool
}

// UpdateGrant changes a grant. With a new credential its token is obtained anew, until which the former one stays in use.
//
// Errors: ErrGrantNotFound, ErrDeleting, ErrETag, *ValidationError.
func (s *Service) UpdateGrant(ctx context.Context, name GrantName, u GrantUpdate) (Grant, error) {
	g, err := untilFresh(ctx, func() (Grant, error) { return s.tryUpdateGrant(ctx, name, u) })
	if err == nil && !u.ValidateOnly && g.Pending != PendingNothing {
		tellFirst(ctx, s, s.pendingGrants, name, s.driveGrant)
	}
	return g.withoutSecrets(), err
}

func (s *Service) tryUpdateGrant(ctx context.Context, name GrantName, u GrantUpdate) (Grant, error) {
	stored, err := s.grants.GetGrant(ctx, name)
	if err != nil {
		return Grant{}, err
	}
	if err := stored.checkWritable(u.ETag); err != nil {
		return Grant{}, err
	}
	next, write := stored, s.grants.UpdateGrant
	if u.EndUser != nil {
		next.EndUser = *u.EndUser
	}
	if u.Metadata != nil {
		next.Metadata = maps.Clone(*u.Metadata)
	}
	if u.Credential == nil && next.EndUser == stored.EndUser && maps.Equal(next.Metadata, stored.Metadata) {
		return stored, nil
	}
	next.ConfigVersion++
	next.UpdateTime = s.now().UTC().Truncate(time.Microsecond)
	if u.Credential != nil {
		of, err := s.ofUsers(ctx, name.Connection)
		if err != nil {
			return Grant{}, err
		}
		if err := u.Credential.check(of.Settings, next.UpdateTime); err != nil {
			return Grant{}, err
		}
		next.Credential = *u.Credential
		state, reason := StateUpdating, Reason("")
		if stored.State != StateAuthorized && stored.State != StateUpdating {
			state, reason = StateAuthorizing, ReasonTokenNotReady
		}
		next = s.enterGrant(next, state, reason, "").wanting(PendingAuthorize, false)
		write = s.grants.UpdateCredential
	}
	if u.ValidateOnly {
		return next, nil
	}
	return s.saveGrant(ctx, stored, next, write)
}

// RevokeGrant has a grant's credential forgotten, and revoked at the authorization server.
//
// Errors: ErrGrantNotFound, ErrDeleting.
func (s *Service) RevokeGrant(ctx context.Context, name GrantName) (Grant, error) {
	g, err := untilFresh(ctx, func() (Grant, error) {
		stored, err := s.grants.GetGrant(ctx, name)
		if err != nil {
			return Grant{}, err
		}
		if err := stored.checkWritable(""); err != nil {
			return Grant{}, err
		}
		if stored.Revoked() {
			return stored, nil
		}
		next := s.enterGrant(stored, StateDeauthorizing, ReasonDeauthorized, "").wanting(PendingDeauthorize, true)
		next.ExpireTime = time.Time{}
		return s.saveGrant(ctx, stored, next, s.grants.UpdateCredential) // which is none now
	})
	if err == nil && g.Pending != PendingNothing {
		tellFirst(ctx, s, s.pendingGrants, name, s.driveGrant)
	}
	return g, err
}

// Revoked reports whether somebody has ended the grant, as [Service.RevokeGrant] does.
func (g Grant) Revoked() bool {
	return g.State == StateDeauthorizing || g.State == StateDeauthorized && g.Reason == ReasonDeauthorized
}

// DeleteGrant has a grant, its credential and its token removed and, with revoke, the credential revoked at the authorization server. Until the
// token service has done its part, it is DELETING; deleting it again then changes nothing.
//
// Errors: ErrGrantNotFound, ErrETag.
func (s *Service) DeleteGrant(ctx context.Context, name GrantName, etag string, revoke bool) (Grant, error) {
	return untilFresh(ctx, func() (Grant, error) {
		stored, err := s.grants.GetGrant(ctx, name)
		if err != nil {
			return Grant{}, err
		}
		if err := stored.checkWritable(etag); err != nil && !errors.Is(err, ErrDeleting) {
			return Grant{}, err
		}
		if stored.State == StateDeleting {
			return stored, nil
		}
		next := s.enterGrant(stored, StateDeleting, "", "")
		next.Pending, next.Revoke = PendingDelete, revoke
		return s.saveGrant(ctx, stored, next, s.grants.UpdateGrant)
	})
}

// checkWritable says why a caller may not change the grant.
func (g Grant) checkWritable(etag string) error {
	if etag != "" && etag != g.ETag() {
		return fmt.Errorf("%w: %s", ErrETag, g.Name)
	}
	if g.State == StateDeleting {
		return fmt.Errorf("%w: %s", ErrDeleting, g.Name)
	}
	return nil
}

// wanting begins a new revision, which the token service is to be told of.
func (g Grant) wanting(p Pending, revoke bool) Grant {
	g.Pending, g.Revoke = p, revoke
	g.Revision++
	g.Seen = Seen{}
	return g
}

// enterGrant puts the grant into a state, also if it is in it already: something new is started.
func (s *Service) enterGrant(g Grant, state State, reason Reason, message string) Grant {
	g.State, g.Reason, g.Message, g.StateTime = state, reason, message, s.after(g.StateTime)
	return g
}

// saveGrant writes next, which was made from stored, with its event.
func (s *Service) saveGrant(
	ctx context.Context, stored, next Grant, write func(context.Context, Grant, *StateEvent) error,
) (Grant, error) {
	if !next.ExpireTime.Equal(stored.ExpireTime) {
		var err error
		if next.WarningTime, err = s.nextGrantWarning(ctx, next); err != nil {
			return Grant{}, err
		}
	}
	e := grantEvent(ulid.Make().String(), stored, next)
	if err := write(ctx, next, e); err != nil {
		return Grant{}, err
	}
	next.RowVersion++
	s.grantsChanged.happened()
	if next.Pending != PendingNothing {
		s.pendingGrants.add(next.Name)
	}
	if e != nil {
		s.wakeAnnouncer()
		s.logger.InfoContext(ctx, "grant state changed", "grant", next.Name.String(), "state", string(next.State),
			"previous", string(e.Previous), "reason", string(next.Reason), "message", next.Message, "revision", next.Revision)
	}
	return next.withoutSecrets(), nil
}
