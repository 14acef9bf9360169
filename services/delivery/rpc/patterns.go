package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// maxAlternatives bounds the alternatives of an explanation that are returned.
const maxAlternatives = 100

// patternServer implements deliveryv1.PatternServiceServer.
type patternServer struct {
	deliveryv1.UnimplementedPatternServiceServer
	*server
}

// TestEventPattern implements deliveryv1.PatternServiceServer.
func (s patternServer) TestEventPattern(
	ctx context.Context, req *deliveryv1.TestEventPatternRequest,
) (*deliveryv1.TestEventPatternResponse, error) {
	bus, err := parseBus("bus", req.GetBus())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	match, err := s.service.TestPattern(ctx, bus, req.GetEventPattern(), req.GetEvent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.TestEventPatternResponse{Result: &match}, nil
}

// ExplainEventPattern implements deliveryv1.PatternServiceServer.
func (s patternServer) ExplainEventPattern(
	ctx context.Context, req *deliveryv1.ExplainEventPatternRequest,
) (*deliveryv1.ExplainEventPatternResponse, error) {
	bus, err := parseBus("bus", req.GetBus())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	e, err := s.service.ExplainPattern(ctx, bus, req.GetEventPattern(), req.GetEvent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	response := &deliveryv1.ExplainEventPatternResponse{Result: &e.Match}
	for i := range e.Fields {
		response.Fields = append(response.Fields, fromFieldExplanation(&e.Fields[i]))
	}
	for _, a := range e.Alternatives[:min(len(e.Alternatives), maxAlternatives)] {
		response.Alternatives = append(response.Alternatives, &deliveryv1.PatternAlternative{
			Result: &a.Match, Branches: a.Branches, FailedFields: a.Failed,
		})
	}
	return response, nil
}

func fromFieldExplanation(f *pattern.FieldExplanation) *deliveryv1.PatternFieldExplanation {
	m := &deliveryv1.PatternFieldExplanation{
		Place: f.Place, Path: f.Path, Verdict: deliveryv1.PatternFieldExplanation_Verdict(f.Verdict),
		ValuesSeen: f.Seen, ValueCount: int32(f.Count),
	}
	for _, t := range f.Tests {
		m.Tests = append(m.Tests, &deliveryv1.PatternTest{Operator: t.Operator, Text: t.Text, Holds: &t.Holds})
	}
	return m
}
