package grantjobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/freshet-io/freshet/services/connection"
)

// MaxRunning is how many jobs of a project may be under way.
const MaxRunning = 10

// Params are what a [Service] is made of.
type Params struct {
	Store  Store            // required
	Grants Grants           // required
	Logger *slog.Logger     // default: discard
	Now    func() time.Time // default: time.Now
}

// Service creates jobs and drives them during Run. It is safe for concurrent use.
type Service struct {
	store    Store
	grants   Grants
	logger   *slog.Logger
	now      func() time.Time
	instance string        // owner of claimed jobs
	news     chan struct{} // capacity 1: look for jobs
}

// NewService returns a service, or an error that names what is missing.
func NewService(p Params) (*Service, error) {
	if p.Store == nil || p.Grants == nil {
		return nil, errors.New("grantjobs: Store and Grants are required")
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Service{
		store: p.Store, grants: p.Grants, logger: p.Logger, now: p.Now, instance: ulid.Make().String(), news: make(chan struct{}, 1),
	}, nil
}

// stamp is the current time as stores keep it.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Create starts a Revoke or a Delete. With validateOnly it only counts, and returns what would be created.
//
// Errors: connection.ErrNotFound, *connection.ValidationError, ErrExists, ErrLimit.
func (s *Service) Create(ctx context.Context, j Job, validateOnly bool) (Job, error) {
	switch {
	case j.Action != Revoke && j.Action != Delete:
		return Job{}, invalid("action", "must be REVOKE or DELETE; erasures are started by EraseEndUser")
	case j.SkipRevocation && j.Action != Delete:
		return Job{}, invalid("skip_revocation", "is for DELETE; a grant that is not to be revoked is left as it is")
	}
	if id := j.Filter.Connection; id != "" {
		if _, err := s.grants.Get(ctx, connection.Name{Project: j.Name.Project, ID: id}); err != nil {
			return Job{}, err
		}
	}
	return s.create(ctx, j, validateOnly)
}

func (s *Service) create(ctx context.Context, j Job, validateOnly bool) (Job, error) {
	var err error
	if j.Matched, err = s.store.CountGrants(ctx, j.Name.Project, j.Filter.query(connection.GrantCursor{}, 0)); err != nil {
		return Job{}, err
	}
	j.State, j.CreateTime = Running, s.stamp()
	if validateOnly {
		return j, nil
	}
	if err := s.store.CreateJob(ctx, j, MaxRunning); err != nil {
		return Job{}, err
	}
	s.look()
	return j, nil
}

// EraseEndUser starts to erase what is held about an end user, or returns the job that is at it.
//
// Errors: ErrLimit.
func (s *Service) EraseEndUser(ctx context.Context, project, endUser string) (Job, error) {
	subject := Subject(project, endUser)
	for ctx.Err() == nil {
		if j, err := s.store.Erasure(ctx, project, subject); !errors.Is(err, ErrNotFound) {
			return j, err
		}
		j, err := s.create(ctx, Job{
			Name: Name{Project: project, ID: "erasure-" + strings.ToLower(ulid.Make().String())}, Action: Erase, Subject: subject,
			Filter: Filter{EndUser: endUser},
		}, false)
		if !errors.Is(err, ErrExists) { // somebody was quicker
			return j, err
		}
	}
	return Job{}, ctx.Err()
}

// Get returns a job, or ErrNotFound.
func (s *Service) Get(ctx context.Context, name Name) (Job, error) { return s.store.Job(ctx, name) }

// List returns jobs of a project, ordered by id.
func (s *Service) List(ctx context.Context, project, after string, limit int) ([]Job, error) {
	return s.store.ListJobs(ctx, project, after, limit)
}

// Cancel ends a job before its time.
//
// Errors: ErrNotFound, ErrEnded.
func (s *Service) Cancel(ctx context.Context, name Name) (Job, error) {
	return s.store.CancelJob(ctx, name, s.stamp())
}

// Delete forgets a job that has ended.
//
// Errors: ErrNotFound, ErrEnded.
func (s *Service) Delete(ctx context.Context, name Name) error { return s.store.DeleteJob(ctx, name) }

// look makes Run look for jobs at once.
func (s *Service) look() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func invalid(field, format string, args ...any) error {
	return &connection.ValidationError{Violations: []connection.Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}}
}
