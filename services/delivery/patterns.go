package delivery

import (
	"context"

	"github.com/freshet-io/freshet/services/delivery/pattern"
	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// TestPattern tells whether a whole event, as rules see it, matches a pattern; ErrBusNotFound, an InvalidError.
func (s *Service) TestPattern(ctx context.Context, bus BusName, patternText, event string) (bool, error) {
	p, err := s.tried(ctx, bus, patternText)
	if err != nil {
		return false, err
	}
	if faults := pattern.CheckEnvelope([]byte(event)); len(faults) > 0 {
		e := &InvalidError{}
		for _, f := range faults {
			field := "event"
			if f.Member != "" {
				field += "." + f.Member
			}
			e.Violations = append(e.Violations, Violation{field, f.Reason})
		}
		return false, e
	}
	return p.Match([]byte(event)), nil
}

// ExplainPattern says why an event, any JSON object, matches a pattern, or why not; ErrBusNotFound, an InvalidError.
func (s *Service) ExplainPattern(ctx context.Context, bus BusName, patternText, event string) (pattern.Explanation, error) {
	p, err := s.tried(ctx, bus, patternText)
	if err != nil {
		return pattern.Explanation{}, err
	}
	if _, ok := rawjson.CheckObject(event); !ok {
		return pattern.Explanation{}, invalid(KindField, "event", "must be the text of a JSON object")
	}
	return p.Explain([]byte(event)), nil
}

// tried compiles a pattern that is tried on a bus.
func (s *Service) tried(ctx context.Context, bus BusName, text string) (*pattern.Pattern, error) {
	if _, err := s.store.Bus(ctx, bus); err != nil {
		return nil, err
	}
	p, err := pattern.Compile(text)
	if err != nil {
		return nil, invalid(KindPattern, "event_pattern", err.Error())
	}
	return p, nil
}
