package connect

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Store keeps sessions. Implementations pass storetest.RunSessions.
type Store interface {
	// CreateSession stores a new session, whose names and hashes are new by their randomness.
	CreateSession(ctx context.Context, s Session) error
	// GetSession returns the session without its secrets, or ErrNotFound.
	GetSession(ctx context.Context, name Name) (Session, error)
	// FindSession returns the session of a link or of a state, with its secrets, or ErrNotFound.
	FindSession(ctx context.Context, project string, by Key, hash string) (Session, error)
	// UpdateSession writes everything if the stored RowVersion is that of s, and RowVersion+1 with it; otherwise it returns ErrStale.
	UpdateSession(ctx context.Context, s Session) error
	// DueSessions returns sessions of all projects whose DueTime has come by now, with their secrets, the earliest first.
	DueSessions(ctx context.Context, now time.Time, limit int) ([]Session, error)
	// RemoveSession removes a session. One that is gone is no error.
	RemoveSession(ctx context.Context, name Name) error
}

// Key is what a session is found by.
type Key string

// The keys.
const (
	ByLink  Key = "LINK"
	ByState Key = "STATE"
)

// Grants are what sessions lead to: those of *connection.Service.
type Grants interface {
	// UsersConnection returns a connection of users with its secrets, what its provider has for it filled in.
	UsersConnection(ctx context.Context, name connection.Name) (connection.Connection, error)
	CreateGrant(ctx context.Context, d connection.GrantDraft, validateOnly bool) (connection.Grant, error)
	GetGrant(ctx context.Context, name connection.GrantName) (connection.Grant, error)
	// GetGrantWithCredential is GetGrant with the credential.
	GetGrantWithCredential(ctx context.Context, name connection.GrantName) (connection.Grant, error)
	UpdateGrant(ctx context.Context, name connection.GrantName, u connection.GrantUpdate) (connection.Grant, error)
	DeleteGrant(ctx context.Context, name connection.GrantName, etag string, revoke bool) (connection.Grant, error)
	// SetGrantAccount records what was found out of the account of the grant with that UID.
	SetGrantAccount(ctx context.Context, name connection.GrantName, uid string, account map[string]string) error
	// GrantsChanged returns a channel that is closed when this process writes a grant next.
	GrantsChanged() <-chan struct{}
}

// Catalog knows how providers' authorizations differ.
type Catalog interface {
	// Flow returns a provider's. Errors as those of connection.Catalog.
	Flow(ref connection.ProviderRef) (Flow, error)
	// URL puts instance values, and what is known of an account, into a URL of the flow.
	URL(ref connection.ProviderRef, template string, account map[string]string) (string, error)
}

// Flow is how a provider's authorization differs from RFC 6749, and what is asked of it afterwards.
type Flow struct {
	ProviderName   string
	FieldNames     map[string]string // of parameters of the authorization request; an empty name leaves one out
	Fragment       string            // put behind # of the authorization endpoint
	ScopeSeparator string            // empty: a space
	Scopes         []string          // always asked for
	ScopeTexts     map[string]string // in plain words
	CodeParameter  string            // of the callback; empty: code
	Callback       []Capture         // from parameters of the callback
	Answer         []Capture         // from the token answer
	Steps          []Step
	Identity       *Step    // says who the account is; nil: unknown
	Needs          []string // what must be known of an account so that its API can be called
}

// AccountID is what the identity of an account is called in what is known of it.
const AccountID = "account_id"

// Capture is a value that an authorization tells of an account.
type Capture struct {
	Name string
	From string // a parameter's name, or member names separated by dots
}

// Step is a call of the provider's API after the first token.
type Step struct {
	Name    string
	Method  string // empty: GET
	URL     string // a template
	Capture []Capture
}

// Authorizer is the token service as seen from here.
type Authorizer interface {
	// Push pushes an authorization request (RFC 9126), authenticated as the connection's client.
	Push(ctx context.Context, of connection.Connection, parameters map[string]string) (requestURI seal.Secret, err error)
	// AnswerValues returns what the answer told that made a grant's present token.
	AnswerValues(ctx context.Context, name connection.GrantName) (map[string]string, error)
}

// Asker asks the API of an account.
type Asker interface {
	// Ask makes one call with the token of a grant and returns what is captured of its JSON answer.
	Ask(ctx context.Context, name connection.GrantName, step Step) (map[string]string, error)
}
