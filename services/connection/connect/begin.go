package connect

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Show says what to show for a link. It changes nothing.
func (s *Service) Show(ctx context.Context, link string) (View, error) {
	session, c, view, err := s.open(ctx, link)
	if err != nil || view.Kind != "" {
		return view, err
	}
	flow, err := s.flow(c)
	if err != nil {
		return View{}, err
	}
	return View{
		Kind: Ask, ApplicationName: orDefault(c.Settings.Connect.ApplicationName, c.Name.Project), ConnectionDescription: c.Description,
		ProviderName: orDefault(flow.ProviderName, hostOf(c.Settings.OAuth2.Authorize.Endpoint)),
		Scopes:       flow.scopes(s.scopes(session, c, flow)), SkipPage: session.Request.SkipPage,
	}, nil
}

// Begin binds a session to a browser and returns where to send it. The same browser may begin again: what it began before is void then.
func (s *Service) Begin(ctx context.Context, link, browser string) (View, error) {
	session, c, view, err := s.open(ctx, link)
	if err != nil || view.Kind != "" {
		return view, err
	}
	if session.Browser != "" && session.Browser != Hash(browser) {
		return View{Kind: OtherBrowser}, nil
	}
	flow, err := s.flow(c)
	if err != nil {
		return View{}, err
	}
	state := newSecret(session.Name.Connection.Project)
	session.Browser, session.StateHash, session.RedirectURI = Hash(browser), Hash(state), s.publicURL+callbackPath
	session.Secrets = Secrets{Nonce: seal.NewSecret(rand.Text())}
	if c.Settings.OAuth2.Authorize.PKCE != connection.PKCERefused {
		session.Secrets.Verifier = seal.NewSecret(rand.Text() + rand.Text()) // 52 characters; RFC 7636 section 4.1 wants 43 to 128
	}
	target, err := s.target(ctx, session, c, flow, state)
	if err != nil {
		s.logger.WarnContext(ctx, "authorization request not made", "session", session.Name.String(), "error", err)
		return View{Kind: NotWorked, Reason: ReasonProviderRefused}, nil
	}
	if _, err := s.save(ctx, session); errors.Is(err, ErrStale) {
		return View{Kind: Used}, nil
	} else if err != nil {
		return View{}, err
	}
	return View{Kind: Redirect, URL: target}, nil
}

// open returns the session of a link while a user can begin with it, otherwise a view that says why not.
func (s *Service) open(ctx context.Context, link string) (Session, connection.Connection, View, error) {
	session, view, err := s.find(ctx, ByLink, link)
	if err != nil || view.Kind != "" {
		return Session{}, connection.Connection{}, view, err
	}
	if session.State != Waiting {
		return Session{}, connection.Connection{}, View{Kind: Used}, nil
	}
	c, err := s.grants.UsersConnection(ctx, session.Name.Connection)
	if isGone(err) || err == nil && c.UID != session.ConnectionUID {
		return Session{}, connection.Connection{}, View{Kind: Unknown}, nil
	}
	return session, c, View{}, err
}

// find returns the session of a link or state, unless there is none or its time is over.
func (s *Service) find(ctx context.Context, by Key, secret string) (Session, View, error) {
	project, ok := projectOf(secret)
	if !ok {
		return Session{}, View{Kind: Unknown}, nil
	}
	session, err := s.store.FindSession(ctx, project, by, Hash(secret))
	switch {
	case errors.Is(err, ErrNotFound):
		return Session{}, View{Kind: Unknown}, nil
	case err != nil:
		return Session{}, View{}, err
	case session.State == Expired, session.State == Waiting && !s.now().Before(session.ExpireTime):
		return Session{}, View{Kind: TooLate}, nil
	default:
		return session, View{}, nil
	}
}

// isGone reports whether an error says that there is no connection that can have grants any more.
func isGone(err error) bool {
	return errors.Is(err, connection.ErrNotFound) || errors.Is(err, connection.ErrDeleting) || errors.Is(err, connection.ErrNoUsers)
}

// flow is that of the connection's provider, the plain one without.
func (s *Service) flow(c connection.Connection) (Flow, error) {
	if c.Settings.Preset() == "" {
		return Flow{}, nil
	}
	return s.catalog.Flow(c.Settings.OAuth2.Preset)
}

// scopes are all that are asked for.
func (s *Service) scopes(session Session, c connection.Connection, flow Flow) []string {
	list := c.Settings.OAuth2.Scopes
	if session.Request.Scopes != nil {
		list = session.Request.Scopes
	}
	list = slices.Clone(list)
	for _, always := range flow.Scopes {
		if !slices.Contains(list, always) {
			list = append(list, always)
		}
	}
	return list
}

// target is the URL that the browser is sent to.
func (s *Service) target(ctx context.Context, session Session, c connection.Connection, flow Flow, state string) (string, error) {
	u, err := url.Parse(c.Settings.OAuth2.Authorize.Endpoint)
	if err != nil {
		return "", errors.New("the authorization endpoint is not a URL")
	}
	parameters := s.parameters(session, c, flow, state)
	if c.Settings.OAuth2.Authorize.PushEndpoint != "" {
		requestURI, err := s.authorizer.Push(ctx, c, parameters)
		if err != nil {
			return "", err
		}
		parameters = map[string]string{"client_id": c.Settings.OAuth2.ClientID, "request_uri": requestURI.Reveal()}
	}
	query := u.Query() // what the endpoint has must be retained, RFC 6749 section 3.1
	for name, value := range parameters {
		query.Set(name, value)
	}
	u.RawQuery, u.Fragment = query.Encode(), flow.Fragment
	return u.String(), nil
}

// parameters are those of the authorization request, by the names that the provider has for them. Of what is given more than once the
// caller's wins over the connection's, which has that of the catalogue filled in.
func (s *Service) parameters(session Session, c connection.Connection, flow Flow, state string) map[string]string {
	authorize := c.Settings.OAuth2.Authorize
	scopes := s.scopes(session, c, flow)
	out := map[string]string{}
	if session.Request.Locale != "" {
		out["ui_locales"] = session.Request.Locale
	}
	maps.Copy(out, authorize.Parameters)
	maps.Copy(out, session.Request.Parameters)
	own := map[string]string{
		"response_type": "code", "client_id": c.Settings.OAuth2.ClientID, "redirect_uri": session.RedirectURI, "state": state,
		"scope": strings.Join(scopes, orDefault(flow.ScopeSeparator, " ")),
	}
	if !session.Secrets.Verifier.IsZero() {
		sum := sha256.Sum256([]byte(session.Secrets.Verifier.Reveal()))
		own["code_challenge"], own["code_challenge_method"] = base64.RawURLEncoding.EncodeToString(sum[:]), "S256"
	}
	if slices.Contains(scopes, "openid") {
		own["nonce"] = session.Secrets.Nonce.Reveal()
	}
	for name, value := range own {
		if other, renamed := flow.FieldNames[name]; renamed {
			name = other
		}
		if name != "" && value != "" {
			out[name] = value
		}
	}
	return out
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
