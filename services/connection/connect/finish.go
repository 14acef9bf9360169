package connect

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Finish takes what a browser brought back from the provider, has the code redeemed once, and waits for the outcome for a while. A browser that
// comes back a second time waits for the same outcome; nothing is redeemed again.
func (s *Service) Finish(ctx context.Context, callback url.Values, browser string) (View, error) {
	session, view, err := s.find(ctx, ByState, callback.Get("state"))
	if err != nil || view.Kind != "" {
		return view, err
	}
	if browser == "" || session.Browser != Hash(browser) {
		return View{Kind: OtherBrowser}, nil
	}
	if session.State == Waiting {
		if session, view, err = s.accept(ctx, session, callback); err != nil || view.Kind != "" {
			return view, err
		}
	}
	if session.State == Redeeming {
		if session, err = s.await(ctx, session); err != nil {
			return View{}, err
		}
	}
	return s.answer(ctx, session)
}

// accept judges the callback, and takes the session out of Waiting with what it is worth. Only one of several callers succeeds; the others
// go on with what that one stored.
func (s *Service) accept(ctx context.Context, session Session, callback url.Values) (Session, View, error) {
	c, err := s.grants.UsersConnection(ctx, session.Name.Connection)
	if isGone(err) || err == nil && c.UID != session.ConnectionUID {
		return session, View{Kind: Unknown}, nil
	}
	if err != nil {
		return session, View{}, err
	}
	flow, err := s.flow(c)
	if err != nil {
		return session, View{}, err
	}
	accepted, err := s.save(ctx, s.judge(session, c, flow, callback))
	if errors.Is(err, ErrStale) {
		session, view, err := s.find(ctx, ByState, callback.Get("state"))
		return session, view, err
	}
	return accepted, View{}, err
}

// judge returns what a session becomes with a callback.
func (s *Service) judge(session Session, c connection.Connection, flow Flow, callback url.Values) Session {
	code := callback.Get(orDefault(flow.CodeParameter, "code"))
	issuer := c.Settings.OAuth2.Authorize.Issuer
	switch {
	case issuer != "" && callback.Get("iss") != issuer: // RFC 9207 section 2.4
		return s.end(session, Failed, ReasonIssuerMismatch, "The callback is of another authorization server, or does not say of which; nothing was redeemed.")
	case callback.Get("error") == "access_denied":
		return s.end(session, Denied, "", "The end user did not agree.")
	case callback.Get("error") != "":
		return s.end(session, Failed, ReasonProviderRefused, said(callback))
	case code == "":
		return s.end(session, Failed, ReasonProviderRefused, "The provider sent the user back without a code.")
	}
	now := s.moment()
	session.State, session.Secrets.Code = Redeeming, seal.NewSecret(code)
	session.ExpireTime, session.DueTime = now.Add(redemptionTime), now.Add(waitTime)
	for _, capture := range flow.Callback {
		if value := callback.Get(capture.From); value != "" && len(value) <= maxTold {
			if session.Told == nil {
				session.Told = map[string]string{}
			}
			session.Told[capture.Name] = value
		}
	}
	return session
}

// maxTold bounds a value that is told of an account.
const maxTold = 2048

// said is what the provider says went wrong. It came through the browser: anybody may have written it.
func said(callback url.Values) string {
	text := "The provider answered " + callback.Get("error")
	if description := callback.Get("error_description"); description != "" {
		text += ": " + description
	}
	return clip(text)
}

// clip takes control characters out of a text and bounds it.
func clip(text string) string {
	const limit = 512
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit-3], "") + "…"
	}
	return text
}

// answer is what the browser is shown for a session's state: the return URL, where there is one that is still allowed.
func (s *Service) answer(ctx context.Context, session Session) (View, error) {
	status, view := "pending", View{Kind: Pending}
	switch session.State {
	case Completed:
		status, view = "completed", View{Kind: Connected}
	case Denied:
		status, view = "denied", View{Kind: NotAgreed}
	case Failed:
		status, view = "failed", View{Kind: NotWorked, Reason: session.Reason}
	case Expired:
		return View{Kind: TooLate}, nil
	case Waiting, Redeeming:
	}
	if session.Request.ReturnURL == "" {
		return view, nil
	}
	allowed, err := s.allowsReturn(ctx, session)
	if err != nil || !allowed {
		return view, err
	}
	u, err := url.Parse(session.Request.ReturnURL)
	if err != nil {
		return View{}, errors.New("connect: an allowed return URL is not a URL")
	}
	query := u.Query()
	query.Set("status", status)
	query.Set("session", session.Name.String())
	query.Set("grant", session.Grant.String())
	if session.Reason != "" {
		query.Set("reason", string(session.Reason))
	}
	u.RawQuery = query.Encode()
	return View{Kind: Redirect, URL: u.String()}, nil
}

// allowsReturn reports whether the session's return URL is still allowed. It was when the session was started.
func (s *Service) allowsReturn(ctx context.Context, session Session) (bool, error) {
	c, err := s.grants.UsersConnection(ctx, session.Name.Connection)
	if isGone(err) {
		return false, nil
	}
	return c.Settings.Connect.AllowsReturn(session.Request.ReturnURL), err
}
