package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// maxTotal is how far deliveries are counted when a redrive is created.
const maxTotal = 100_000

// CreateRedrive starts a redrive; delivery.ErrExists, ErrDestinationNotFound; ErrLimit.
func (s *Service) CreateRedrive(ctx context.Context, job Job, validateOnly bool) (Job, error) {
	job.State, job.CreateTime = Starting, s.stamp()
	if job.Rate == 0 {
		job.Rate = DefaultRate
	}
	project := job.Name.Project
	if id := job.Redrive.Destination; id != "" {
		if _, err := s.bus.GetDestination(ctx, delivery.DestinationName{Project: project, Destination: id}); err != nil {
			return Job{}, err
		}
	}
	total, err := s.store.CountDead(ctx, project, job.Redrive.Filter, maxTotal)
	if err != nil {
		return Job{}, err
	}
	job.Total = int64(total)
	return s.create(ctx, job, validateOnly)
}

// redrive takes a redrive one page further: in the order of ids, so that none comes twice, also if it dies again meanwhile.
func (s *Service) redrive(ctx context.Context, job *Job) (pause time.Duration, done bool, err error) {
	dead, err := s.store.ListDead(ctx, job.Name.Project, job.Redrive.Filter, job.CreateTime, job.Cursor.ID, job.page())
	if err != nil || len(dead) == 0 {
		return 0, err == nil, err
	}
	list, err := s.restarts(ctx, &job.Redrive, dead)
	if err != nil {
		return 0, false, err
	}
	next := *job
	next.Items += int64(len(dead))
	next.Cursor.ID = dead[len(dead)-1].ID.Delivery
	next.LastTime = dead[len(dead)-1].CreateTime
	lanes, err := s.store.Restart(ctx, next, list, s.stamp())
	if err != nil {
		return 0, false, err
	}
	next.Effects += int64(len(lanes))
	*job = next
	s.bus.Wake(lanes)
	return job.pace(len(dead)), false, nil
}

// restarts returns what becomes of dead deliveries. Those whose rule or target is gone are left out if they need it.
func (s *Service) restarts(ctx context.Context, r *Redrive, dead []delivery.Delivery) ([]Restart, error) {
	rules := map[delivery.RuleName]delivery.Rule{}
	var list []Restart
	for i := range dead {
		d := &dead[i]
		restart := Restart{ID: d.ID, Destination: d.Destination}
		target := d.Target
		if r.UseRules {
			current, err := s.currentTarget(ctx, rules, d)
			if err != nil {
				return nil, err
			}
			if current == nil {
				continue
			}
			target = *current
		}
		if r.Destination != "" {
			target.Destination = r.Destination
		}
		if r.UseRules || r.Destination != "" {
			restart.Target, restart.Destination = &target, target.Destination
		}
		list = append(list, restart)
	}
	return list, nil
}

// currentTarget returns a delivery's target as its rule has it now; nil if there is none.
func (s *Service) currentTarget(
	ctx context.Context, rules map[delivery.RuleName]delivery.Rule, d *delivery.Delivery,
) (*delivery.Target, error) {
	name := delivery.RuleName{Project: d.ID.Project, Bus: d.Event.Bus, Rule: d.Rule}
	rule, known := rules[name]
	if !known {
		var err error
		if rule, err = s.bus.GetRule(ctx, name); err != nil && !errors.Is(err, delivery.ErrRuleNotFound) {
			return nil, err
		}
		rules[name] = rule
	}
	for i := range rule.Targets {
		if rule.Targets[i].ID == d.Target.ID {
			return &rule.Targets[i], nil
		}
	}
	return nil, nil //nolint:nilnil // nil is no target
}
