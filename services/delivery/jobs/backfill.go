package jobs

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// CreateRule creates a rule, as the delivery service does, that also gets the events of its bus that were accepted since start: those
// that the bus's archives have, and those that its history still has, at most rate in a second (0: DefaultRate). It returns the
// replay that gives it those. The same errors; an InvalidError for a start that is not in the past; ErrLimit.
func (s *Service) CreateRule(
	ctx context.Context, rule delivery.Rule, start time.Time, rate int, w delivery.Write,
) (delivery.Rule, Name, error) {
	now := s.stamp()
	if !start.Before(now) {
		return delivery.Rule{}, Name{}, &delivery.InvalidError{Violations: []delivery.Violation{{
			Field: "start_time", Description: "must be in the past: later events come to the rule by themselves",
		}}}
	}
	if rate == 0 {
		rate = DefaultRate
	}
	var job Job
	rule, err := s.bus.CreateRuleBy(ctx, rule, w, func(ctx context.Context, rule delivery.Rule) error {
		archives, err := s.archives(ctx, rule.Name.On())
		if err != nil {
			return err
		}
		job = Job{
			Name: Name{rule.Name.Project, KindReplay, rule.Etag}, Description: "the beginning of " + rule.Name.String(),
			State: Starting, Rate: rate, CreateTime: now,
			Replay: Replay{
				Bus: rule.Name.On(), Archives: archives, Rules: []string{rule.Name.Rule}, Start: start, Backfill: true,
			},
		}
		return s.store.CreateRuleWith(ctx, rule, job, MaxJobs)
	})
	s.look()
	return rule, job.Name, err
}

// archives returns the unique ids of a bus's archives.
func (s *Service) archives(ctx context.Context, bus delivery.BusName) ([]string, error) {
	var uids []string
	for after := ""; ; {
		list, err := s.bus.ListArchives(ctx, bus, after, maxPage)
		if err != nil || len(list) == 0 {
			return uids, err
		}
		for i := range list {
			uids = append(uids, list[i].UID)
		}
		after = list[len(list)-1].Name.Archive
	}
}
