package delivery

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
)

// DefaultMaxEntries is the number of events one PutEvents may hold.
const DefaultMaxEntries = 10

// scope names the instrumentation.
const scope = "github.com/freshet-io/freshet/services/delivery"

// Params are what a [Service] is made of.
type Params struct {
	Store       Store
	Credentials Credentials
	Connections Connections
	Sender      Sender
	// CheckURL says whether an endpoint may be called at all. Its error is for the caller.
	CheckURL func(url string) error
	// Instance names the process in the store; the service adds something unique to it.
	Instance string
	// MaxEntries is the number of events one PutEvents may hold. Default: DefaultMaxEntries.
	MaxEntries int
	// Retention is that of buses that say nothing else. Default: for ever.
	Retention Retention
	// UserAgent is sent to destinations. Default: "Freshet".
	UserAgent string
	// Drain bounds how long attempts under way may take once Run's context has ended. Default: dispatch.DefaultDrain.
	Drain time.Duration
	// Logger, TracerProvider and MeterProvider default to none.
	Logger         *slog.Logger
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Now is the clock of everything that is stored. Default: time.Now.
	Now func() time.Time
}

// Service is the delivery service. Its use cases may be called before, during and after Run; deliveries are attempted during Run.
type Service struct {
	store       Store
	credentials Credentials
	connections Connections
	sender      Sender
	checkURL    func(url string) error
	maxEntries  int
	userAgent   string
	logger      *slog.Logger
	tracer      trace.Tracer
	metrics     *metrics
	now         func() time.Time
	owner       string

	dispatcher *dispatch.Dispatcher[DestinationName, *Delivery]
	ids        *ulid.LockedMonotonicReader
	indexes    indexCache
	retention  Retention
	logs       logConfigs
	walks      walks
	lanes      laneCache
	suspects   suspects
	news       chan struct{} // holds one: look at suspects and the backlog
	ticked     chan struct{} // holds one: look at the schedules
	joined     chan struct{} // closes when the store knows this instance
	journaled  chan struct{} // holds one: look at what was accepted
	shared     atomic.Bool   // other instances are alive

	historyBytes atomic.Int64 // of all projects, when last looked at
}

// NewService returns a service, or an error that names what is missing.
func NewService(p Params) (*Service, error) {
	switch {
	case p.Store == nil, p.Credentials == nil, p.Connections == nil, p.Sender == nil, p.CheckURL == nil:
		return nil, errors.New("delivery: Store, Credentials, Connections, Sender and CheckURL are required")
	case p.Instance == "":
		return nil, errors.New("delivery: Instance is required")
	}
	p = p.withDefaults()
	s := &Service{
		store: p.Store, credentials: p.Credentials, connections: p.Connections, sender: p.Sender, checkURL: p.CheckURL,
		maxEntries: p.MaxEntries, userAgent: p.UserAgent, logger: p.Logger, tracer: p.TracerProvider.Tracer(scope), now: p.Now,
		ids:     &ulid.LockedMonotonicReader{MonotonicReader: ulid.Monotonic(rand.Reader, 0)},
		lanes:   laneCache{lanes: map[DestinationName]*laneState{}},
		indexes: indexCache{indexes: map[BusName]*busIndex{}},
		logs:    logConfigs{known: map[BusName]logConfig{}},
		walks:   walks{at: map[HistoryWalk]walk{}}, retention: p.Retention,
		news: make(chan struct{}, 1), ticked: make(chan struct{}, 1), journaled: make(chan struct{}, 1), joined: make(chan struct{}),
	}
	s.owner = p.Instance + "/" + s.newID(p.Now())
	s.dispatcher = dispatch.New(worker{s}, dispatch.Config{Drain: p.Drain, Logger: p.Logger})
	var err error
	s.metrics, err = newMetrics(p.MeterProvider.Meter(scope), s.backlogAge, s.lanes.held, s.historyBytes.Load)
	return s, err
}

func (p Params) withDefaults() Params {
	if p.MaxEntries <= 0 {
		p.MaxEntries = DefaultMaxEntries
	}
	if p.UserAgent == "" {
		p.UserAgent = "Freshet"
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.TracerProvider == nil {
		p.TracerProvider = noop.NewTracerProvider()
	}
	if p.MeterProvider == nil {
		p.MeterProvider = metricnoop.NewMeterProvider()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	return p
}

// newID returns a ULID of that time, after all others of its millisecond that this process made.
func (s *Service) newID(now time.Time) string {
	id, err := ulid.New(ulid.Timestamp(now), s.ids)
	if err != nil { // more than 2^80 in a millisecond
		id = ulid.MustNew(ulid.Timestamp(now), rand.Reader)
	}
	return id.String()
}

// stamp is the current time as stores keep it.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
