package delivery

import (
	"net/http"
	"time"

	"github.com/freshet-io/freshet/services/delivery/buslog"
	"github.com/freshet-io/freshet/services/delivery/dispatch"
)

// Bus receives events and hands them to its rules.
type Bus struct {
	Name        BusName
	Description string
	Settings    BusSettings
	CreateTime  time.Time // zero for a default bus that nobody has written yet
	UpdateTime  time.Time
	Etag        string
	// Bytes is what its events are, of those that were accepted more than a minute or two ago; only in Get and List.
	Bytes int64
}

// BusSettings are what a bus is seldom given.
type BusSettings struct {
	// DeduplicateContent says that an event is not accepted again within the DeduplicationWindow, unless it has a deduplication id.
	DeduplicateContent bool
	Retention          Retention
	Log                buslog.Config
}

// Rule selects events of its bus and sends them to its targets.
type Rule struct {
	Name         RuleName
	Description  string
	EventPattern string // JSON text
	Disabled     bool
	Targets      []Target
	CreateTime   time.Time
	UpdateTime   time.Time
	Etag         string
}

// Target is one destination of a rule and what it is sent.
type Target struct {
	ID          string
	Destination string // of the rule's project
	// PathParameters fill the `*` of the destination's endpoint, in order. These and the other parameters are constants or JSON paths.
	PathParameters  []string
	Headers         map[string]string
	QueryParameters map[string]string
	// At most one of Input, InputPath and Transformer says what the body is; none: the whole event.
	Input       string // JSON text, whatever the event
	InputPath   string // JSON path to the body
	Transformer *Transformer
	GroupPath   string // JSON path to the group; empty: the event\'s GroupID
	Retry       RetryPolicy
	DeadLetter  DeadLetter
	// Grant names the grant under the destination's connection whose credential is used: an id, or a JSON path to one. Empty: the
	// connection's own.
	Grant string
	// Batch sends deliveries together. Nil: each goes alone.
	Batch *Batching
	// Body is what a redrive put in place of the event's body; only in deliveries. Nil: nothing.
	Body *string
}

// Defaults and bounds of a [RetryPolicy].
const (
	DefaultRetries = 185
	DefaultMaxAge  = 24 * time.Hour
)

// RetryPolicy bounds the attempts of a delivery.
type RetryPolicy struct {
	// Retries is the number of attempts after the first. Nil: DefaultRetries.
	Retries *int
	// MaxAge counts from the acceptance of the event. 0: DefaultMaxAge.
	MaxAge time.Duration
}

// MaxRetries is Retries or the default.
func (p RetryPolicy) MaxRetries() int {
	if p.Retries == nil {
		return DefaultRetries
	}
	return *p.Retries
}

// Lifetime is MaxAge or the default.
func (p RetryPolicy) Lifetime() time.Duration {
	if p.MaxAge <= 0 {
		return DefaultMaxAge
	}
	return p.MaxAge
}

// Defaults of a [Destination].
const (
	DefaultMethod  = http.MethodPost
	DefaultRate    = 300
	DefaultTimeout = 5 * time.Second
	// DefaultIdempotencyHeader is a destination's IdempotencyHeader.
	DefaultIdempotencyHeader = "Idempotency-Key"
	// DefaultConcurrency is a destination's MaxConcurrency, in each process.
	DefaultConcurrency = dispatch.DefaultConcurrency
)

// Destination is an HTTPS endpoint with a method, a connection and a rate.
type Destination struct {
	Name        DestinationName
	Description string
	Connection  string // of the same project
	Endpoint    string
	Method      string        // default DefaultMethod
	RateLimit   int           // requests per second; default DefaultRate
	Unlimited   bool          // RateLimit counts for nothing
	Timeout     time.Duration // of one attempt; default DefaultTimeout
	// MaxConcurrency bounds the attempts under way, in each process. Default DefaultConcurrency.
	MaxConcurrency int
	Breaker        Breaker // unset fields have the defaults
	Detail         Detail  // default DetailFailures
	Statuses       Statuses
	// IdempotencyHeader carries the delivery's id. Default DefaultIdempotencyHeader.
	IdempotencyHeader string
	// Pause and Circuit are not changed by those who change the destination, nor do they change its etag.
	Pause   Pause
	Circuit Circuit
	// Probing says that the circuit is half open at the moment. It is not stored.
	Probing bool
	// Active says that the connection has a valid credential at the moment. It is not stored.
	Active     bool
	CreateTime time.Time
	UpdateTime time.Time
	Etag       string
}

// withDefaults fills in what was not given.
func (d Destination) withDefaults() Destination {
	if d.Method == "" {
		d.Method = DefaultMethod
	}
	if d.RateLimit == 0 {
		d.RateLimit = DefaultRate
	}
	if d.Timeout == 0 {
		d.Timeout = DefaultTimeout
	}
	if d.MaxConcurrency == 0 {
		d.MaxConcurrency = DefaultConcurrency
	}
	if d.IdempotencyHeader == "" {
		d.IdempotencyHeader = DefaultIdempotencyHeader
	}
	if d.Detail == 0 {
		d.Detail = DetailFailures
	}
	return d
}
