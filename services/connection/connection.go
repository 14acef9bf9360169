package connection

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// State of a connection, as the contract names it.
type State string

// The states.
const (
	StateCreating           State = "CREATING"            // stored; the token service does not know of it yet
	StateAuthorizing        State = "AUTHORIZING"         // a token is being obtained
	StateAuthorized         State = "AUTHORIZED"          // a valid token is there and kept fresh
	StateUpdating           State = "UPDATING"            // changed; the former token stays in use until the next is there
	StateDeauthorizing      State = "DEAUTHORIZING"       // the credential is being withdrawn
	StateDeauthorized       State = "DEAUTHORIZED"        // no token, and none without somebody doing something
	StateFailedConnectivity State = "FAILED_CONNECTIVITY" // no token; attempts go on
	StateDeleting           State = "DELETING"            // being removed
)

// underWay reports whether the state is one that the token service is to end.
func (s State) underWay() bool {
	switch s {
	case StateCreating, StateAuthorizing, StateUpdating, StateDeauthorizing, StateDeleting:
		return true
	default:
		return false
	}
}

// Reason says why a connection is in its state, or what is wrong with a step of a test: the name of a value of
// freshet.errors.v1.Reason. Empty: no reason.
type Reason string

// The reasons that this package gives itself. All others are the token service's and are passed on.
const (
	ReasonTokenNotReady      Reason = "TOKEN_NOT_READY"
	ReasonDeauthorized       Reason = "DEAUTHORIZED"
	ReasonServiceUnavailable Reason = "SERVICE_UNAVAILABLE"
)

// Pending is what the token service must still be told. It is stored with the change that caused it, so that nothing is forgotten when the
// process dies in between.
type Pending string

// What can be pending.
const (
	PendingNothing     Pending = ""
	PendingAuthorize   Pending = "AUTHORIZE"
	PendingDeauthorize Pending = "DEAUTHORIZE"
	PendingDelete      Pending = "DELETE"
)

// Connection says how to authenticate to an API, and how that goes.
type Connection struct {
	Name        Name
	UID         string // ULID; unique also among connections of the same name one after the other
	Description string
	// Settings come without secrets from [Store.Get] and [Store.List], with them from [Store.GetWithSecrets].
	Settings Settings

	// Revision counts what the token service must act on: changes of the settings, authorize, deauthorize. It is 1 on creation.
	Revision int64
	// ConfigVersion counts changes of the description and the settings; it makes the etag.
	ConfigVersion int64
	// RowVersion counts writes. Every write is conditional on the version that was read.
	RowVersion int64

	State   State
	Reason  Reason
	Message string // for people; at most 512 characters, no secrets
	Pending Pending
	// Seen orders the reports about the token.
	Seen Seen

	CreateTime    time.Time
	UpdateTime    time.Time // last change of description or settings
	StateTime     time.Time // last change of State; grows strictly, so that events of one connection have an order
	AuthorizeTime time.Time // when it last became AUTHORIZED; zero if never

	GrantExpireTime  time.Time // end of the grant behind the token; zero if there is none or it is not known
	GrantWarningTime time.Time // when the next event about that is due; zero if none is
}

// Seen is the position of the newest report about a token that was taken over: reports reach several replicas over several streams, some
// later than others.
type Seen struct {
	Generation int64
	StateTime  time.Time
}

// before reports whether s is an earlier position than o.
func (s Seen) before(o Seen) bool {
	if s.Generation != o.Generation {
		return s.Generation < o.Generation
	}
	return s.StateTime.Before(o.StateTime)
}

// maxMessage is the contract's limit for the message of a state, in characters.
const maxMessage = 512

// StateMessage is what to tell people of the connection: the message of its state, and what there is to remark on its settings.
func (c Connection) StateMessage() string {
	notice := c.Settings.Notice()
	switch {
	case notice == "":
		return c.Message
	case c.Message == "":
		return notice
	case utf8.RuneCountInString(c.Message)+1+utf8.RuneCountInString(notice) > maxMessage:
		return c.Message
	default:
		return c.Message + " " + notice
	}
}

// ETag changes with every change of the settings or the description, and differs between connections of the same name.
func (c Connection) ETag() string { return fmt.Sprintf("%s-%d", c.UID, c.ConfigVersion) }

// ref names the connection's token and what is wanted of it.
func (c Connection) ref() TokenRef {
	return TokenRef{Token: c.Name.Token(), UID: c.UID, Revision: c.Revision}
}
