package connection

import (
	"context"
	"errors"
	"maps"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// This file is what keeps grants and their tokens together: the token service is told what is pending, and its reports are taken over. There can
// be a million grants, so nothing here reads them all.

const (
	// grantsMargin is how far before the newest report that was taken over the next listing begins: reports of the same time overtake each
	// other, and those of an expiry that was noticed late have the time of the expiry.
	grantsMargin = time.Hour

	modeWhileWatched = "WHILE_WATCHED"

	reasonTokenExpired Reason = "TOKEN_EXPIRED"
)

// driveGrant tells the token service what is pending for one grant, and records that it knows.
func (s *Service) driveGrant(ctx context.Context, name GrantName) (err error) {
	g, err := s.grants.GetGrant(ctx, name)
	if errors.Is(err, ErrGrantNotFound) {
		return nil
	}
	if err != nil || g.Pending == PendingNothing {
		return err
	}
	ctx, span := s.tracer.Start(ctx, "connection.tell", trace.WithAttributes(
		attribute.String("freshet.grant.name", name.String()),
		attribute.Int64("freshet.connection.revision", g.Revision),
		attribute.String("freshet.connection.pending", string(g.Pending))))
	defer func() {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}()
	status, err := s.tell(ctx, g.Pending, g.ref())
	if err != nil {
		return errors.Join(err, s.noteGrantUnreachable(ctx, g))
	}
	if g.Pending == PendingDelete {
		return s.grants.RemoveGrant(ctx, g)
	}
	told := g
	return s.changeGrant(ctx, name, func(g Grant) Grant {
		g = s.acknowledgedGrant(told, g)
		if told.Pending == PendingAuthorize {
			g = s.followGrant(g, status)
		}
		return g
	})
}

// acknowledgedGrant returns what g becomes once the token service knows what was pending in told. If something else has become pending since,
// g stays as it is.
func (s *Service) acknowledgedGrant(told, g Grant) Grant {
	if g.UID != told.UID || g.Revision != told.Revision || g.Pending != told.Pending {
		return g
	}
	g.Pending, g.Revoke = PendingNothing, false
	switch {
	case g.State == StateCreating:
		g = s.enterGrant(g, StateAuthorizing, ReasonTokenNotReady, "")
	case g.State == StateDeauthorizing:
		g = s.enterGrant(g, StateDeauthorized, ReasonDeauthorized, "Revoked on request; the end user must authorize again.")
	case g.Reason == ReasonServiceUnavailable:
		g.Reason, g.Message = "", ""
		if g.State == StateAuthorizing {
			g.Reason = ReasonTokenNotReady
		}
	}
	return g
}

// noteGrantUnreachable shows on a grant with something under way why nothing happens.
func (s *Service) noteGrantUnreachable(ctx context.Context, told Grant) error {
	return s.changeGrant(ctx, told.Name, func(g Grant) Grant {
		if g.UID == told.UID && g.Pending != PendingNothing && g.State.underWay() {
			g.Reason, g.Message = ReasonServiceUnavailable, messageUnreachable
		}
		return g
	})
}

// followGrant returns what a grant becomes with the state of its token. Only the outcome of the revision that is wanted counts, as with
// connections. A token that has expired and is obtained when somebody asks for it says nothing against the grant.
func (s *Service) followGrant(g Grant, t TokenStatus) Grant {
	position := Seen{Generation: t.Generation, StateTime: t.StateTime.Truncate(time.Microsecond)}
	switch {
	case position.before(g.Seen), t.UID != g.UID, t.known() != g.Revision, t.Deleted:
		return g
	case g.State == StateDeleting, g.State == StateDeauthorizing, g.State == StateDeauthorized && g.Reason == ReasonDeauthorized:
		return g // decided here
	case t.Revision != g.Revision: // the former credential is in use
		g.Reason, g.Message = t.Wanted.Reason, t.Wanted.Message
		return g
	}
	state, reason, message := t.State, t.Reason, t.Message
	resting := state == StateAuthorizing && reason == reasonTokenExpired && t.Generation > 0
	switch {
	case resting && g.State == StateUpdating, state == StateAuthorizing && g.State == StateUpdating:
		state, reason, message = StateUpdating, "", ""
	case resting, state == StateAuthorized:
		state, reason, message = StateAuthorized, "", ""
	}
	if expire := t.GrantExpireTime.Truncate(time.Microsecond); movedEnd(g.ExpireTime, expire) {
		g.ExpireTime = expire
	}
	switch {
	case state != g.State:
		g = s.enterGrant(g, state, reason, message)
		g.Seen = position
		if state == StateAuthorized {
			g.AuthorizeTime = g.StateTime
		}
	case reason != g.Reason || message != g.Message:
		g.Reason, g.Message, g.Seen = reason, message, position
	}
	return g
}

// changeGrant applies edit to the stored grant and writes the outcome, unless edit changes nothing or the grant is gone.
func (s *Service) changeGrant(ctx context.Context, name GrantName, edit func(Grant) Grant) error {
	_, err := untilFresh(ctx, func() (Grant, error) {
		stored, err := s.grants.GetGrant(ctx, name)
		if err != nil {
			return Grant{}, err
		}
		next := edit(stored)
		if sameGrantState(stored, next) {
			return stored, nil
		}
		return s.saveGrant(ctx, stored, next, s.grants.UpdateGrant)
	})
	if errors.Is(err, ErrGrantNotFound) {
		return nil
	}
	return err
}

// sameGrantState compares what changeGrant may change.
func sameGrantState(a, b Grant) bool {
	return a.State == b.State && a.StateTime.Equal(b.StateTime) && a.Reason == b.Reason && a.Message == b.Message && a.Pending == b.Pending &&
		a.Revoke == b.Revoke && a.Seen == b.Seen && a.ExpireTime.Equal(b.ExpireTime) && maps.Equal(a.Account, b.Account)
}

// grantsSince is where the listing of grants' tokens begins.
func (s *Service) grantsSince(ctx context.Context) (time.Time, error) {
	seen, err := s.grants.GrantsSeen(ctx)
	if err != nil || seen.IsZero() {
		return time.UnixMicro(1).UTC(), err
	}
	return seen.Add(-grantsMargin), nil
}

// askAgain has the token service asked about the grants that wait for it: the report that ends the waiting may have been missed. That starts
// nothing by itself.
func (s *Service) askAgain(ctx context.Context) error {
	s.pendingGrants.hurry()
	return s.scanGrants(ctx, GrantsWaiting, func(g Grant) error {
		return s.changeGrant(ctx, g.Name, func(now Grant) Grant {
			if now.RowVersion == g.RowVersion {
				now.Pending = PendingAuthorize
			}
			return now
		})
	})
}

// scanGrants calls fn with every grant of every project in the given scope.
func (s *Service) scanGrants(ctx context.Context, scope GrantScope, fn func(Grant) error) error {
	var after GrantName
	for {
		page, err := s.grants.ScanGrants(ctx, scope, after, pageSize)
		if err != nil {
			return err
		}
		for _, g := range page {
			if err := fn(g); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		after = page[len(page)-1].Name
	}
}
