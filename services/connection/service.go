package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scope is the name of our instruments and spans.
const scope = "github.com/freshet-io/freshet/services/connection"

// Params are what a Service is made of.
type Params struct {
	Store     Store        // required
	Grants    GrantStore   // required
	Tokens    TokenControl // required
	Records   TokenRecords // required
	Announcer Announcer    // required
	Probe     Probe        // required
	Catalog   Catalog      // required
	// CheckURL returns an error, for people, if a URL may not be called. Required.
	CheckURL func(url string) error

	Logger         *slog.Logger         // default: discard
	TracerProvider trace.TracerProvider // default: none
	MeterProvider  metric.MeterProvider // default: none
	Now            func() time.Time     // default: time.Now
}

// Service is the use cases on connections. It is safe for concurrent use.
//
// A change is stored together with what must follow from it; Run carries it on. The answer to a caller therefore does not depend on the
// token service; it waits a moment for the token to be known there, so that it can be watched.
type Service struct {
	store     Store
	grants    GrantStore
	tokens    TokenControl
	records   TokenRecords
	announcer Announcer
	probe     Probe
	catalog   Catalog
	checkURL  func(string) error
	logger    *slog.Logger
	tracer    trace.Tracer
	now       func() time.Time
	instance  string // owner of claimed events

	changes metric.Int64Counter
	pending *queue[Name]
	// pendingGrants are the grants that the token service must hear of.
	pendingGrants *queue[GrantName]
	events        chan struct{} // capacity 1: there is something to announce
	grantsChanged changes
}

// NewService returns a Service. Its loops run in Run.
func NewService(p Params) (*Service, error) {
	if p.Store == nil || p.Grants == nil || p.Tokens == nil || p.Records == nil || p.Announcer == nil || p.Probe == nil || p.Catalog == nil || p.CheckURL == nil {
		return nil, errors.New("connection: Store, Grants, Tokens, Records, Announcer, Probe, Catalog and CheckURL are required")
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.TracerProvider == nil {
		p.TracerProvider = tracenoop.NewTracerProvider()
	}
	if p.MeterProvider == nil {
		p.MeterProvider = metricnoop.NewMeterProvider()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	changes, err := p.MeterProvider.Meter(scope).Int64Counter("freshet.connection.state_changes",
		metric.WithDescription("Changes of a connection's state."), metric.WithUnit("{change}"))
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	return &Service{
		store:         p.Store,
		grants:        p.Grants,
		tokens:        p.Tokens,
		records:       p.Records,
		announcer:     p.Announcer,
		probe:         p.Probe,
		catalog:       p.Catalog,
		checkURL:      p.CheckURL,
		logger:        p.Logger,
		tracer:        p.TracerProvider.Tracer(scope),
		now:           p.Now,
		instance:      ulid.Make().String(),
		changes:       changes,
		pending:       newQueue[Name](),
		pendingGrants: newQueue[GrantName](),
		events:        make(chan struct{}, 1),
	}, nil
}

// Draft is a connection to be created.
type Draft struct {
	Name        Name
	Description string
	Settings    Settings
}

// Create stores a connection and has its token obtained. With validateOnly it only checks, and returns what would be stored, without UID.
//
// Errors: *ValidationError, *UnknownProviderError, ErrExists, ErrDeleting.
func (s *Service) Create(ctx context.Context, d Draft, validateOnly bool) (Connection, error) {
	var err error
	if d.Settings, err = s.settled(d.Settings); err != nil {
		return Connection{}, err
	}
	d.Settings.OAuth2.Users = d.Settings.ofUsers()
	if err := s.validate(d.Settings); err != nil {
		return Connection{}, err
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	c := Connection{
		Name: d.Name, Description: d.Description, Settings: d.Settings,
		Revision: 1, ConfigVersion: 1,
		State: StateCreating, Reason: ReasonTokenNotReady, Pending: PendingAuthorize,
		CreateTime: now, UpdateTime: now, StateTime: now,
	}
	if c.Settings.OAuth2.Users { // there is no token to wait for
		c.State, c.Reason, c.Pending, c.AuthorizeTime = StateAuthorized, "", PendingNothing, now
	}
	if validateOnly {
		return c.withoutSecrets(), s.checkFree(ctx, d.Name)
	}
	c.UID = ulid.Make().String()
	e := event(ulid.Make().String(), Connection{}, c)
	if err := s.insert(ctx, c, e); err != nil {
		return Connection{}, err
	}
	c.RowVersion++
	s.remark(ctx, c)
	s.committed(ctx, c, e)
	s.tellFirst(ctx, c)
	return c.withoutSecrets(), nil
}

// remark logs what is to be said of settings that were stored.
func (s *Service) remark(ctx context.Context, c Connection) {
	if notice := c.Settings.Notice(); notice != "" {
		s.logger.WarnContext(ctx, "connection settings deserve a second look", "connection", c.Name.String(), "notice", notice)
	}
}

// insert stores a new connection. If the name is taken, it says by what.
func (s *Service) insert(ctx context.Context, c Connection, e *StateEvent) error {
	for range maxConflicts {
		err := s.store.Create(ctx, c, e)
		if !errors.Is(err, ErrExists) {
			return err
		}
		if err := s.checkFree(ctx, c.Name); err != nil {
			return err
		}
		// It has just become free.
	}
	return fmt.Errorf("%w: %s", ErrExists, c.Name)
}

// checkFree returns nil if the name is not taken, ErrDeleting if it will be free soon, otherwise ErrExists.
func (s *Service) checkFree(ctx context.Context, name Name) error {
	c, err := s.store.Get(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case c.State == StateDeleting:
		return fmt.Errorf("%w: %s", ErrDeleting, name)
	default:
		return fmt.Errorf("%w: %s", ErrExists, name)
	}
}

// Get returns a connection without secrets, or ErrNotFound.
func (s *Service) Get(ctx context.Context, name Name) (Connection, error) {
	return s.store.Get(ctx, name)
}

// List returns connections of a project without secrets, ordered by id.
func (s *Service) List(ctx context.Context, project string, q Query) ([]Connection, error) {
	return s.store.List(ctx, project, q)
}

// Settings returns a connection with its secrets: what the token service needs. What its provider has for it is filled in.
//
// Errors: ErrNotFound, also for a connection that is being deleted; ErrSecretsUnreadable; *UnknownProviderError, or a *ValidationError, if the
// catalogue has changed since the connection was stored.
func (s *Service) Settings(ctx context.Context, name Name) (Connection, error) {
	c, err := s.store.GetWithSecrets(ctx, name)
	if err != nil {
		return Connection{}, err
	}
	if c.State == StateDeleting {
		return Connection{}, fmt.Errorf("%w: %s is being deleted", ErrNotFound, name)
	}
	c.Settings, err = s.filled(c.Settings)
	return c, err
}

// Test tries the connection step by step. ok says that no step failed.
//
// Errors: ErrNotFound, ErrSecretsUnreadable, and those of [Service.Settings] about the catalogue. A failing step is not an error.
func (s *Service) Test(ctx context.Context, name Name) (steps []Step, ok bool, err error) {
	c, err := s.store.GetWithSecrets(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if c.Settings, err = s.filled(c.Settings); err != nil {
		return nil, false, err
	}
	if steps, err = s.probe.Run(ctx, c); err != nil {
		return nil, false, err
	}
	ok = true
	for _, step := range steps {
		ok = ok && step.Outcome != OutcomeFailed
	}
	return steps, ok, nil
}

// committed has the consequences of a stored change carried on.
func (s *Service) committed(ctx context.Context, c Connection, e *StateEvent) {
	if c.Pending != PendingNothing {
		s.pending.add(c.Name)
	}
	if e == nil {
		return
	}
	s.wakeAnnouncer()
	s.changes.Add(ctx, 1, metric.WithAttributes(
		attribute.String("freshet.connection.state", string(c.State)), attribute.String("freshet.reason", string(c.Reason))))
	s.logger.InfoContext(ctx, "connection state changed", "connection", c.Name.String(), "state", string(c.State),
		"previous", string(e.Previous), "reason", string(c.Reason), "message", c.Message, "revision", c.Revision)
}

func (c Connection) withoutSecrets() Connection {
	c.Settings = c.Settings.WithoutSecrets()
	return c
}

// wakeAnnouncer says that there is an event to publish.
func (s *Service) wakeAnnouncer() {
	select {
	case s.events <- struct{}{}:
	default:
	}
}
