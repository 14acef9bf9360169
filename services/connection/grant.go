package connection

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// GrantName identifies a grant: `projects/{project}/connections/{connection}/grants/{ID}`.
type GrantName struct {
	Connection Name
	ID         string
}

const grantsPart = "/grants/"

// ParseGrantName reads a resource name. It checks the form, not which characters the parts may have: that is the contract's rule.
func ParseGrantName(s string) (GrantName, error) {
	of, id, found := strings.Cut(s, grantsPart)
	name, err := ParseName(of)
	if !found || err != nil || id == "" || strings.Contains(id, "/") {
		return GrantName{}, fmt.Errorf("%w: %q: want projects/{project}/connections/{connection}/grants/{grant}", ErrInvalidName, s)
	}
	return GrantName{Connection: name, ID: id}, nil
}

// String returns the resource name.
func (n GrantName) String() string { return n.Connection.String() + grantsPart + n.ID }

// Token returns the resource name of the grant's token.
func (n GrantName) Token() string { return n.String() + "/token" }

// ParseGrantTokenName returns the grant whose token has the given resource name.
func ParseGrantTokenName(s string) (n GrantName, ok bool) {
	name, found := strings.CutSuffix(s, "/token")
	if !found {
		return GrantName{}, false
	}
	n, err := ParseGrantName(name)
	return n, err == nil
}

// Grant is one end user's authorization under a connection of users.
type Grant struct {
	Name     GrantName
	UID      string // ULID
	EndUser  string // as the application names its users; may be empty
	Metadata map[string]string
	// Credential is set only where a grant is read with it.
	Credential GrantCredential

	// Revision counts what the token service must act on: new credentials, and their end. It is 1 on creation.
	Revision int64
	// ConfigVersion counts changes by callers; it makes the etag.
	ConfigVersion int64
	// RowVersion counts writes. Every write is conditional on the version that was read.
	RowVersion int64

	State   State
	Reason  Reason
	Message string // for people; at most 512 characters, no secrets
	Pending Pending
	// Revoke: what is pending also has the credential revoked at the authorization server.
	Revoke bool
	// Seen orders the reports about the token.
	Seen Seen

	CreateTime    time.Time
	UpdateTime    time.Time // last change by a caller
	StateTime     time.Time // last change of State; grows strictly
	AuthorizeTime time.Time // when it last became AUTHORIZED; zero if never
	ExpireTime    time.Time // until when the end user must authorize again; zero if that is not known
	WarningTime   time.Time // when the next event about that is due; zero if none is

	// Account is what the authorization told of the account, by the names that the provider's entry has for it.
	Account map[string]string
}

// GrantCredential is what an end user's authorization gave. Zero: nothing.
type GrantCredential struct {
	RefreshToken seal.Secret
	// AccessToken is the first one, until ExpireTime; zero if that is not known. TokenType and Scopes are its own.
	AccessToken seal.Secret
	ExpireTime  time.Time
	TokenType   string
	Scopes      []string
	// Code is what the end user's browser brought back, instead of tokens. Scopes are those that were asked for, and an ID token must have the
	// nonce.
	Code  AuthorizationCode
	Nonce seal.Secret
}

// IsZero reports whether there is nothing to make a token of.
func (c GrantCredential) IsZero() bool {
	return c.RefreshToken.IsZero() && c.AccessToken.IsZero() && c.Code.IsZero()
}

// ETag changes with every change by a caller, and differs between grants of the same name.
func (g Grant) ETag() string { return fmt.Sprintf("%s-%d", g.UID, g.ConfigVersion) }

// ref names the grant's token and what is wanted of it.
func (g Grant) ref() TokenRef {
	return TokenRef{Token: g.Name.Token(), UID: g.UID, Revision: g.Revision, Revoke: g.Revoke}
}

func (g Grant) withoutSecrets() Grant {
	g.Credential = GrantCredential{}
	return g
}

// check returns what is wrong with a credential that is imported now into a connection of the given settings.
func (c GrantCredential) check(of Settings, now time.Time) error {
	const field = "credential"
	var v []Violation
	switch {
	case !c.Code.IsZero(): // it is ours
	case c.IsZero():
		v = append(v, Violation{field, "must have a refresh token, an access token, or both"})
	case c.AccessToken.IsZero() && (!c.ExpireTime.IsZero() || c.TokenType != "" || len(c.Scopes) > 0):
		v = append(v, Violation{field + ".access_token", "is required with access_token_expire_time, token_type and scopes, which are its own"})
	case !c.AccessToken.IsZero() && of.OAuth2.DPoP != "":
		v = append(v, Violation{field + ".access_token", "must be empty for a connection with oauth2.dpop: it would be bound to a key that is elsewhere"})
	case c.RefreshToken.IsZero() && !c.ExpireTime.IsZero() && !c.ExpireTime.After(now):
		v = append(v, Violation{field + ".access_token_expire_time", "must lie in the future without a refresh token"})
	}
	if len(v) > 0 {
		return &ValidationError{Violations: v}
	}
	return nil
}

// GrantQuery selects grants of a project.
type GrantQuery struct {
	Connection string // id; empty: all
	State      State  // only this one; empty: all
	EndUser    string // only this one's; empty: all
	// ExpireBefore selects those whose ExpireTime is known and before it, the soonest first; zero: all, by name.
	ExpireBefore time.Time
	After        GrantCursor
	Limit        int
}

// GrantCursor is a place in a list of grants: after the one of that name and, in a list by ExpireTime, of that.
type GrantCursor struct {
	ExpireTime time.Time
	Name       GrantName
}

// Cursor is the place after the grant.
func (g Grant) Cursor() GrantCursor { return GrantCursor{ExpireTime: g.ExpireTime, Name: g.Name} }

// settings returns how the token of a grant is obtained: as the connection of users says, from what the end user's authorization gave.
// Unless the connection has a refresh policy, an account that nobody uses makes no request.
func (g Grant) settings(of Settings) Settings {
	of.OAuth2.GrantType, of.OAuth2.Users = RefreshToken, false
	of.OAuth2.RefreshToken = g.Credential.RefreshToken
	if !g.Credential.Code.IsZero() {
		of.OAuth2.GrantType, of.OAuth2.Code, of.OAuth2.Scopes = CodeGrant, g.Credential.Code, g.Credential.Scopes
	}
	if of.OAuth2.Refresh.Mode == "" {
		of.OAuth2.Refresh.Mode = modeWhileWatched
	}
	return of
}
