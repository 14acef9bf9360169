package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
)

const (
	// MaxJobs is the number of jobs of a kind that a project may have which have not ended, as EventBridge has it for replays.
	MaxJobs = 10
	// DefaultRate is the number of items in a second.
	DefaultRate = 100

	// pollEvery is how often jobs are looked for that nobody drives.
	pollEvery = 5 * time.Second
	// claimAtOnce is how many are claimed then, so that other instances get some too.
	claimAtOnce = 4
	// scanPause is the time to the next step after one that found nothing to do.
	scanPause = 10 * time.Millisecond
	// failPause is the time to the next step after one that failed, or that has to wait.
	failPause = time.Second
	// endTimeout bounds what is stored once the process is ending.
	endTimeout = 5 * time.Second
)

// Params are what a [Service] is made of.
type Params struct {
	Store Store
	Bus   Bus
	// Logger and MeterProvider default to none.
	Logger        *slog.Logger
	MeterProvider metric.MeterProvider
	// Now is the clock of everything that is stored. Default: time.Now.
	Now func() time.Time
}

// Service creates jobs and drives them during Run.
type Service struct {
	store   Store
	bus     Bus
	logger  *slog.Logger
	metrics *metrics
	now     func() time.Time
	news    chan struct{} // holds one: look for jobs
}

// NewService returns a service, or an error that names what is missing.
func NewService(p Params) (*Service, error) {
	if p.Store == nil || p.Bus == nil {
		return nil, errors.New("jobs: Store and Bus are required")
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.MeterProvider == nil {
		p.MeterProvider = metricnoop.NewMeterProvider()
	}
	m, err := newMetrics(p.MeterProvider.Meter(scope))
	if err != nil {
		return nil, err
	}
	return &Service{store: p.Store, bus: p.Bus, logger: p.Logger, metrics: m, now: p.Now, news: make(chan struct{}, 1)}, nil
}

// stamp is the current time as stores keep it.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Run drives jobs until ctx ends. Then steps under way are completed, and the jobs are left to other instances or to the next start.
func (s *Service) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.bus.Joined():
	}
	var drivers sync.WaitGroup
	defer drivers.Wait()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		claimed, err := s.store.ClaimJobs(ctx, s.bus.Instance(), claimAtOnce)
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "jobs cannot be looked for", "error", err)
		}
		for _, job := range claimed {
			drivers.Go(func() { s.drive(ctx, job) })
		}
		if len(claimed) == claimAtOnce {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.news:
		}
	}
}

// look makes Run look for jobs at once.
func (s *Service) look() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// page is the number of items of a step: those of a fifth of a second, so that a pause or cancellation is soon noticed.
func (j *Job) page() int { return min(max(j.Rate/5, 1), maxPage) }

// maxPage bounds a transaction.
const maxPage = 500

// pace is the time that n items take.
func (j *Job) pace(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(j.Rate)
}

// step takes a job one page further. It returns how long to wait from its beginning to the next one, and whether the job is through.
func (s *Service) step(ctx context.Context, job *Job) (pause time.Duration, done bool, err error) {
	before := job.Items
	if job.Name.Kind == KindRedrive {
		pause, done, err = s.redrive(ctx, job)
	} else {
		pause, done, err = s.replay(ctx, job)
	}
	s.metrics.items.Add(ctx, job.Items-before, of(job.Name.Kind))
	return pause, done, err
}

// drive takes a job further, at its rate, until it ends, or is not driven from here any more, or ctx ends.
func (s *Service) drive(ctx context.Context, job Job) {
	running := of(job.Name.Kind)
	s.metrics.running.Add(ctx, 1, running)
	defer s.metrics.running.Add(ctx, -1, running)
	next := s.now()
	for {
		pause, goOn := s.turn(ctx, &job)
		if !goOn {
			return
		}
		if now := s.now(); next.Before(now) {
			next = now // what was not done in time is not caught up with in a burst
		}
		next = next.Add(pause)
		timer := time.NewTimer(next.Sub(s.now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			s.release(ctx, job)
			return
		case <-timer.C:
		}
	}
}

// turn makes one step and returns how long to wait from its beginning to the next one. It returns false when there is none.
func (s *Service) turn(ctx context.Context, job *Job) (time.Duration, bool) {
	if job.State == Starting {
		begun := *job
		begun.State = Running
		if begun.BeginTime.IsZero() {
			begun.BeginTime = s.stamp()
		}
		if err := s.store.UpdateJob(ctx, begun, Starting); err != nil {
			return s.failed(ctx, job, err)
		}
		*job = begun
	}
	if job.State != Running {
		return failPause, s.leave(ctx, job)
	}
	pause, done, err := s.step(ctx, job)
	switch {
	case err != nil:
		return s.failed(ctx, job, err)
	case done:
		return s.end(ctx, job, Completed, "")
	}
	return pause, true
}

// impossible is why a job can never go on.
type impossible struct{ reason string }

func (e *impossible) Error() string { return e.reason }

// failed does what the error of a step asks for.
func (s *Service) failed(ctx context.Context, job *Job, err error) (time.Duration, bool) {
	var never *impossible
	switch {
	case errors.As(err, &never):
		return s.end(ctx, job, Failed, never.reason)
	case errors.Is(err, ErrLost):
		return failPause, s.leave(ctx, job)
	case ctx.Err() == nil:
		s.logger.WarnContext(ctx, "a job cannot go on yet", "job", job.Name.String(), "error", err)
	}
	return failPause, true
}

// end puts a job into its last state.
func (s *Service) end(ctx context.Context, job *Job, state State, reason string) (time.Duration, bool) {
	ended := *job
	ended.State, ended.Reason, ended.EndTime = state, reason, s.stamp()
	if err := s.store.UpdateJob(ctx, ended, job.State); err != nil {
		return s.failed(ctx, job, err)
	}
	s.metrics.ended.Add(ctx, 1, of(job.Name.Kind, attribute.String("state", strings.ToLower(state.String()))))
	return 0, false
}

// leave looks what became of a job that does not go on as it was, and returns whether it is still to be driven from here.
func (s *Service) leave(ctx context.Context, job *Job) bool {
	stored, err := s.store.Job(ctx, job.Name)
	if err != nil {
		return ctx.Err() == nil && !errors.Is(err, job.Name.Kind.NotFound())
	}
	if stored.Owner != job.Owner || stored.Fence != job.Fence {
		return false
	}
	*job = stored
	switch {
	case job.State == Cancelling:
		_, goOn := s.end(ctx, job, Cancelled, "")
		return goOn
	case job.State == Paused:
		s.release(ctx, *job)
		return false
	case job.State.Ended():
		return false
	}
	return true
}

// release lets others drive a job. It is also called when the process is ending.
func (s *Service) release(ctx context.Context, job Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := s.store.ReleaseJob(ctx, job); err != nil { // then they find out that this instance is gone
		s.logger.WarnContext(ctx, "a job cannot be handed over", "job", job.Name.String(), "error", err)
	}
}
