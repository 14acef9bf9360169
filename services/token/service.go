package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/freshet-io/freshet/services/token/gate"
	"github.com/freshet-io/freshet/services/token/hub"
	"github.com/freshet-io/freshet/services/token/schedule"
)

// Params are what a Service is made of.
type Params struct {
	// Store keeps tokens; required.
	Store Store
	// Revocations keeps what is to be revoked; required.
	Revocations Revocations
	// Budgets counts the requests of clients; required.
	Budgets Budgets
	// Settings tells how to obtain credentials; required.
	Settings SettingsSource
	// Exchanger makes token requests; required.
	Exchanger Exchanger

	Logger *slog.Logger         // default: discard
	Tracer trace.TracerProvider // default: none
	Meter  metric.MeterProvider // default: none
	Now    func() time.Time     // default: time.Now
	Random func() float64       // numbers in [0, 1) for backoff; default: math/rand/v2

	// Instance names this process in leases; a random part is added. Default: "freshet".
	Instance string
	// Concurrency is the number of rotations that run at once. Default 256.
	Concurrency int
	// RequestTimeout bounds one token request. Default 30 s; shorter while a token with little life left is refreshed.
	RequestTimeout time.Duration
	// LeaseTime is how long a lease lasts that is not renewed: after the death of a process, others wait so long. Default 15 s.
	LeaseTime time.Duration
	// DrainTimeout is how long Run lets rotations finish when it ends. Default 10 s.
	DrainTimeout time.Duration
}

func (p Params) withDefaults() Params {
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.Tracer == nil {
		p.Tracer = tracenoop.NewTracerProvider()
	}
	if p.Meter == nil {
		p.Meter = metricnoop.NewMeterProvider()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Random == nil {
		p.Random = rand.Float64
	}
	if p.Instance == "" {
		p.Instance = "freshet"
	}
	p.Concurrency = orDefault(p.Concurrency, 256)
	p.RequestTimeout = orDefault(p.RequestTimeout, 30*time.Second)
	p.LeaseTime = orDefault(p.LeaseTime, 15*time.Second)
	p.DrainTimeout = orDefault(p.DrainTimeout, 10*time.Second)
	return p
}

func orDefault[T int | time.Duration](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}

// Service is the token service's use cases and the engine behind them. Its methods are safe for concurrent use. Nothing is
// refreshed by schedule unless Run runs.
type Service struct {
	p      Params
	owner  string // of leases
	tracer trace.Tracer
	meters *meters

	tokens *hub.Hub[Key, *Update] // with credentials, to those who watch by name
	states *hub.Hub[Key, *Update] // without, to those who watch them all

	watches *watches
	gate    *gate.Gate[Key] // what requests to the same server have met

	attempts *schedule.Queue[Key]
	expiries *schedule.Queue[Key]

	life context.Context // of rotations; ends when Run has drained
	end  context.CancelFunc
	// stopping is closed when Run begins to end: no new rotation starts.
	stopping chan struct{}

	slots    chan struct{} // one per running rotation
	revoking chan struct{} // capacity 1: there is another revocation

	mu      sync.Mutex
	flights map[Key]*flight
	unsent  map[Key]unsentClaim
	stopped bool
	horizon time.Time // tokens due until then are in the queues
	wg      sync.WaitGroup
}

// NewService returns a Service. It starts nothing. Errors: a required member of p is missing.
func NewService(p Params) (*Service, error) {
	if p.Store == nil || p.Revocations == nil || p.Budgets == nil || p.Settings == nil || p.Exchanger == nil {
		return nil, errors.New("token: Params needs Store, Revocations, Budgets, Settings and Exchanger")
	}
	p = p.withDefaults()
	s := &Service{
		p:       p,
		owner:   p.Instance + "/" + ulid.Make().String(),
		tracer:  p.Tracer.Tracer(scope),
		tokens:  hub.New[Key, *Update](),
		states:  hub.New[Key, *Update](),
		watches: newWatches(),
		gate:    gate.New[Key](p.Now),

		attempts: schedule.NewQueue[Key](p.Now),
		expiries: schedule.NewQueue[Key](p.Now),
		stopping: make(chan struct{}),
		revoking: make(chan struct{}, 1),
		slots:    make(chan struct{}, p.Concurrency),
		flights:  map[Key]*flight{},
		unsent:   map[Key]unsentClaim{},
	}
	meters, err := newMeters(p.Meter)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	s.meters = meters
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Run refreshes tokens when they are due and carries changes between replicas until ctx ends. It then lets the rotations
// that run finish, within DrainTimeout, and returns nil. It must be called once.
func (s *Service) Run(ctx context.Context) error {
	defer s.end()
	if err := s.retry(ctx, func(ctx context.Context) error { return s.adopt(ctx) }); err != nil && ctx.Err() == nil {
		return err
	}
	loops, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context) error{s.fillLoop, s.attemptLoop, s.expiryLoop, s.listen, s.revocationLoop} {
		wg.Go(func() {
			if err := loop(loops); loops.Err() == nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.stop()
	cancel()
	wg.Wait()
	s.drain()
	return err
}

// adopt makes the leases of this store's former process, which is dead, ours to resolve.
func (s *Service) adopt(ctx context.Context) error {
	if !s.p.Store.Exclusive() {
		return nil // others may be alive; their leases run out by themselves
	}
	return s.p.Store.BreakLeases(ctx, s.p.Now())
}

func (s *Service) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
}

// drain waits for running rotations, and after DrainTimeout ends what they wait for.
func (s *Service) drain() {
	timer := time.AfterFunc(s.p.DrainTimeout, s.end)
	defer timer.Stop()
	s.wg.Wait()
}
