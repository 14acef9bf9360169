package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// maxConflicts bounds how often a change is tried again because others wrote the same connection meanwhile. Those are the reports about
// its token and other callers: a handful.
const maxConflicts = 20

// Update is a change of description and settings.
type Update struct {
	// ETag is compared with the stored one unless it is empty.
	ETag string
	// Edit returns the changed connection, given the stored one without secrets. Only Description and Settings are taken from it. Empty
	// secrets keep their stored value, as KeepingSecrets has it. It may be called more than once.
	Edit func(Connection) (Connection, error)
	// RemoveSecrets are field paths of secrets that are removed instead of kept if Edit leaves them empty and the settings can do
	// without: "oauth2.alternate_client_secret".
	RemoveSecrets []string
	// ValidateOnly has everything checked and nothing stored.
	ValidateOnly bool
}

// Update changes a connection. A change of the settings has a token obtained anew, until which the former one stays in use.
//
// Errors: ErrNotFound, ErrDeleting, ErrETag, *ValidationError, *UnknownProviderError, ErrSecretsUnreadable if a secret is to be kept that cannot be opened, and
// those of Edit.
func (s *Service) Update(ctx context.Context, name Name, u Update) (Connection, error) {
	c, err := untilFresh(ctx, func() (Connection, error) { return s.tryUpdate(ctx, name, u) })
	if err == nil && !u.ValidateOnly {
		s.tellFirst(ctx, c)
	}
	return c, err
}

// tryUpdate is Update as long as nobody else writes the connection meanwhile.
func (s *Service) tryUpdate(ctx context.Context, name Name, u Update) (Connection, error) {
	stored, secretsErr := s.store.GetWithSecrets(ctx, name)
	if errors.Is(secretsErr, ErrSecretsUnreadable) {
		// The description can be changed, and all secrets given anew.
		var err error
		if stored, err = s.store.Get(ctx, name); err != nil {
			return Connection{}, err
		}
	} else if secretsErr != nil {
		return Connection{}, secretsErr
	}
	if err := checkWritable(stored, u.ETag); err != nil {
		return Connection{}, err
	}
	edited, err := u.Edit(stored.withoutSecrets())
	if err != nil {
		return Connection{}, err
	}
	if edited.Settings, err = s.settled(edited.Settings); err != nil {
		return Connection{}, err
	}
	if v := edited.Settings.revealed(stored.Settings); len(v) > 0 {
		return Connection{}, &ValidationError{Violations: v}
	}
	next := stored
	next.Description = edited.Description
	edited.Settings.OAuth2.Users = stored.Settings.OAuth2.Users
	next.Settings = edited.Settings.KeepingSecrets(stored.Settings, u.RemoveSecrets...)
	if err := next.Settings.checkUsers(); err != nil {
		return Connection{}, err
	}
	return s.update(ctx, stored, next, secretsErr, u.ValidateOnly)
}

// update checks and stores an edited connection. secretsErr says that the secrets of stored are missing.
func (s *Service) update(ctx context.Context, stored, next Connection, secretsErr error, validateOnly bool) (Connection, error) {
	changed := !next.Settings.Equal(stored.Settings)
	if changed && secretsErr != nil && len(next.Settings.missingSecrets()) > 0 {
		return Connection{}, secretsErr
	}
	if changed {
		if err := s.validate(next.Settings); err != nil {
			return Connection{}, err
		}
	} else if next.Description == stored.Description {
		return stored.withoutSecrets(), nil
	}
	next.ConfigVersion++
	next.UpdateTime = s.now().UTC().Truncate(time.Microsecond)
	if changed && !next.Settings.OAuth2.Users {
		next = s.enter(next, StateUpdating, "", "").wanting(PendingAuthorize)
	}
	if validateOnly {
		return next.withoutSecrets(), nil
	}
	if !changed {
		return s.save(ctx, stored, next, s.store.Update)
	}
	updated, err := s.save(ctx, stored, next, s.store.UpdateSettings)
	if err == nil {
		s.remark(ctx, updated)
	}
	return updated, err
}

// Authorize has a token obtained with the stored settings, whatever the state.
//
// Errors: ErrNotFound, ErrDeleting, ErrOfUsers.
func (s *Service) Authorize(ctx context.Context, name Name) (Connection, error) {
	return s.changeAndTell(ctx, name, func(c Connection) (Connection, error) {
		if err := checkOwnToken(c); err != nil {
			return c, err
		}
		if c.State == StateAuthorizing && c.Pending == PendingAuthorize {
			return c, nil // the same was asked for, and was not begun
		}
		return s.enter(c, StateAuthorizing, ReasonTokenNotReady, "").wanting(PendingAuthorize), nil
	})
}

// Deauthorize has the token forgotten. Settings and secrets stay.
//
// Errors: ErrNotFound, ErrDeleting, ErrOfUsers.
func (s *Service) Deauthorize(ctx context.Context, name Name) (Connection, error) {
	return s.changeAndTell(ctx, name, func(c Connection) (Connection, error) {
		if err := checkOwnToken(c); err != nil {
			return c, err
		}
		if c.State == StateDeauthorizing || c.State == StateDeauthorized && c.Reason == ReasonDeauthorized {
			return c, nil
		}
		// The new revision has a report that the token is good, which may be on its way, ignored.
		return s.enter(c, StateDeauthorizing, ReasonDeauthorized, "").wanting(PendingDeauthorize), nil
	})
}

// Delete has the connection, its secrets and its token removed. Until the token service has done its part, it is DELETING; deleting it
// again then changes nothing.
//
// Errors: ErrNotFound, ErrETag, ErrInUse.
func (s *Service) Delete(ctx context.Context, name Name, etag string) (Connection, error) {
	return s.change(ctx, name, func(c Connection) (Connection, error) {
		if err := checkWritable(c, etag); err != nil && !errors.Is(err, ErrDeleting) {
			return c, err
		}
		if c.State == StateDeleting {
			return c, nil
		}
		c = s.enter(c, StateDeleting, "", "")
		c.Pending = PendingDelete
		return c, nil
	})
}

// checkUsers keeps a connection of users one, and others others.
func (s *Settings) checkUsers() error {
	a := &s.OAuth2
	if a.Users == s.ofUsers() || !a.Users && (s.Kind != KindOAuth2 || a.GrantType != CodeGrant || !a.Code.Code.IsZero() || a.Code.RedirectURI != "") {
		return nil
	}
	field, description := "oauth2.grant_type", "must stay AUTHORIZATION_CODE, and oauth2.authorization_code unset: a connection of users stays one"
	if !a.Users {
		field, description = "oauth2.authorization_code", "is required: a connection with a token of its own stays one"
	}
	return &ValidationError{Violations: []Violation{{field, description}}}
}

// checkOwnToken says why a caller may not change what becomes of the connection's own token.
func checkOwnToken(c Connection) error {
	if err := checkWritable(c, ""); err != nil {
		return err
	}
	if c.Settings.OAuth2.Users {
		return fmt.Errorf("%w: %s", ErrOfUsers, c.Name)
	}
	return nil
}

// checkWritable says why a caller may not change the connection.
func checkWritable(c Connection, etag string) error {
	if etag != "" && etag != c.ETag() {
		return fmt.Errorf("%w: %s", ErrETag, c.Name)
	}
	if c.State == StateDeleting {
		return fmt.Errorf("%w: %s", ErrDeleting, c.Name)
	}
	return nil
}

// enter puts the connection into a state, also if it is in it already: something new is started.
func (s *Service) enter(c Connection, state State, reason Reason, message string) Connection {
	c.State, c.Reason, c.Message, c.StateTime = state, reason, message, s.after(c.StateTime)
	return c
}

// after is the present, but later than the given time: two changes may come at once, or the clock be set back, or another replica's.
func (s *Service) after(before time.Time) time.Time {
	now := s.now().UTC().Truncate(time.Microsecond)
	if !now.After(before) {
		now = before.Add(time.Microsecond)
	}
	return now
}

// wanting begins a new revision, which the token service is to be told of.
func (c Connection) wanting(p Pending) Connection {
	c.Pending = p
	c.Revision++
	c.Seen = Seen{}
	if p == PendingDeauthorize {
		c.GrantExpireTime, c.GrantWarningTime = time.Time{}, time.Time{}
	}
	return c
}

// change applies edit to the stored connection and writes the outcome, unless edit changes nothing. Settings stay as they are.
func (s *Service) change(ctx context.Context, name Name, edit func(Connection) (Connection, error)) (Connection, error) {
	return untilFresh(ctx, func() (Connection, error) {
		stored, err := s.store.Get(ctx, name)
		if err != nil {
			return Connection{}, err
		}
		next, err := edit(stored)
		if err != nil {
			return Connection{}, err
		}
		if sameState(stored, next) {
			return stored, nil
		}
		return s.save(ctx, stored, next, s.store.Update)
	})
}

// changeAndTell is change for callers who want to watch the token once they are answered.
func (s *Service) changeAndTell(ctx context.Context, name Name, edit func(Connection) (Connection, error)) (Connection, error) {
	c, err := s.change(ctx, name, edit)
	if err == nil {
		s.tellFirst(ctx, c)
	}
	return c, err
}

// sameState compares what change may change.
func sameState(a, b Connection) bool {
	return a.State == b.State && a.Reason == b.Reason && a.Message == b.Message && a.Pending == b.Pending && a.Revision == b.Revision &&
		a.Seen == b.Seen && a.GrantExpireTime.Equal(b.GrantExpireTime) && a.GrantWarningTime.Equal(b.GrantWarningTime)
}

// save writes next, which was made from stored, with its event.
func (s *Service) save(
	ctx context.Context, stored, next Connection, write func(context.Context, Connection, *StateEvent) error,
) (Connection, error) {
	e := event(ulid.Make().String(), stored, next)
	if err := write(ctx, next, e); err != nil {
		return Connection{}, err
	}
	next.RowVersion++
	s.committed(ctx, next, e)
	return next.withoutSecrets(), nil
}

// untilFresh repeats try while others write the same connection or grant.
func untilFresh[T any](ctx context.Context, try func() (T, error)) (T, error) {
	var zero T
	for range maxConflicts {
		if err := ctx.Err(); err != nil {
			return zero, err
		}
		c, err := try()
		if !errors.Is(err, ErrStale) {
			return c, err
		}
	}
	return zero, fmt.Errorf("connection: gave up after %d conflicting writes: %w", maxConflicts, ErrStale)
}
