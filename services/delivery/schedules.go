package delivery

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery/schedule"
)

// ScheduleName names a schedule of a bus.
type ScheduleName struct{ Project, Bus, Schedule string }

// String returns the resource name.
func (n ScheduleName) String() string { return n.On().String() + "/schedules/" + n.Schedule }

// On returns the schedule's bus.
func (n ScheduleName) On() BusName { return BusName{n.Project, n.Bus} }

// MissedRuns says what happens to times that passed unnoticed. The numbers are those of the API and of the store.
type MissedRuns int

// The policies. The zero value is FireOnce.
const (
	SkipMissed MissedRuns = 1
	FireOnce   MissedRuns = 2
	FireAll    MissedRuns = 3
)

// Timing says when a schedule comes due.
type Timing struct {
	Expression string
	TimeZone   string    // of the IANA database; "": UTC
	StartTime  time.Time // zero: none
	EndTime    time.Time // zero: none
	Disabled   bool
}

// Schedule puts an event on its bus each time it comes due.
type Schedule struct {
	Name        ScheduleName
	Description string
	Timing      Timing
	Source      string
	DetailType  string
	Detail      string // with placeholders
	Missed      MissedRuns
	// Anchor is when a rate without a start time comes due for the first time: when the schedule was created or its timing changed.
	Anchor     time.Time
	NextRun    time.Time // zero: never
	LastRun    time.Time // zero: never yet
	CreateTime time.Time
	UpdateTime time.Time
	Etag       string
}

// plan is a schedule's timing, read.
type plan struct {
	expression schedule.Expression
	zone       *time.Location
	anchor     time.Time
	end        time.Time
}

// plan reads the timing; an InvalidError.
func (x *Schedule) plan() (plan, error) {
	expression, err := schedule.Parse(x.Timing.Expression)
	if err != nil {
		return plan{}, invalid(KindSchedule, "schedule.expression", err.Error())
	}
	zone, err := schedule.Zone(x.Timing.TimeZone)
	if err != nil {
		return plan{}, invalid(KindSchedule, "schedule.time_zone", err.Error())
	}
	anchor := x.Anchor
	if !x.Timing.StartTime.IsZero() {
		anchor = x.Timing.StartTime
	}
	return plan{expression, zone, anchor, x.Timing.EndTime}, nil
}

// next returns the first time after the given one that lies within start and end; zero if there is none.
func (p plan) next(after time.Time) time.Time {
	if after.Before(p.anchor) {
		after = p.anchor.Add(-time.Microsecond)
	}
	at, ok := p.expression.Next(after, p.anchor, p.zone)
	if !ok || !p.end.IsZero() && at.After(p.end) {
		return time.Time{}
	}
	return at.UTC()
}

// checkSchedule checks what does not depend on other resources or the time; an InvalidError.
func (s *Service) checkSchedule(x *Schedule) error {
	if _, err := x.plan(); err != nil {
		return err
	}
	if t := x.Timing; !t.StartTime.IsZero() && !t.EndTime.IsZero() && t.EndTime.Before(t.StartTime) {
		return invalid(KindField, "schedule.end_time", "must not be before start_time")
	}
	if x.Detail == "" {
		x.Detail = "{}"
	}
	if x.Missed == 0 {
		x.Missed = FireOnce
	}
	entry := x.entry(tick{at: x.CreateTime, event: strings.Repeat("0", 26)})
	if refused := checkEntry(&entry, false); refused != nil {
		return invalid(KindField, "schedule.event", refused.Message)
	}
	return nil
}

// begin makes a schedule count from now on.
func (x *Schedule) begin(now time.Time) error {
	x.Anchor = now.Truncate(time.Second)
	x.NextRun = time.Time{}
	p, err := x.plan()
	if err != nil || x.Timing.Disabled {
		return err
	}
	after := now
	if x.Timing.StartTime.IsZero() {
		after = x.Anchor.Add(-time.Microsecond) // a rate begins at once
	}
	// Never at or before a time that has put its event.
	if x.NextRun = p.next(later(after, x.LastRun)); x.NextRun.IsZero() {
		return invalid(KindSchedule, "schedule.expression", "it would never come due: no time from now on fits, between start_time and end_time")
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// CreateSchedule creates a schedule; ErrExists, ErrBusNotFound, an InvalidError.
func (s *Service) CreateSchedule(ctx context.Context, x Schedule, w Write) (Schedule, error) {
	now := s.stamp()
	x.CreateTime, x.UpdateTime, x.Etag = now, now, s.newID(now)
	if err := s.checkSchedule(&x); err != nil {
		return Schedule{}, err
	}
	if err := x.begin(now); err != nil {
		return Schedule{}, err
	}
	if w.ValidateOnly {
		if _, err := s.store.Bus(ctx, x.Name.On()); err != nil {
			return Schedule{}, err
		}
		_, err := s.store.Schedule(ctx, x.Name)
		return x, absent(err, ErrScheduleNotFound, x.Name)
	}
	if err := s.store.CreateSchedule(ctx, x); err != nil {
		return Schedule{}, err
	}
	s.rouse()
	return x, nil
}

// GetSchedule returns a schedule; ErrScheduleNotFound.
func (s *Service) GetSchedule(ctx context.Context, name ScheduleName) (Schedule, error) {
	return s.store.Schedule(ctx, name)
}

// ListSchedules returns the schedules of a bus by name, those after the given one; ErrBusNotFound.
func (s *Service) ListSchedules(ctx context.Context, bus BusName, after string, limit int) ([]Schedule, error) {
	return s.store.ListSchedules(ctx, bus, after, limit)
}

// UpdateSchedule changes a schedule, as UpdateBus does a bus; ErrScheduleNotFound, ErrEtagMismatch, an InvalidError. If its timing
// changes, it counts from now on.
func (s *Service) UpdateSchedule(ctx context.Context, name ScheduleName, w Write, change func(*Schedule) error) (Schedule, error) {
	x, err := retryWrite(w, func() (Schedule, error) {
		x, err := s.store.Schedule(ctx, name)
		if err != nil {
			return Schedule{}, err
		}
		stored := x
		if err := compareEtag(w.Etag, stored.Etag, name); err != nil {
			return Schedule{}, err
		}
		if err := change(&x); err != nil {
			return Schedule{}, err
		}
		if err := s.checkSchedule(&x); err != nil {
			return Schedule{}, err
		}
		x.UpdateTime = s.stamp()
		x.Etag = s.newID(x.UpdateTime)
		if x.Timing != stored.Timing {
			if err := x.begin(x.UpdateTime); err != nil {
				return Schedule{}, err
			}
		}
		if w.ValidateOnly {
			return x, nil
		}
		return x, s.store.ReplaceSchedule(ctx, x, stored)
	})
	if err == nil && !w.ValidateOnly {
		s.rouse()
	}
	return x, err
}

// DeleteSchedule deletes a schedule; ErrScheduleNotFound, ErrEtagMismatch.
func (s *Service) DeleteSchedule(ctx context.Context, name ScheduleName, w Write) error {
	return s.store.DeleteSchedule(ctx, name, w.Etag)
}

// entry is the event of a schedule's tick.
func (x *Schedule) entry(t tick) Entry {
	at, name := t.at.UTC().Format(time.RFC3339), x.Name.String()
	detail := strings.NewReplacer(
		"<scheduled-time>", at, "<aws.scheduler.scheduled-time>", at,
		"<execution-id>", t.event, "<aws.scheduler.execution-id>", t.event,
		"<schedule-name>", name, "<aws.scheduler.schedule-arn>", name,
	).Replace(x.Detail)
	return Entry{Source: x.Source, DetailType: x.DetailType, Detail: detail, Resources: []string{name}, Time: t.at}
}

// describe names a schedule and a time, for people.
func (x *Schedule) describe(at time.Time) string {
	return fmt.Sprintf("%s at %s", x.Name, at.UTC().Format(time.RFC3339))
}
