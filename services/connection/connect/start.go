package connect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/freshet-io/freshet/services/connection"
)

// Start makes a session for a grant, whose id may be empty, and returns it with the link to give to the end user's browser.
//
// Errors: connection.ErrNotFound, ErrNoUsers and ErrDeleting; those of the catalogue; *connection.ValidationError; ErrReturnURL, ErrNotConfigured.
func (s *Service) Start(ctx context.Context, of connection.Name, grantID string, r Request) (session Session, link string, err error) {
	c, err := s.grants.UsersConnection(ctx, of)
	if err != nil {
		return Session{}, "", err
	}
	switch {
	case s.publicURL == "":
		return Session{}, "", fmt.Errorf("%w: the setting public_url says where users come back to", ErrNotConfigured)
	case c.Settings.OAuth2.Authorize.Endpoint == "":
		return Session{}, "", fmt.Errorf("%w: neither oauth2.authorization_endpoint nor the provider says where users authorize", ErrNotConfigured)
	case r.ReturnURL != "" && !c.Settings.Connect.AllowsReturn(r.ReturnURL):
		return Session{}, "", fmt.Errorf("%w: connect.return_urls of %s does not have it", ErrReturnURL, of)
	}
	if v := connection.CheckAuthorizationParameters("authorization_parameters", r.Parameters); len(v) > 0 {
		return Session{}, "", &connection.ValidationError{Violations: v}
	}
	if grantID == "" {
		grantID = "g-" + strings.ToLower(ulid.Make().String())
	}
	grant := connection.GrantName{Connection: of, ID: grantID}
	if err := s.checkGrant(ctx, grant, &r); err != nil {
		return Session{}, "", err
	}
	secret := newSecret(of.Project)
	now := s.moment()
	session = Session{
		Name: Name{Connection: of, ID: ulid.Make().String()}, ConnectionUID: c.UID, Grant: grant, Request: r, Link: Hash(secret),
		State: Waiting, CreateTime: now, ExpireTime: now.Add(s.lifetime), DueTime: now.Add(s.lifetime),
	}
	if err := s.store.CreateSession(ctx, session); err != nil {
		return Session{}, "", err
	}
	return session, s.publicURL + linkPath + secret, nil
}

// checkGrant says why a grant of that name cannot be authorized, and takes over whose it is.
func (s *Service) checkGrant(ctx context.Context, name connection.GrantName, r *Request) error {
	g, err := s.grants.GetGrant(ctx, name)
	switch {
	case errors.Is(err, connection.ErrGrantNotFound):
		return nil
	case err != nil:
		return err
	case g.State == connection.StateDeleting:
		return fmt.Errorf("%w: %s", connection.ErrDeleting, name)
	case r.EndUser != "" && g.EndUser != "" && r.EndUser != g.EndUser:
		return &connection.ValidationError{Violations: []connection.Violation{{
			Field: "end_user_id", Description: "must be that of the existing grant, or empty: a grant stays one end user's",
		}}}
	}
	if r.EndUser == "" {
		r.EndUser = g.EndUser
	}
	return nil
}
