package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// CreateRule implements deliveryv1.DeliveryServiceServer.
func (s *server) CreateRule(ctx context.Context, req *deliveryv1.CreateRuleRequest) (*deliveryv1.CreateRuleResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	rule := delivery.Rule{Name: delivery.RuleName{Project: bus.Project, Bus: bus.Bus, Rule: req.GetRuleId()}}
	if err := setRule(&rule, req.GetRule()); err != nil {
		return nil, s.fail(ctx, err)
	}
	w := delivery.Write{ValidateOnly: req.GetValidateOnly()}
	if req.GetStartTime() != nil {
		return s.createRuleSince(ctx, rule, req, w)
	}
	rule, err = s.service.CreateRule(ctx, rule, w)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateRuleResponse{Rule: fromRule(&rule)}, nil
}

func (s *server) createRuleSince(
	ctx context.Context, rule delivery.Rule, req *deliveryv1.CreateRuleRequest, w delivery.Write,
) (*deliveryv1.CreateRuleResponse, error) {
	rule, backfill, err := s.jobs.CreateRule(ctx, rule, req.GetStartTime().AsTime(), int(req.GetStartEventsPerSecond()), w)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	m := fromRule(&rule)
	if backfill.ID != "" {
		m.Backfill = backfill.String()
	}
	return &deliveryv1.CreateRuleResponse{Rule: m}, nil
}

// GetRule implements deliveryv1.DeliveryServiceServer.
func (s *server) GetRule(ctx context.Context, req *deliveryv1.GetRuleRequest) (*deliveryv1.GetRuleResponse, error) {
	name, err := parseRule("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	rule, err := s.service.GetRule(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetRuleResponse{Rule: fromRule(&rule)}, nil
}

// ListRules implements deliveryv1.DeliveryServiceServer.
func (s *server) ListRules(ctx context.Context, req *deliveryv1.ListRulesRequest) (*deliveryv1.ListRulesResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s, "rules\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]delivery.Rule, error) {
			return s.service.ListRules(ctx, bus, after, limit)
		},
		func(rule *delivery.Rule) string { return rule.Name.Rule }, fromRule)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListRulesResponse{Rules: list, NextPageToken: next}, nil
}

// UpdateRule implements deliveryv1.DeliveryServiceServer.
func (s *server) UpdateRule(ctx context.Context, req *deliveryv1.UpdateRuleRequest) (*deliveryv1.UpdateRuleResponse, error) {
	in := req.GetRule()
	name, err := parseRule("rule.name", in.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	rule, err := s.service.UpdateRule(ctx, name, delivery.Write{Etag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()},
		func(rule *delivery.Rule) error {
			merged := fromRule(rule)
			err := s.merge("rule", merged, in, req.GetUpdateMask(), "description", "event_pattern", "state", "targets")
			if err != nil {
				return err
			}
			return setRule(rule, merged)
		})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.UpdateRuleResponse{Rule: fromRule(&rule)}, nil
}

// DeleteRule implements deliveryv1.DeliveryServiceServer.
func (s *server) DeleteRule(ctx context.Context, req *deliveryv1.DeleteRuleRequest) (*deliveryv1.DeleteRuleResponse, error) {
	name, err := parseRule("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.service.DeleteRule(ctx, name, delivery.Write{Etag: req.GetEtag()}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteRuleResponse{}, nil
}
