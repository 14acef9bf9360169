package connection

import (
	"strings"
	"time"
)

// StateEvent tells of one change of a connection's or grant's state, or that a connection's grant ends soon. It is stored with the change and
// published afterwards, at least once, those of one connection in their order.
type StateEvent struct {
	ID         string // ULID
	Connection Name
	Grant      string // id of the grant under it whose state it is; empty: the connection's
	EndUser    string // of the grant
	UID        string
	State      State
	Previous   State // empty for a new connection
	Reason     Reason
	Message    string
	Time       time.Time
	// Kind is what the event is of besides a change of the state.
	Kind EventKind
	// GrantExpireTime is when the grant ends, of an EventGrantExpiring.
	GrantExpireTime time.Time
}

// EventKind is what an event tells.
type EventKind string

// The kinds.
const (
	EventState         EventKind = ""               // the state changed
	EventGrantExpiring EventKind = "GRANT_EXPIRING" // the grant behind the token ends soon
)

// Resource is the name of the connection or grant.
func (e StateEvent) Resource() string {
	if e.Grant != "" {
		return GrantName{Connection: e.Connection, ID: e.Grant}.String()
	}
	return e.Connection.String()
}

// DetailType is the event's type, with the names that EventBridge gives to the events of its own connections. Those of grants begin with
// `Grant` instead of `Connection`.
func (e StateEvent) DetailType() string {
	if e.Grant != "" && e.Kind == EventGrantExpiring {
		return "Grant Expiring"
	}
	if e.Grant != "" {
		e.Grant = ""
		return "Grant" + strings.TrimPrefix(e.DetailType(), "Connection")
	}
	if e.Kind == EventGrantExpiring {
		return "Connection Grant Expiring"
	}
	switch e.State {
	case StateCreating:
		return "Connection Creation Started"
	case StateAuthorizing:
		return "Connection Authorization Started"
	case StateAuthorized:
		return "Connection Authorized"
	case StateUpdating:
		return "Connection Update Started"
	case StateDeauthorizing:
		return "Connection Deauthorization Started"
	case StateDeauthorized:
		return "Connection Deauthorized"
	case StateFailedConnectivity:
		return "Connection Failed Connectivity"
	case StateDeleting:
		return "Connection Deletion Started"
	default:
		return "Connection State Changed"
	}
}

// event returns the event of the change from prev to next, or nil where there is none to tell of. Whatever begins a state, even the one
// that the connection is in, has a new StateTime.
func event(id string, prev, next Connection) *StateEvent {
	if prev.StateTime.Equal(next.StateTime) {
		return nil
	}
	return &StateEvent{
		ID:         id,
		Connection: next.Name,
		UID:        next.UID,
		State:      next.State,
		Previous:   prev.State,
		Reason:     next.Reason,
		Message:    next.Message,
		Time:       next.StateTime,
	}
}

// grantEvent is event for grants.
func grantEvent(id string, prev, next Grant) *StateEvent {
	if prev.StateTime.Equal(next.StateTime) {
		return nil
	}
	return &StateEvent{
		ID: id, Connection: next.Name.Connection, Grant: next.Name.ID, EndUser: next.EndUser, UID: next.UID, State: next.State,
		Previous: prev.State, Reason: next.Reason, Message: next.Message, Time: next.StateTime,
	}
}
