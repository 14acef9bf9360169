package connect

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Errors of the use cases, besides those of package connection.
var (
	// ErrNotFound means that there is no session of that name, link or state.
	ErrNotFound = errors.New("connect: session not found")
	// ErrStale means that somebody else wrote the session since it was read.
	ErrStale = errors.New("connect: session changed meanwhile")
	// ErrNotConfigured means that nothing says where users authorize, or where they come back to.
	ErrNotConfigured = errors.New("connect: not configured")
	// ErrReturnURL means that the connection does not allow a return URL.
	ErrReturnURL = errors.New("connect: return URL not allowed")
)

// Name identifies a session: `projects/{project}/connections/{connection}/authorizationSessions/{ID}`.
type Name struct {
	Connection connection.Name
	ID         string // ULID
}

const sessionsPart = "/authorizationSessions/"

// ParseName reads a resource name.
func ParseName(s string) (Name, error) {
	of, id, found := strings.Cut(s, sessionsPart)
	name, err := connection.ParseName(of)
	if !found || err != nil || id == "" || strings.Contains(id, "/") {
		return Name{}, fmt.Errorf("%w: %q", connection.ErrInvalidName, s)
	}
	return Name{Connection: name, ID: id}, nil
}

// String returns the resource name.
func (n Name) String() string { return n.Connection.String() + sessionsPart + n.ID }

// State is how far a session has come.
type State string

// The states. Their values are stored; all but Redeeming, which callers see as Waiting, are the contract's names.
const (
	Waiting   State = "WAITING"   // for the user
	Redeeming State = "REDEEMING" // the user is back, the outcome is not known
	Completed State = "COMPLETED"
	Denied    State = "DENIED"
	Failed    State = "FAILED"
	Expired   State = "EXPIRED"
)

// Ended reports whether nothing more comes of the session.
func (s State) Ended() bool { return s != Waiting && s != Redeeming }

// Reasons of failed sessions that are not those of tokens, from freshet.errors.v1.Reason.
const (
	ReasonProviderRefused connection.Reason = "PROVIDER_REFUSED"
	ReasonIssuerMismatch  connection.Reason = "ISSUER_MISMATCH"
	ReasonAccountUnknown  connection.Reason = "ACCOUNT_UNKNOWN"
	ReasonGrantNotFound   connection.Reason = "GRANT_NOT_FOUND"
	reasonGrantDead       connection.Reason = "GRANT_DEAD"
)

// Session is one end user's way to a grant.
type Session struct {
	Name          Name
	ConnectionUID string
	Grant         connection.GrantName
	Request       Request

	// Link, Browser and StateHash are hashes of what the browser has: the link's secret, its cookie, and the parameter state of the present
	// authorization request. The latter two are empty before the user has begun.
	Link, Browser, StateHash string
	// RedirectURI is that of the present authorization request.
	RedirectURI string
	// Secrets are set only where a session is read with them.
	Secrets Secrets

	State   State
	Reason  connection.Reason
	Message string // for people; at most 512 characters, no secrets

	// Told is what the callback told of the account.
	Told map[string]string
	// Created says that the grant came into being with this session, GrantUID and GrantRevision which one has its code.
	Created       bool
	GrantUID      string
	GrantRevision int64

	RowVersion int64 // counts writes; every write is conditional on the version that was read
	CreateTime time.Time
	// ExpireTime is until when the user can come back, and from then on until when the outcome is awaited.
	ExpireTime time.Time
	EndTime    time.Time // zero before
	// DueTime is when the session is looked after next: when it expires, its outcome may be known, or it is removed.
	DueTime time.Time
}

// Request is what was asked for when the session was started.
type Request struct {
	EndUser    string
	Metadata   map[string]string // nil: the grant's stays
	ReturnURL  string
	Scopes     []string // nil: the connection's
	Parameters map[string]string
	Locale     string
	SkipPage   bool
}

// Secrets of a session.
type Secrets struct {
	Verifier seal.Secret // of PKCE
	Nonce    seal.Secret
	Code     seal.Secret
	// Former is the credential that the grant had before; it gets it back if the new one is worth nothing.
	Former connection.GrantCredential
}

// Hash is what is stored of a text that proves something.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// newSecret is a text that nobody guesses, and that says to which project it belongs.
func newSecret(project string) string { return project + "." + rand.Text() }

// projectOf is the inverse of newSecret.
func projectOf(secret string) (string, bool) {
	project, random, found := strings.Cut(secret, ".")
	return project, found && project != "" && random != "" && len(secret) <= 256
}
