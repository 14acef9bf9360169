package connect

import "github.com/freshet-io/freshet/services/connection"

// ViewKind is what a browser is shown. The values are the contract's names.
type ViewKind string

// The views.
const (
	Ask          ViewKind = "ASK"
	Redirect     ViewKind = "REDIRECT"
	Connected    ViewKind = "CONNECTED"
	NotAgreed    ViewKind = "DENIED"
	NotWorked    ViewKind = "FAILED"
	Pending      ViewKind = "PENDING"
	Unknown      ViewKind = "UNKNOWN"
	TooLate      ViewKind = "EXPIRED"
	OtherBrowser ViewKind = "OTHER_BROWSER"
	Used         ViewKind = "USED"
)

// View is what a browser is shown, or where it is sent.
type View struct {
	Kind ViewKind
	URL  string // of Redirect
	// ApplicationName, ConnectionDescription, ProviderName, Scopes and SkipPage are of Ask.
	ApplicationName       string
	ConnectionDescription string
	ProviderName          string
	Scopes                []Scope
	SkipPage              bool
	Reason                connection.Reason // of NotWorked
}

// Scope is one that is asked for.
type Scope struct {
	Name string
	Text string // in plain words; empty if none are known
}

// scopes are those of a list in words: the provider's, or those of OpenID Connect.
func (f Flow) scopes(names []string) []Scope {
	standard := map[string]string{ // OpenID Connect Core sections 5.4 and 11
		"openid": "Know who you are", "profile": "See your name and other details of your profile", "email": "See your e-mail address",
		"address": "See your postal address", "phone": "See your phone number", "offline_access": "Keep access while you are not there",
	}
	out := make([]Scope, len(names))
	for i, name := range names {
		out[i] = Scope{Name: name, Text: f.ScopeTexts[name]}
		if out[i].Text == "" {
			out[i].Text = standard[name]
		}
	}
	return out
}
