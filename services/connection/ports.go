package connection

import (
	"context"
	"time"
)

// Store keeps connections and the events of their changes. Implementations pass storetest.Run.
//
// Writes are atomic with their event. Those of an existing connection are conditional on its UID and RowVersion being the stored ones;
// otherwise they change nothing and return ErrStale. Every write stores RowVersion+1.
type Store interface {
	// Create returns ErrExists if the name is taken, whatever the state of the connection that has it.
	Create(ctx context.Context, c Connection, e *StateEvent) error
	// Get returns the connection without secrets, or ErrNotFound.
	Get(ctx context.Context, name Name) (Connection, error)
	// GetWithSecrets is Get with secrets. It returns ErrSecretsUnreadable if they cannot be opened.
	GetWithSecrets(ctx context.Context, name Name) (Connection, error)
	// List returns connections of a project without secrets, ordered by id.
	List(ctx context.Context, project string, q Query) ([]Connection, error)
	// Update writes everything but settings and secrets. It returns ErrInUse for a connection that becomes DELETING while it has grants.
	Update(ctx context.Context, c Connection, e *StateEvent) error
	// UpdateSettings writes everything.
	UpdateSettings(ctx context.Context, c Connection, e *StateEvent) error
	// Remove removes the connection of that name if it has the given UID and is DELETING; otherwise it does nothing.
	Remove(ctx context.Context, c Connection) error
	// Scan returns connections of all projects without secrets, ordered by name, after the given name.
	Scan(ctx context.Context, after Name, limit int, pendingOnly bool) ([]Connection, error)
	Outbox
	Horizons
}

// Horizons is when grants end.
type Horizons interface {
	// DueWarnings returns connections of all projects whose GrantWarningTime has come by now, the earliest first, without secrets.
	DueWarnings(ctx context.Context, now time.Time, limit int) ([]Connection, error)
}

// Outbox is what was not published yet.
type Outbox interface {
	// ClaimEvents reserves events for owner until the given time and returns them, oldest first. Events that another owner has reserved
	// beyond now, and later events of the same project, are left alone: a project's events are published by one replica at a time.
	ClaimEvents(ctx context.Context, owner string, now, until time.Time, limit int) ([]StateEvent, error)
	// RemoveEvents removes published events. Events that are gone already are ignored.
	RemoveEvents(ctx context.Context, events []StateEvent) error
}

// Query selects connections of a project.
type Query struct {
	State State  // only this one; empty: all
	After string // only ids greater than this one
	Limit int
}

// GrantStore keeps grants. Its writes are as those of [Store]. Implementations pass storetest.RunGrants.
type GrantStore interface {
	// CreateGrant returns ErrExists if the name is taken, and ErrStale if its connection is not there any more with the given UID, or is being
	// deleted.
	CreateGrant(ctx context.Context, g Grant, connectionUID string, e *StateEvent) error
	// GetGrant returns the grant without its credential, or ErrGrantNotFound.
	GetGrant(ctx context.Context, name GrantName) (Grant, error)
	// GetGrantWithCredential returns ErrSecretsUnreadable if the credential cannot be opened.
	GetGrantWithCredential(ctx context.Context, name GrantName) (Grant, error)
	// ListGrants returns grants without their credentials, ordered by connection and id or, with ExpireBefore, by ExpireTime first.
	ListGrants(ctx context.Context, project string, q GrantQuery) ([]Grant, error)
	// UpdateGrant writes everything but the credential.
	UpdateGrant(ctx context.Context, g Grant, e *StateEvent) error
	// UpdateCredential writes everything.
	UpdateCredential(ctx context.Context, g Grant, e *StateEvent) error
	// RemoveGrant removes the grant of that name if it has the given UID and is DELETING; otherwise it does nothing.
	RemoveGrant(ctx context.Context, g Grant) error
	// ScanGrants returns grants of all projects without their credentials, ordered by name, after the given name.
	ScanGrants(ctx context.Context, scope GrantScope, after GrantName, limit int) ([]Grant, error)
	// GrantsSeen returns the latest Seen.StateTime of all grants; zero if there is none.
	GrantsSeen(ctx context.Context) (time.Time, error)
	GrantHorizons
}

// GrantHorizons is when the grants of connections of users end.
type GrantHorizons interface {
	// DueGrantWarnings returns grants of all projects whose WarningTime has come by now, the earliest first, without credentials.
	DueGrantWarnings(ctx context.Context, now time.Time, limit int) ([]Grant, error)
}

// GrantScope is which grants are scanned.
type GrantScope string

// The scopes.
const (
	GrantsPending GrantScope = "PENDING" // with something pending
	GrantsWaiting GrantScope = "WAITING" // that wait for their token: AUTHORIZING or UPDATING, with nothing pending
)

// TokenRef names a token, of which connection or grant it is, and which of its settings.
type TokenRef struct {
	Token    string // resource name
	UID      string
	Revision int64
	Revoke   bool // deauthorized or deleted, what it holds is revoked at the authorization server
}

// TokenControl is the token service as seen from here. Every call may be repeated.
type TokenControl interface {
	// Authorize asks for a token with the settings of the given revision. It returns once that is recorded, with the state after it.
	Authorize(ctx context.Context, ref TokenRef) (TokenStatus, error)
	// Deauthorize has the token forgotten.
	Deauthorize(ctx context.Context, ref TokenRef) error
	// Delete has the token removed. A token that does not exist is no error.
	Delete(ctx context.Context, ref TokenRef) error
	// WatchStates calls fn with the state of every connection's own token and of the tokens of grants whose state changed at the given time or
	// later, then with Synced, then with every change, until ctx ends, the stream breaks or fn returns an error. It never returns nil.
	WatchStates(ctx context.Context, grantsSince time.Time, fn func(TokenReport) error) error
}

// TokenReport is one message of WatchStates.
type TokenReport struct {
	// Synced says that the state of every token listed has been reported once. The other fields are empty then.
	Synced bool
	Status TokenStatus
}

// TokenStatus is a token without its secrets.
type TokenStatus struct {
	Name       Name   // of the connection
	Grant      string // id of the grant under it whose token it is; empty for the connection's own
	UID        string
	Revision   int64 // of the settings whose outcome State is
	Generation int64
	State      State // AUTHORIZING, AUTHORIZED, DEAUTHORIZED or FAILED_CONNECTIVITY
	Reason     Reason
	Message    string
	StateTime  time.Time
	Deleted    bool
	Wanted     Wanted
	// GrantExpireTime is when the grant behind the token ends; zero if there is none or it is not known.
	GrantExpireTime time.Time
}

// Wanted is the revision that is being obtained while the generation of an older one is in use; zero if there is none.
type Wanted struct {
	Revision int64
	Reason   Reason // why its last attempt failed; empty if none has
	Message  string // the same for people; no secrets
}

// known is the newest revision that the token service has been told of.
func (t TokenStatus) known() int64 { return max(t.Revision, t.Wanted.Revision) }

// Announcer publishes events on the bus `default` of the connection's project.
type Announcer interface {
	// Announce returns once the event is durable there. It returns ErrEventRefused for one that will never be taken.
	Announce(ctx context.Context, e StateEvent) error
}

// Probe tries, step by step, what the next token request of a connection would do. The connection comes with its secrets. Failing steps
// are results, not errors.
type Probe interface {
	Run(ctx context.Context, c Connection) ([]Step, error)
}

// Catalog knows how providers' authorization servers behave.
type Catalog interface {
	// Defaults returns the settings that a provider has for connections which leave them unset. It returns an *UnknownProviderError, or a
	// *ValidationError for parameters that the provider does not take.
	Defaults(ref ProviderRef) (OAuth2, error)
	// API returns what a provider's API is for an account, nil for none; without BaseURL if that depends on what only an authorization tells.
	// Errors as of Defaults.
	API(ref ProviderRef, account map[string]string) (API, error)
	// AnswerCaptures returns what is kept of a provider's token answers besides the token. Errors as of Defaults.
	AnswerCaptures(ref ProviderRef) ([]AnswerCapture, error)
}

// AnswerCapture is a value that is taken from a token answer.
type AnswerCapture struct {
	Name string
	Path string // member names separated by dots
}

// StepKind is what a step of a test does.
type StepKind string

// The steps, in their order.
const (
	StepSettings      StepKind = "SETTINGS"       // the settings are complete
	StepEgress        StepKind = "EGRESS"         // the token endpoint's URL may be called
	StepDNS           StepKind = "DNS"            // its host's name resolves to addresses that may be called
	StepTCP           StepKind = "TCP"            // a connection opens
	StepTLS           StepKind = "TLS"            // the handshake succeeds and the certificate is valid
	StepTokenRequest  StepKind = "TOKEN_REQUEST"  // the token request is answered
	StepTokenResponse StepKind = "TOKEN_RESPONSE" // the answer holds a usable token
)

// Outcome is how a step ended.
type Outcome string

// The outcomes.
const (
	OutcomeOK      Outcome = "OK"
	OutcomeFailed  Outcome = "FAILED"
	OutcomeSkipped Outcome = "SKIPPED"
)

// Step is one step of a test.
type Step struct {
	Kind     StepKind
	Outcome  Outcome
	Reason   Reason // of a failure
	Message  string // for people; no secrets
	Duration time.Duration
}

// Trial is how one token request went whose token was thrown away.
type Trial struct {
	Sent       bool          // whether the request left
	HTTPStatus int           // of the answer; 0 without one
	Failed     bool          // no token was obtained
	Reason     Reason        // why not
	Message    string        // for people; no secrets
	TokenType  string        // of the token obtained
	Lifetime   time.Duration // of the token obtained; 0 if it does not expire
	Scopes     []string      // of the token obtained
	Duration   time.Duration // of the request
}
