package delivery

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Store keeps everything. Implementations pass storetest.Run. Every method is one transaction and returns after it is durable.
type Store interface {
	Buses
	Rules
	Destinations
	Controls
	SigningKeys
	Events
	Archives
	Deliveries
	Queue
	Journal
	Instances
	Schedules
	Deduplications
	Webhooks
	History
	Sizes
}

// Buses keeps buses. A project's default bus is there although nobody created it, with the etag "0".
type Buses interface {
	// Bus returns ErrBusNotFound.
	Bus(ctx context.Context, name BusName) (Bus, error)
	// ListBuses returns buses by name, those after the given one.
	ListBuses(ctx context.Context, project, after string, limit int) ([]Bus, error)
	// CreateBus returns ErrExists.
	CreateBus(ctx context.Context, bus Bus) error
	// ReplaceBus returns ErrBusNotFound, or ErrEtagMismatch unless the stored etag is the given one.
	ReplaceBus(ctx context.Context, bus Bus, etag string) error
	// DeleteBus returns ErrBusNotFound, ErrEtagMismatch (an empty etag is not compared), ErrInUse while it has rules, archives or
	// schedules.
	DeleteBus(ctx context.Context, name BusName, etag string) error
}

// Rules keeps rules. Each write changes the version of the bus's rules.
type Rules interface {
	// Rule returns ErrRuleNotFound.
	Rule(ctx context.Context, name RuleName) (Rule, error)
	// ListRules returns rules by name, those after the given one; ErrBusNotFound.
	ListRules(ctx context.Context, bus BusName, after string, limit int) ([]Rule, error)
	// CreateRule returns ErrExists, ErrBusNotFound, ErrDestinationNotFound.
	CreateRule(ctx context.Context, rule Rule) error
	// ReplaceRule returns ErrRuleNotFound, ErrEtagMismatch, ErrDestinationNotFound. The cancellations are recorded with it.
	ReplaceRule(ctx context.Context, rule Rule, etag string, cancel []Cancellation) error
	// DeleteRule returns ErrRuleNotFound, ErrEtagMismatch. The cancellation is recorded with it.
	DeleteRule(ctx context.Context, name RuleName, etag string, cancel Cancellation) error
	// RuleSet returns the rules and archives of a bus that are not disabled, and their version; ErrBusNotFound.
	RuleSet(ctx context.Context, bus BusName) (RuleSet, error)
}

// RuleSet is what a bus matches events with.
type RuleSet struct {
	Version  string // changes with every change of the rules, the archives or the bus itself; never the same again
	Rules    []Rule
	Archives []Archive
	Settings BusSettings
}

// Destinations keeps destinations.
type Destinations interface {
	// Destination returns ErrDestinationNotFound.
	Destination(ctx context.Context, name DestinationName) (Destination, error)
	// ListDestinations returns destinations by name, those after the given one.
	ListDestinations(ctx context.Context, project, after string, limit int) ([]Destination, error)
	// RulesOf returns the rules that use a destination.
	RulesOf(ctx context.Context, name DestinationName) ([]Rule, error)
	// CreateDestination returns ErrExists.
	CreateDestination(ctx context.Context, destination Destination) error
	// ReplaceDestination returns ErrDestinationNotFound, ErrEtagMismatch; and an [InvalidError] of check, which is given the targets
	// that use the destination.
	ReplaceDestination(ctx context.Context, destination Destination, etag string, check func([]Rule) error) error
	// DeleteDestination returns ErrDestinationNotFound, ErrEtagMismatch, ErrInUse while rules use it. The cancellation is recorded
	// with it.
	DeleteDestination(ctx context.Context, name DestinationName, etag string, cancel Cancellation) error
}

// Controls keeps what holds destinations.
type Controls interface {
	// SetPause replaces a destination's pause; ErrDestinationNotFound.
	SetPause(ctx context.Context, name DestinationName, p Pause) error
	// SetCircuit replaces a destination's circuit. A destination that is not there is no error.
	SetCircuit(ctx context.Context, name DestinationName, c Circuit) error
	// Backlog counts up to limit unfinished deliveries of a lane that nobody owns, and tells which has been due for longest.
	Backlog(ctx context.Context, lane DestinationName, limit int) (Backlog, error)
}

// SigningKeys keeps the keys of destinations.
type SigningKeys interface {
	// SigningKeys returns a destination's keys that have not expired, oldest first.
	SigningKeys(ctx context.Context, on DestinationName, now time.Time) ([]SigningKey, error)
	// AddSigningKey stores a key, lets the others expire at retire at the latest, unless that is zero, and forgets those that have
	// expired; ErrDestinationNotFound, ErrLimit beyond limit keys.
	AddSigningKey(ctx context.Context, key SigningKey, now, retire time.Time, limit int) error
	// DeleteSigningKey returns ErrSigningKeyNotFound.
	DeleteSigningKey(ctx context.Context, name SigningKeyName) error
}

// Events takes events.
type Events interface {
	// Accept stores what plan returns, in one transaction in which it learned the version of the bus's rules. plan calls load to get
	// the rules themselves; it has no other effect, as it may be called again. ErrBusNotFound; ErrTickTaken and a
	// DuplicatesError, of which nothing is stored.
	Accept(ctx context.Context, bus BusName, plan Plan) error
}

// Plan says what is to be stored, given the version of a bus's rules and a way to load them.
type Plan func(version string, load func() (RuleSet, error)) (Batch, error)

// Batch is what one PutEvents stores.
type Batch struct {
	Events     []*Event
	Deliveries []*Delivery
	Archived   []Archived
	// Keys are claimed for their events.
	Keys []Key
	// Tick, if set, is what the events are of.
	Tick *Tick
}

// Filter selects deliveries; unset fields select all.
type Filter struct {
	State        State
	Destination  string
	Bus, Rule    string
	Event        string
	ErrorCode    ErrorCode
	From, Before time.Time // of acceptance: From inclusive, Before exclusive
}

// Cancellation is the recorded intent to cancel the unfinished deliveries of a rule, of a target of it, or of a destination.
type Cancellation struct {
	Project, ID string // ID is a ULID: deliveries accepted or redriven later are not meant
	Bus, Rule   string
	Target      string
	Destination string
	// Quiet says that other instances are told only if something is cancelled. It is not recorded.
	Quiet bool
}

// Covers tells whether a delivery is meant.
func (c Cancellation) Covers(d *Delivery) bool {
	switch {
	case d.ID.Project != c.Project || d.ID.Delivery > c.ID:
		return false
	case c.Destination != "":
		return d.Destination == c.Destination
	}
	return d.Event.Bus == c.Bus && d.Rule == c.Rule && (c.Target == "" || d.Target.ID == c.Target)
}

// Deliveries reads deliveries, starts them anew, and cancels them.
type Deliveries interface {
	// Delivery returns a delivery with its event, its payload and its last 200 attempts; ErrDeliveryNotFound.
	Delivery(ctx context.Context, id ID) (Delivery, error)
	// ListDeliveries returns deliveries with their events, newest first, those before the given id ("" for the newest).
	ListDeliveries(ctx context.Context, project string, filter Filter, now time.Time, before string, limit int) ([]Delivery, error)
	// Redrive starts one anew, with another target unless that is nil; ErrDeliveryNotFound, ErrStateConflict unless Dead or Cancelled,
	// ErrDestinationNotFound.
	Redrive(ctx context.Context, id ID, now time.Time, target *Target) (Delivery, error)
	// RedriveDead starts up to limit Dead ones anew whose destination is still there, and returns how many by destination.
	RedriveDead(ctx context.Context, project string, filter Filter, now time.Time, limit int) (map[DestinationName]int, error)
	// CountDead counts what RedriveDead would start, up to limit.
	CountDead(ctx context.Context, project string, filter Filter, limit int) (int, error)
	// Cancellations returns recorded ones that are not done.
	Cancellations(ctx context.Context, limit int) ([]Cancellation, error)
	// Cancel cancels up to limit unfinished deliveries, those after the given id ("" for the first), and returns the last one's id, and
	// whether that was all; the record is then removed.
	Cancel(ctx context.Context, c Cancellation, after string, now time.Time, limit int) (last string, done bool, err error)
}

// Queue is the backlog: unfinished deliveries, each owned by at most one instance.
type Queue interface {
	// Claim makes the owner own up to limit due ones of a lane that nobody owns, oldest first, and returns them with when the next is
	// due; zero: none is left.
	Claim(ctx context.Context, lane DestinationName, owner string, now time.Time, limit int) ([]*Delivery, time.Time, error)
	// ClaimOverdue makes the owner own up to limit that nobody owns and that are past their expire time.
	ClaimOverdue(ctx context.Context, owner string, now time.Time, limit int) ([]*Delivery, error)
	// Release makes nobody own those of the ids that the owner owns.
	Release(ctx context.Context, owner string, ids []ID) error
	// Record stores the delivery as it is after an attempt, and the attempt, if there is one. It changes nothing, and says so, if
	// the delivery has ended meanwhile or someone else owns it; a success is recorded whoever owns it.
	Record(ctx context.Context, owner string, d *Delivery, attempt *Attempt) (applied bool, err error)
	// Due returns when each lane with a backlog has something due.
	Due(ctx context.Context) (map[DestinationName]time.Time, error)
	// Slots reserves n starts of a lane, one every interval, after all reserved before and not before now; it returns the first.
	Slots(ctx context.Context, lane DestinationName, now time.Time, interval time.Duration, n int) (time.Time, error)
}

// Schedules keeps schedules.
type Schedules interface {
	// Schedule returns ErrScheduleNotFound.
	Schedule(ctx context.Context, name ScheduleName) (Schedule, error)
	// ListSchedules returns the schedules of a bus by name, those after the given one; ErrBusNotFound.
	ListSchedules(ctx context.Context, bus BusName, after string, limit int) ([]Schedule, error)
	// CreateSchedule returns ErrExists, ErrBusNotFound.
	CreateSchedule(ctx context.Context, schedule Schedule) error
	// ReplaceSchedule returns ErrScheduleNotFound, or ErrEtagMismatch unless the stored etag is that of the given one. If the timing is
	// another, its LastRun must be the stored one too; otherwise the stored NextRun and LastRun stay.
	ReplaceSchedule(ctx context.Context, schedule, stored Schedule) error
	// DeleteSchedule returns ErrScheduleNotFound, ErrEtagMismatch (an empty etag is not compared).
	DeleteSchedule(ctx context.Context, name ScheduleName, etag string) error
	// DueSchedules returns up to limit schedules that are due, those first that are due longest; and, if none is, when the next will be,
	// zero if none will.
	DueSchedules(ctx context.Context, now time.Time, limit int) (due []Schedule, next time.Time, err error)
	// PassTick moves a schedule on without an event; ErrTickTaken.
	PassTick(ctx context.Context, tick Tick) error
}

// Journal keeps the deliveries that an instance owned when they were accepted in a shorter form until they end or are unfolded. The other
// methods of the same Store see them all the same; those of other instances' see them once they have ended or are unfolded.
type Journal interface {
	// Unfold stores those accepted before that time like the others, and returns how many are left.
	Unfold(ctx context.Context, before time.Time) (left int, err error)
}

// Instances keeps which instances are alive, and what they tell each other.
type Instances interface {
	// Alone says that no other process can use the store at the same time.
	Alone() bool
	// Beat records that the instance is alive until then, and returns how many others are.
	Beat(ctx context.Context, instance string, now, until time.Time) (others int, err error)
	// Bury makes nobody own up to limit deliveries of instances that are not alive, and returns how many.
	Bury(ctx context.Context, now time.Time, limit int) (int, error)
	// Adopt makes nobody own up to limit deliveries whose owner was never recorded as an instance, and returns how many.
	Adopt(ctx context.Context, limit int) (int, error)
	// Leave makes nobody own up to limit deliveries of the instance, and forgets it once there are none left.
	Leave(ctx context.Context, instance string, limit int) (left int, err error)
	// Watch calls changed for each change another process made, until ctx ends; and with the zero Change whenever some may have been
	// missed.
	Watch(ctx context.Context, changed func(Change)) error
}

// Change tells what another process changed. The zero value: anything.
type Change struct {
	Destination *DestinationName // created, changed or deleted
	Cancelled   *Cancellation
	Instances   bool // one came
	Backlog     bool // an instance that ended left something in it
}

// CredentialState says whether a credential can be used.
type CredentialState int

// The states.
const (
	CredentialUnknown CredentialState = iota // nothing heard yet
	CredentialValid
	CredentialInvalid
)

// Credential is what a connection puts on a request. It is immutable.
type Credential struct {
	State  CredentialState
	Reason string // of CredentialInvalid, for people
	// Since is when it came to be in this state, as far as known here.
	Since       time.Time
	Generation  int64
	Fingerprint string
	Headers     []Field
	Query       []Field
	Body        []Field
	ExpireTime  time.Time // zero: never
	HoldUntil   time.Time // no attempt begins with it before: it is about to be replaced by one that ends it
	Traceparent string    // of the refresh cycle that made it
	Bound       bool      // to a key (RFC 9449): each request needs a proof besides
	Signs       bool      // each request (RFC 5849): it needs a signature besides
}

// Field is a header, query parameter or body member.
type Field struct {
	Key   string
	Value seal.Secret
}

// Usable tells whether a request may be sent with it.
func (c *Credential) Usable(now time.Time) bool {
	return c.State == CredentialValid && (c.ExpireTime.IsZero() || now.Before(c.ExpireTime))
}

// Credentials has the current credential of every connection in memory.
type Credentials interface {
	// Current returns what is known now of a connection's credential, and a channel that closes when that changes. A connection that is
	// asked for is watched from then on. The argument is a resource name.
	Current(connection string) (*Credential, <-chan struct{})
	// Reject reports that an API refused the credential of that fingerprint.
	Reject(ctx context.Context, connection, fingerprint string) error
	// Prove returns the proof of possession for a request with the bound credential of that fingerprint, for its header DPoP. ErrSuperseded if
	// that is not the current one any more.
	Prove(ctx context.Context, connection, fingerprint string, proof ProofRequest) (string, error)
	// Sign returns the signature of a request with the connection's present credential, for its header Authorization. ErrNotSignable if there is
	// none for such a request.
	Sign(ctx context.Context, connection string, request SignatureRequest) (string, error)
}

// ErrNotSignable is returned for a request that cannot be signed, whenever that is tried.
var ErrNotSignable = errors.New("the request cannot be signed: its URL or form is not of valid encoding, or has parameters of the signature already")

// SignatureRequest is what a signature is for.
type SignatureRequest struct {
	Method, URL string
	Form        string // the body, if it is of type application/x-www-form-urlencoded
}

// ProofRequest is what a proof of possession is for.
type ProofRequest struct {
	Method, URL string
	Nonce       string // the destination's latest; empty: it gave none
}

// Connections knows which connections there are.
type Connections interface {
	// Check returns ErrConnectionNotFound if there is none of that resource name.
	Check(ctx context.Context, connection string) error
}

// Sender makes one HTTP request.
type Sender interface {
	// Send returns when the answer is complete or has failed, after the request's timeout at the latest.
	Send(ctx context.Context, request Request) Response
}

// Request is one request to a destination.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte // nil: none
	Timeout     time.Duration
	// Secrets are texts that must not be in the Response although the destination may send them back.
	Secrets []seal.Secret
	// SecretHeaders names headers that must not be in the Response's Exchange.
	SecretHeaders []string
	// Detail is what is wanted in the Response's Exchange.
	Detail Detail
	// Prove returns the value of the header DPoP, with the destination's nonce in it. Nil: none is needed.
	Prove func(ctx context.Context, nonce string) (string, error)
	// Sign returns the value of the header Authorization. Nil: the request is not signed.
	Sign func(ctx context.Context) (string, error)
}

// Response is what became of a Request.
type Response struct {
	// Status is the HTTP status; 0 without a complete answer.
	Status int
	// Failure says why there is none.
	Failure ErrorClass
	// Message describes the failure, without secrets.
	Message string
	// Unproven is an error of the request's Prove or Sign. There is no answer then that means anything: nothing was processed.
	Unproven error
	// Challenged means that the destination wanted yet another nonce in the proof: it says nothing of the credential.
	Challenged bool
	// RetryAfter is the header of that name; negative: do not try again.
	RetryAfter *time.Duration
	// Excerpt is the beginning of the body unless the status is 2xx, without secrets.
	Excerpt string
	// Exchange is what was asked for by the request's Detail; nil for DetailNone, or where nothing was sent.
	Exchange *Exchange
}
