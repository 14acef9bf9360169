package grantjobs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-io/freshet/services/connection"
)

const (
	// pollEvery is how often jobs are looked for that nobody drives.
	pollEvery = 5 * time.Second
	// claimAtOnce is how many are claimed then.
	claimAtOnce = 4
	// claimTime is how long a job is left alone whose instance does not say that it is at it.
	claimTime = time.Minute
	// pageSize is how many grants are gone through between two notes of how far a job is; atOnce of them at a time.
	pageSize = 100
	atOnce   = 8
	// failPause is the time to the next step after one that failed, or that waits for others.
	failPause = time.Second
	// endTimeout bounds what is stored once the process is ending.
	endTimeout = 5 * time.Second
)

// Run drives jobs until ctx ends. They are left to other instances then, or to the next start.
func (s *Service) Run(ctx context.Context) error {
	var drivers sync.WaitGroup
	defer drivers.Wait()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		now := s.stamp()
		claimed, err := s.store.ClaimJobs(ctx, s.instance, now, now.Add(claimTime), claimAtOnce)
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "grant jobs cannot be looked for", "error", err)
		}
		for _, job := range claimed {
			drivers.Go(func() { s.drive(ctx, job) })
		}
		if len(claimed) == claimAtOnce {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-s.news:
		}
	}
}

// drive takes a job further until it ends, or is not driven from here any more, or ctx ends.
func (s *Service) drive(ctx context.Context, job Job) {
	for ctx.Err() == nil {
		wait, err := s.step(ctx, &job)
		switch {
		case errors.Is(err, ErrLost):
			return
		case err != nil && ctx.Err() == nil:
			s.logger.WarnContext(ctx, "a grant job cannot go on yet", "job", job.Name.String(), "error", err)
			wait = true
		case job.State != Running:
			s.logger.InfoContext(ctx, "grant job ended", "job", job.Name.String(), "action", string(job.Action), "ended", job.Ended)
			return
		}
		if wait {
			pause(ctx, failPause)
		}
	}
	s.release(ctx, job)
}

// pause returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// release lets others drive a job at once.
func (s *Service) release(ctx context.Context, job Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := s.store.UpdateJob(ctx, job, time.Time{}); err != nil && !errors.Is(err, ErrLost) { // then the claim runs out
		s.logger.WarnContext(ctx, "a grant job cannot be handed over", "job", job.Name.String(), "error", err)
	}
}

// step takes a job one page further. wait says that only others can bring it further at the moment.
func (s *Service) step(ctx context.Context, job *Job) (wait bool, err error) {
	after := job.After
	if job.Action == Erase {
		after = connection.GrantCursor{} // until there is none, also of those that come meanwhile
	}
	grants, err := s.grants.ListGrants(ctx, job.Name.Project, job.Filter.query(after, pageSize))
	if err != nil {
		return false, err
	}
	ended, err := s.endAll(ctx, job, grants)
	next := *job
	next.Ended += ended
	switch {
	case err != nil: // what was ended is counted; the page is gone through again
	case job.Action == Erase && len(grants) > 0:
		wait = ended == 0 // the token service is being told of them
	case len(grants) < pageSize:
		next.State, next.FinishTime = Succeeded, s.stamp()
		if job.Action == Erase {
			next.Filter.EndUser = ""
		}
	}
	if err == nil && len(grants) > 0 && job.Action != Erase {
		next.Skipped += int64(len(grants)) - ended
		next.After = grants[len(grants)-1].Cursor()
	}
	if saved := s.store.UpdateJob(ctx, next, s.stamp().Add(claimTime)); saved != nil {
		return false, errors.Join(err, saved)
	}
	*job = next
	return wait, err
}

// endAll does what the job does to each of some grants, and returns how many it ended.
func (s *Service) endAll(ctx context.Context, job *Job, grants []connection.Grant) (int64, error) {
	var ended atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, g := range grants {
		group.Go(func() error {
			did, err := s.end(ctx, job, g)
			if did {
				ended.Add(1)
			}
			return err
		})
	}
	err := group.Wait()
	return ended.Load(), err
}

// end does what the job does to a grant, and reports whether it had not ended before.
func (s *Service) end(ctx context.Context, job *Job, g connection.Grant) (bool, error) {
	if g.State == connection.StateDeleting {
		return false, nil
	}
	var err error
	if job.Action == Revoke {
		if g.Revoked() {
			return false, nil
		}
		_, err = s.grants.RevokeGrant(ctx, g.Name)
	} else {
		_, err = s.grants.DeleteGrant(ctx, g.Name, "", !job.SkipRevocation)
	}
	if errors.Is(err, connection.ErrGrantNotFound) || errors.Is(err, connection.ErrDeleting) {
		return false, nil
	}
	return err == nil, err
}
