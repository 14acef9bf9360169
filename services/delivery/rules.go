package delivery

import (
	"context"
)

// CreateRule creates a rule; ErrExists, ErrBusNotFound, ErrDestinationNotFound, an InvalidError.
func (s *Service) CreateRule(ctx context.Context, rule Rule, w Write) (Rule, error) {
	return s.CreateRuleBy(ctx, rule, w, s.store.CreateRule)
}

// CreateRuleBy is CreateRule with another way to store the rule.
func (s *Service) CreateRuleBy(ctx context.Context, rule Rule, w Write, create func(context.Context, Rule) error) (Rule, error) {
	if err := checkRule(&rule); err != nil {
		return Rule{}, err
	}
	if _, err := s.store.Bus(ctx, rule.Name.On()); err != nil {
		return Rule{}, err
	}
	if err := s.checkTargets(ctx, &rule); err != nil {
		return Rule{}, err
	}
	now := s.stamp()
	rule.CreateTime, rule.UpdateTime, rule.Etag = now, now, s.newID(now)
	if w.ValidateOnly {
		_, err := s.store.Rule(ctx, rule.Name)
		return rule, absent(err, ErrRuleNotFound, rule.Name)
	}
	if err := create(ctx, rule); err != nil {
		return Rule{}, err
	}
	s.indexes.forget(rule.Name.On())
	s.forgetLanes(rule.Name.Project, rule.Targets)
	return rule, nil
}

// GetRule returns a rule; ErrRuleNotFound.
func (s *Service) GetRule(ctx context.Context, name RuleName) (Rule, error) {
	return s.store.Rule(ctx, name)
}

// ListRules returns the rules of a bus by name, those after the given one; ErrBusNotFound.
func (s *Service) ListRules(ctx context.Context, bus BusName, after string, limit int) ([]Rule, error) {
	return s.store.ListRules(ctx, bus, after, limit)
}

// UpdateRule changes a rule, as UpdateBus does a bus; ErrRuleNotFound, ErrEtagMismatch, ErrDestinationNotFound, an InvalidError. The
// unfinished deliveries of targets that are gone afterwards are cancelled; others go on as they were accepted.
func (s *Service) UpdateRule(ctx context.Context, name RuleName, w Write, change func(*Rule) error) (Rule, error) {
	var cancel []Cancellation
	rule, err := retryWrite(w, func() (Rule, error) {
		rule, err := s.store.Rule(ctx, name)
		if err != nil {
			return Rule{}, err
		}
		stored, before := rule.Etag, rule.Targets
		if err := compareEtag(w.Etag, stored, name); err != nil {
			return Rule{}, err
		}
		if err := change(&rule); err != nil {
			return Rule{}, err
		}
		if err := checkRule(&rule); err != nil {
			return Rule{}, err
		}
		if err := s.checkTargets(ctx, &rule); err != nil {
			return Rule{}, err
		}
		rule.UpdateTime = s.stamp()
		rule.Etag = s.newID(rule.UpdateTime)
		cancel = s.cancelTargets(name, before, rule.Targets)
		if w.ValidateOnly {
			return rule, nil
		}
		return rule, s.store.ReplaceRule(ctx, rule, stored, cancel)
	})
	if err != nil || w.ValidateOnly {
		return rule, err
	}
	s.indexes.forget(name.On())
	s.forgetLanes(name.Project, rule.Targets)
	s.cancelNow(ctx, cancel)
	return rule, nil
}

// cancelTargets returns the cancellations of targets that are gone.
func (s *Service) cancelTargets(name RuleName, before, after []Target) []Cancellation {
	kept := map[string]bool{}
	for i := range after {
		kept[after[i].ID] = true
	}
	var cancel []Cancellation
	for i := range before {
		if !kept[before[i].ID] {
			cancel = append(cancel, Cancellation{
				Project: name.Project, ID: s.newID(s.now()), Bus: name.Bus, Rule: name.Rule,
				Target: before[i].ID,
			})
		}
	}
	return cancel
}

// DeleteRule deletes a rule; ErrRuleNotFound, ErrEtagMismatch. Its unfinished deliveries are cancelled.
func (s *Service) DeleteRule(ctx context.Context, name RuleName, w Write) error {
	c := Cancellation{Project: name.Project, ID: s.newID(s.now()), Bus: name.Bus, Rule: name.Rule}
	if err := s.store.DeleteRule(ctx, name, w.Etag, c); err != nil {
		return err
	}
	s.indexes.forget(name.On())
	s.cancelNow(ctx, []Cancellation{c})
	return nil
}
