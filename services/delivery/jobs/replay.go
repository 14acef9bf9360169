package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// CreateReplay starts a replay; delivery.ErrExists, ErrBusNotFound, ErrArchiveNotFound, ErrRuleNotFound, an InvalidError; ErrLimit.
func (s *Service) CreateReplay(ctx context.Context, job Job, validateOnly bool) (Job, error) {
	job.State, job.CreateTime = Starting, s.stamp()
	if job.Rate == 0 {
		job.Rate = DefaultRate
	}
	if err := s.checkReplay(ctx, &job.Replay); err != nil {
		return Job{}, err
	}
	return s.create(ctx, job, validateOnly)
}

// create stores a job that was checked, or only looks whether there is one of its name.
func (s *Service) create(ctx context.Context, job Job, validateOnly bool) (Job, error) {
	if validateOnly {
		switch _, err := s.store.Job(ctx, job.Name); {
		case errors.Is(err, job.Name.Kind.NotFound()):
			return job, nil
		case err != nil:
			return Job{}, err
		}
		return Job{}, fmt.Errorf("%s: %w", job.Name, delivery.ErrExists)
	}
	if err := s.store.CreateJob(ctx, job, MaxJobs); err != nil {
		return Job{}, err
	}
	s.look()
	return job, nil
}

// checkReplay checks a replay's range and what it refers to, and notes which archive it reads.
func (s *Service) checkReplay(ctx context.Context, r *Replay) error {
	if !r.Start.Before(r.End) {
		return &delivery.InvalidError{Violations: []delivery.Violation{{
			Field: "replay.end_time", Description: "must be after start_time",
		}}}
	}
	if _, err := s.bus.GetBus(ctx, r.Bus); err != nil {
		return err
	}
	if r.Archive != "" {
		archive, err := s.bus.GetArchive(ctx, r.source())
		if err != nil {
			return err
		}
		r.Archives = []string{archive.UID}
	}
	for _, rule := range r.Rules {
		if _, err := s.bus.GetRule(ctx, delivery.RuleName{Project: r.Bus.Project, Bus: r.Bus.Bus, Rule: rule}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replay) source() delivery.ArchiveName {
	return delivery.ArchiveName{Project: r.Bus.Project, Bus: r.Bus.Bus, Archive: r.Archive}
}

// replay takes a replay one page further.
func (s *Service) replay(ctx context.Context, job *Job) (pause time.Duration, done bool, err error) {
	if err := s.stillPossible(ctx, &job.Replay); err != nil {
		return 0, false, err
	}
	page, err := s.page(ctx, job)
	if err != nil || page.done {
		return 0, page.done, err
	}
	next := *job
	next.Cursor = page.cursor
	next.Items += int64(len(page.events))
	if !page.last.IsZero() {
		next.LastTime = page.last
	}
	if len(page.events) == 0 { // nothing to do here, or nothing yet
		if err := s.store.UpdateJob(ctx, next, Running); err != nil {
			return 0, false, err
		}
		pause = scanPause
		if next.Cursor == job.Cursor {
			pause = failPause
		}
		*job = next
		return pause, false, nil
	}
	events := page.events
	if !job.Replay.Backfill {
		events = make([]*delivery.Event, len(page.events))
		for i, e := range page.events {
			events[i] = s.bus.Again(e, job.Name.ID)
		}
	}
	bus := job.Replay.Bus
	deliveries, err := s.store.Advance(ctx, next, bus, s.bus.PlanFor(bus, events, job.Replay.Rules), job.Replay.Backfill)
	if errors.Is(err, delivery.ErrBusNotFound) {
		err = &impossible{err.Error()}
	}
	if err != nil {
		return 0, false, err
	}
	next.Effects += int64(len(deliveries))
	*job = next
	s.bus.Dispatch(deliveries)
	return job.pace(len(events)), false, nil
}

// stillPossible returns an impossible error if what a replay is for or from is gone.
func (s *Service) stillPossible(ctx context.Context, r *Replay) error {
	if r.Backfill {
		_, err := s.bus.GetRule(ctx, delivery.RuleName{Project: r.Bus.Project, Bus: r.Bus.Bus, Rule: r.Rules[0]})
		if errors.Is(err, delivery.ErrRuleNotFound) {
			return &impossible{"the rule was deleted"}
		}
		return err
	}
	if r.Archive == "" {
		return nil
	}
	archive, err := s.bus.GetArchive(ctx, r.source())
	if errors.Is(err, delivery.ErrArchiveNotFound) || err == nil && !slices.Contains(r.Archives, archive.UID) {
		return &impossible{"the archive was deleted"}
	}
	return err
}

// page is the next piece of a replay's sources.
type page struct {
	events []*delivery.Event
	last   time.Time // of the last event that was looked at
	cursor Cursor    // after it
	done   bool
}

// page reads on where a replay is: its archives, one after the other; then, unless it is from an archive, the history of the bus.
func (s *Service) page(ctx context.Context, job *Job) (page, error) {
	r, at := &job.Replay, job.Cursor
	if at.Phase >= len(r.Archives) {
		if r.Archive != "" {
			return page{done: true}, nil
		}
		return s.history(ctx, job)
	}
	key := ArchiveKey{Bus: r.Bus, UID: r.Archives[at.Phase]}
	var events []*delivery.Event
	var err error
	if r.Backfill {
		events, err = s.store.ArchivedByAcceptance(ctx, key, r.Start, job.seam(), at, job.page())
	} else {
		events, err = s.store.ArchivedByTime(ctx, key, r.Start, r.End, at, job.page())
	}
	if err != nil {
		return page{}, err
	}
	p := page{events: events, cursor: Cursor{Phase: at.Phase + 1}}
	if len(events) > 0 {
		last := events[len(events)-1]
		p.last = last.Time
		if r.Backfill {
			p.last = last.IngestionTime
		}
		p.cursor = Cursor{Phase: at.Phase, Time: p.last, ID: last.ID}
	}
	return p, nil
}

// A rule that a backfill is for comes into force at some moment after the job's CreateTime and before its BeginTime. Events that were put
// near it may or may not have seen it, and what they caused is only sure to be seen once it has settled.
const (
	// settle is how long an event and its deliveries may be on their way into their tables: the longest that a transaction may take,
	// and, if the instance dies then, until others have taken over what it had.
	settle = 45 * time.Second
	// skew is how far the clocks of replicas may differ.
	skew = 15 * time.Second
)

// seam is before everything that may have seen a backfill's rule.
func (j *Job) seam() time.Time { return j.CreateTime.Add(-settle) }

// history reads on in the history of the bus. That of a backfill has two parts: what is before the seam, where nothing has seen the
// rule; and, once all of it has settled, what was put around the rule's creation, of which some has.
func (s *Service) history(ctx context.Context, job *Job) (page, error) {
	r, at := &job.Replay, job.Cursor
	from, before, around := time.Time{}, job.CreateTime, at.Phase > len(r.Archives)
	if r.Backfill {
		from, before = r.Start, job.seam()
	}
	if around {
		before = job.BeginTime.Add(skew)
		if s.now().Before(before.Add(settle)) {
			return page{cursor: at}, nil
		}
		if seam := job.seam(); seam.After(from) {
			from = seam
		}
	}
	read, err := s.store.History(ctx, r.Bus.Project, from, before, at.ID, maxPage)
	if err != nil {
		return page{}, err
	}
	if len(read) == 0 {
		return page{cursor: Cursor{Phase: at.Phase + 1}, done: around || !r.Backfill}, nil
	}
	var p page
	for _, e := range read {
		p.last, p.cursor = e.IngestionTime, Cursor{Phase: at.Phase, ID: e.ID}
		if r.means(e) {
			p.events = append(p.events, e)
		}
		if len(p.events) == job.page() {
			break
		}
	}
	return p, nil
}

// means tells whether an event of the history is to be replayed.
func (r *Replay) means(e *delivery.Event) bool {
	if e.Bus != r.Bus.Bus || e.Replay != "" {
		return false
	}
	if r.Backfill {
		return !e.IngestionTime.Before(r.Start)
	}
	return !e.Time.Before(r.Start) && e.Time.Before(r.End)
}

// Get returns a job; ErrReplayNotFound, ErrRedriveNotFound.
func (s *Service) Get(ctx context.Context, name Name) (Job, error) {
	return s.store.Job(ctx, name)
}

// List returns a project's jobs of a kind by id, those after the given one.
func (s *Service) List(ctx context.Context, project string, kind Kind, after string, limit int) ([]Job, error) {
	return s.store.ListJobs(ctx, project, kind, after, limit)
}

// Pause holds a job until it is resumed or cancelled; the errors of Get, delivery.ErrStateConflict.
func (s *Service) Pause(ctx context.Context, name Name) (Job, error) {
	return s.store.SetState(ctx, name, []State{Starting, Running, Paused}, Paused)
}

// Resume lets a paused job go on; the errors of Get, delivery.ErrStateConflict.
func (s *Service) Resume(ctx context.Context, name Name) (Job, error) {
	job, err := s.store.SetState(ctx, name, []State{Paused}, Starting)
	s.look()
	return job, err
}

// Cancel ends a job before its time; the errors of Get, delivery.ErrStateConflict once it has ended.
func (s *Service) Cancel(ctx context.Context, name Name) (Job, error) {
	job, err := s.store.SetState(ctx, name, []State{Starting, Running, Cancelling, Paused}, Cancelling)
	s.look()
	return job, err
}

// Delete forgets a job; the errors of Get, delivery.ErrStateConflict before it has ended.
func (s *Service) Delete(ctx context.Context, name Name) error { return s.store.DeleteJob(ctx, name) }
