package connect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/connection"
)

// This file is what becomes of a code: it is given to the grant as its credential, which the token service redeems, and the session follows the
// grant. Each step is stored before the next, so that whoever comes after a crash goes on where it ended: the browser that waits, or Run.

// pollTime is how often a browser that waits looks after the grant by itself: another process may have written it.
const pollTime = 500 * time.Millisecond

// await settles a session within waitTime, if it can be.
func (s *Service) await(ctx context.Context, session Session) (Session, error) {
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	for {
		changed := s.grants.GrantsChanged()
		settled, err := s.settle(ctx, session)
		switch {
		case errors.Is(err, ErrStale): // another process is at it
			if settled, err = s.reread(ctx, session); err != nil {
				return session, err
			}
		case err != nil && ctx.Err() != nil:
			return session, nil
		case err != nil:
			return session, err
		}
		if session = settled; session.State.Ended() {
			return session, nil
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-ctx.Done():
			return session, nil
		}
	}
}

// reread returns the session as it is stored now, with its secrets.
func (s *Service) reread(ctx context.Context, session Session) (Session, error) {
	return s.store.FindSession(ctx, session.Name.Connection.Project, ByLink, session.Link)
}

// settle takes a session that is Redeeming as far as it goes at present.
func (s *Service) settle(ctx context.Context, session Session) (Session, error) {
	var err error
	if session.GrantRevision == 0 {
		if session, err = s.give(ctx, session); err != nil || session.State.Ended() {
			return session, err
		}
	}
	g, err := s.grants.GetGrantWithCredential(ctx, session.Grant)
	switch {
	case errors.Is(err, connection.ErrGrantNotFound), err == nil && (g.UID != session.GrantUID || g.State == connection.StateDeleting):
		return s.save(ctx, s.end(session, Failed, ReasonGrantNotFound, "The grant was deleted meanwhile."))
	case err != nil:
		return session, err
	case session.Reason != "":
		return s.undo(ctx, session, g)
	}
	outcome := outcomeOf(g)
	switch {
	case outcome.good:
		return s.complete(ctx, session, g)
	case outcome.bad, !s.now().Before(session.ExpireTime):
		session.Reason, session.Message = outcome.reason, clip(outcome.message)
		if session.Reason == "" {
			session.Reason = reasonGrantDead
		}
		if session, err = s.save(ctx, session); err != nil { // before the grant has its former credential again, and looks well
			return session, err
		}
		return s.undo(ctx, session, g)
	default:
		return session, nil
	}
}

// give makes the code the grant's credential.
func (s *Service) give(ctx context.Context, session Session) (Session, error) {
	c, err := s.grants.UsersConnection(ctx, session.Name.Connection)
	if isGone(err) || err == nil && c.UID != session.ConnectionUID {
		return s.save(ctx, s.end(session, Failed, ReasonGrantNotFound, "The connection was deleted meanwhile."))
	}
	if err != nil {
		return session, err
	}
	flow, err := s.flow(c)
	if err != nil {
		return session, err
	}
	credential := connection.GrantCredential{
		Scopes: s.scopes(session, c, flow),
		Code: connection.AuthorizationCode{
			Code: session.Secrets.Code, RedirectURI: session.RedirectURI, CodeVerifier: session.Secrets.Verifier,
		},
		Nonce: session.Secrets.Nonce,
	}
	g, err := s.grants.GetGrantWithCredential(ctx, session.Grant)
	switch {
	case errors.Is(err, connection.ErrGrantNotFound):
		session.Created = true
		if session, err = s.save(ctx, session); err != nil {
			return session, err
		}
		g, err = s.grants.CreateGrant(ctx, connection.GrantDraft{
			Name: session.Grant, EndUser: session.Request.EndUser, Metadata: session.Request.Metadata, Credential: credential,
		}, false)
	case err != nil:
		return session, err
	case !g.Credential.Code.Code.Equal(session.Secrets.Code):
		session, g, err = s.replace(ctx, session, g, credential)
	}
	switch {
	case errors.Is(err, connection.ErrDeleting):
		return s.save(ctx, s.end(session, Failed, ReasonGrantNotFound, "The grant is being deleted."))
	case err != nil:
		return session, fmt.Errorf("connect: %w", err)
	}
	session.GrantUID, session.GrantRevision = g.UID, g.Revision
	return s.save(ctx, session)
}

// replace gives an existing grant the new credential, and keeps the former one in case it is needed again.
func (s *Service) replace(
	ctx context.Context, session Session, g connection.Grant, credential connection.GrantCredential,
) (Session, connection.Grant, error) {
	session.Created, session.Secrets.Former = false, g.Credential
	session, err := s.save(ctx, session)
	if err != nil {
		return session, g, err
	}
	update := connection.GrantUpdate{ETag: g.ETag(), Credential: &credential}
	if session.Request.EndUser != "" {
		update.EndUser = &session.Request.EndUser
	}
	if session.Request.Metadata != nil {
		update.Metadata = &session.Request.Metadata
	}
	g, err = s.grants.UpdateGrant(ctx, session.Grant, update)
	return session, g, err
}

// outcome is what a grant's state says of the newest credential.
type outcome struct {
	good, bad bool
	reason    connection.Reason
	message   string
}

func outcomeOf(g connection.Grant) outcome {
	o := outcome{reason: g.Reason, message: g.Message}
	switch g.State {
	case connection.StateAuthorized:
		o.good = true
	case connection.StateDeauthorized, connection.StateDeauthorizing:
		o.bad = true
	case connection.StateUpdating: // the former token is in use
		o.bad = endsAttempts(g.Reason)
	default:
	}
	return o
}

// endsAttempts reports whether the token service makes no further attempt after a failure for that reason.
func endsAttempts(r connection.Reason) bool {
	switch r {
	case reasonGrantDead, "CLIENT_BROKEN", "CONFIGURATION", "EGRESS_DENIED", "ROTATION_LOST", "ID_TOKEN_REFUSED":
		return true
	default:
		return false
	}
}

// undo ends a session that failed: a grant that was there before has its former credential again, one that came into being for nothing is removed.
func (s *Service) undo(ctx context.Context, session Session, g connection.Grant) (Session, error) {
	var err error
	switch ours := g.Credential.Code.Code.Equal(session.Secrets.Code); {
	case !ours: // a newer one is there, or the former one already
	case session.Created && g.AuthorizeTime.IsZero():
		_, err = s.grants.DeleteGrant(ctx, session.Grant, "", false)
	case !session.Secrets.Former.IsZero():
		_, err = s.grants.UpdateGrant(ctx, session.Grant, connection.GrantUpdate{Credential: &session.Secrets.Former})
	}
	var invalid *connection.ValidationError // what an import gave has expired meanwhile
	if err != nil && !errors.As(err, &invalid) && !errors.Is(err, connection.ErrGrantNotFound) && !errors.Is(err, connection.ErrDeleting) {
		return session, err
	}
	return s.save(ctx, s.end(session, Failed, session.Reason, session.Message))
}
