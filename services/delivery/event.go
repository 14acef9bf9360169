package delivery

import (
	"time"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

// region is the `region` of every envelope: there is one place.
const region = "local"

// Event is an event as it was accepted.
type Event struct {
	Project, ID   string // ID is a ULID
	Bus           string
	Source        string
	DetailType    string
	Detail        string // JSON text of an object, byte for byte as put
	Resources     []string
	Time          time.Time // in whole seconds
	IngestionTime time.Time
	// DeduplicationID is what it was put with, if anything. It is not stored.
	DeduplicationID string
	// GroupID is what it was put with, if anything. It is stored with its deliveries.
	GroupID string
	// Traceparent is the W3C trace context of the call that put it; empty without one.
	Traceparent string
	// Replay is the id of the replay that put it again; empty for an event that was put.
	Replay string
}

// Envelope returns the event's JSON as rules match it and targets receive it.
func (e *Event) Envelope() []byte {
	return shape.Envelope{
		ID: e.ID, DetailType: e.DetailType, Source: e.Source, Account: e.Project, Time: e.Time, Region: region,
		Resources: e.Resources, Detail: e.Detail, ReplayName: e.Replay,
	}.JSON()
}

// weight is about how many bytes an event holds in memory, with a delivery.
func (e *Event) weight() int64 {
	n := 2048 + len(e.Detail) + len(e.Source) + len(e.DetailType)
	for _, r := range e.Resources {
		n += len(r) + 16
	}
	return int64(n)
}

// State is how far a delivery got. The numbers are those of the API and of the store.
type State int

// The states. Delivering is not stored: it is a Pending delivery that is due and in some instance's memory.
const (
	Pending    State = 1
	Delivering State = 2
	Succeeded  State = 3
	Dead       State = 4
	Cancelled  State = 5
)

// ErrorCode says why a delivery is Dead, in the words of EventBridge's dead-letter attribute ERROR_CODE. The numbers are those of the
// API and of the store.
type ErrorCode int

// The codes.
const (
	NoError           ErrorCode = 0
	ErrorFromTarget   ErrorCode = 1
	ConnectionFailure ErrorCode = 2
	Timeout           ErrorCode = 3
	Throttling        ErrorCode = 4
	NoPermissions     ErrorCode = 5
	InvalidParameter  ErrorCode = 6
	EgressDenied      ErrorCode = 7
	InternalError     ErrorCode = 8
	InvalidJSON       ErrorCode = 9
)

// Condition says which bound ended the attempts.
type Condition int

// The conditions.
const (
	NotExhausted      Condition = 0
	RetriesExhausted  Condition = 1
	EventAgeExhausted Condition = 2
)

// Delivery is one event for one target.
type Delivery struct {
	ID          ID
	Event       *Event
	Rule        string // of the event's bus
	Target      Target // as it was when the event was accepted
	Destination string
	Group       string // within which deliveries to the target keep their order; empty: none
	State       State
	// Owner is the instance that has an unfinished delivery in memory. Empty: none, it is backlog.
	Owner        string
	CreateTime   time.Time
	NextAttempt  time.Time
	ExpireTime   time.Time
	EndTime      time.Time
	Attempts     int  // all
	Charged      int  // those that count against the retry policy
	AuthForgiven bool // a first 401 or 407 was not charged
	ErrorCode    ErrorCode
	ErrorMessage string // at most 1024 characters
	Condition    Condition
	Payload      string // the body of the last attempt, without what the connection added; only kept when Dead
	Redrives     int
	History      []Attempt // in Get only: the last 200, oldest first
}

// Lane names the destination as the dispatcher does.
func (d *Delivery) Lane() DestinationName { return DestinationName{d.ID.Project, d.Destination} }

// Retries is the number of charged attempts less the first.
func (d *Delivery) Retries() int { return max(0, d.Charged-1) }

// ErrorClass says how an attempt failed. The numbers are those of the API and of the store.
type ErrorClass int

// The classes.
const (
	NoFailure        ErrorClass = 0
	RetryableStatus  ErrorClass = 1
	PermanentStatus  ErrorClass = 2
	Unauthorized     ErrorClass = 3
	TimedOut         ErrorClass = 4
	ConnectFailed    ErrorClass = 5
	ConnectionBroken ErrorClass = 6
	NoCredential     ErrorClass = 7
	InvalidRequest   ErrorClass = 8
	Denied           ErrorClass = 9
)

// String returns the class's name in metrics and spans.
func (c ErrorClass) String() string {
	names := [...]string{
		"success", "retryable_status", "permanent_status", "unauthorized", "timed_out", "connect_failed",
		"connection_broken", "no_credential", "invalid_request", "denied",
	}
	if c < 0 || int(c) >= len(names) {
		return "unknown"
	}
	return names[c]
}

// Attempt is one request to a destination.
type Attempt struct {
	Number          int
	StartTime       time.Time
	Duration        time.Duration
	StatusCode      int
	Class           ErrorClass
	Message         string // no secrets
	TokenGeneration int64
	RetryAfter      *time.Duration // negative: do not try again
	Excerpt         string         // of the answer's body, for failures; no secrets
	TraceID         string
	Exchange        *Exchange // nil: nothing is known
	// Batch is the id of the batch it was made for, and BatchSize how many deliveries that had; empty and 0 for one that was made alone.
	Batch     string
	BatchSize int
	// Free says that it does not count against the retry policy. It is not stored.
	Free bool
	// NoJSON says of an InvalidRequest that the target's input template gave no JSON. It is not stored.
	NoJSON bool
}
