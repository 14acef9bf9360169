package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/freshet-io/freshet/services/connection"
)

// scope is the name of our instruments.
const scope = "github.com/freshet-io/freshet/services/connection/connect"

const (
	// DefaultLifetime is how long a user may take.
	DefaultLifetime = 10 * time.Minute
	// redemptionTime is how long an outcome is awaited: servers let codes live for 10 minutes at most (RFC 6749 section 4.1.2).
	redemptionTime = 10 * time.Minute
	// waitTime is how long a browser waits for the outcome.
	waitTime = 10 * time.Second
	// keepTime is how long a session is kept after its end.
	keepTime = 24 * time.Hour
	// callbackPath is where browsers come back to, below the public URL, and linkPath where links begin.
	callbackPath = "/oauth/callback"
	linkPath     = "/connect/"
)

// Params are what a Service is made of.
type Params struct {
	Store      Store      // required
	Grants     Grants     // required
	Catalog    Catalog    // required
	Authorizer Authorizer // required
	Asker      Asker      // required
	// PublicURL is where browsers reach the gateway: scheme and host, and a path where it is not at the root; empty: not known.
	PublicURL string
	Lifetime  time.Duration // of sessions; default DefaultLifetime

	Logger        *slog.Logger         // default: discard
	MeterProvider metric.MeterProvider // default: none
	Now           func() time.Time     // default: time.Now
}

// Service is the use cases on sessions. It is safe for concurrent use. What must follow although nobody waits for it is done by Run.
type Service struct {
	store      Store
	grants     Grants
	catalog    Catalog
	authorizer Authorizer
	asker      Asker
	publicURL  string
	lifetime   time.Duration
	logger     *slog.Logger
	now        func() time.Time
	ended      metric.Int64Counter
}

// NewService returns a Service.
func NewService(p Params) (*Service, error) {
	if p.Store == nil || p.Grants == nil || p.Catalog == nil || p.Authorizer == nil || p.Asker == nil {
		return nil, errors.New("connect: Store, Grants, Catalog, Authorizer and Asker are required")
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.MeterProvider == nil {
		p.MeterProvider = metricnoop.NewMeterProvider()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Lifetime <= 0 {
		p.Lifetime = DefaultLifetime
	}
	if p.PublicURL != "" {
		if u, err := url.Parse(p.PublicURL); err != nil || u.Host == "" {
			return nil, errors.New("connect: PublicURL is not a URL")
		}
	}
	ended, err := p.MeterProvider.Meter(scope).Int64Counter("freshet.connect.sessions",
		metric.WithDescription("End users' authorizations that ended, by how."), metric.WithUnit("{session}"))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for _, outcome := range []State{Completed, Denied, Failed, Expired} {
		ended.Add(context.Background(), 0, ofOutcome(outcome)) // it is there before the first ends
	}
	return &Service{
		store: p.Store, grants: p.Grants, catalog: p.Catalog, authorizer: p.Authorizer, asker: p.Asker,
		publicURL: strings.TrimRight(p.PublicURL, "/"), lifetime: p.Lifetime, logger: p.Logger, now: p.Now, ended: ended,
	}, nil
}

// Get returns a session as callers see it, or ErrNotFound.
func (s *Service) Get(ctx context.Context, name Name) (Session, error) {
	session, err := s.store.GetSession(ctx, name)
	if err == nil && session.State == Waiting && !s.now().Before(session.ExpireTime) {
		session.State, session.EndTime = Expired, session.ExpireTime // the row follows
	}
	return session, err
}

// end puts a session into its last state.
func (s *Service) end(session Session, state State, reason connection.Reason, message string) Session {
	now := s.moment()
	session.State, session.Reason, session.Message = state, reason, clip(message)
	session.EndTime, session.DueTime = now, now.Add(keepTime)
	session.Secrets = Secrets{}
	return session
}

// save writes a session and accounts for its end.
func (s *Service) save(ctx context.Context, session Session) (Session, error) {
	if err := s.store.UpdateSession(ctx, session); err != nil {
		return session, err
	}
	session.RowVersion++
	if session.State.Ended() {
		s.ended.Add(ctx, 1, ofOutcome(session.State))
		s.logger.InfoContext(ctx, "authorization ended", "session", session.Name.String(), "grant", session.Grant.String(),
			"state", string(session.State), "reason", string(session.Reason), "message", session.Message)
	}
	return session, nil
}

func ofOutcome(s State) metric.AddOption {
	return metric.WithAttributes(attribute.String("freshet.connect.outcome", string(s)))
}

// moment is now as the store keeps it.
func (s *Service) moment() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
