package delivery

import (
	"slices"
)

// Instance names this service in the store.
func (s *Service) Instance() string { return s.owner }

// Joined is closed once Run has made the instance known in the store.
func (s *Service) Joined() <-chan struct{} { return s.joined }

// Again returns a new event with what an event of the past says, put by a replay.
func (s *Service) Again(e *Event, replay string) *Event {
	now := s.stamp()
	again := *e
	again.ID, again.IngestionTime, again.Replay, again.Traceparent = s.newID(now), now, replay, ""
	return &again
}

// PlanFor returns the plan of storing events with the deliveries that rules of their bus cause, owned by nobody. No rules: all rules.
func (s *Service) PlanFor(bus BusName, events []*Event, rules []string) Plan {
	return func(version string, load func() (RuleSet, error)) (Batch, error) {
		s.indexes.mu.Lock()
		index := s.indexes.indexes[bus]
		s.indexes.mu.Unlock()
		if index == nil || index.version != version {
			set, err := load()
			if err != nil {
				return Batch{}, err
			}
			index = s.indexes.build(bus, set)
		}
		deliveries := s.match(index, events, s.stamp())
		if len(rules) > 0 {
			deliveries = slices.DeleteFunc(deliveries, func(d *Delivery) bool { return !slices.Contains(rules, d.Rule) })
		}
		return Batch{Events: events, Deliveries: deliveries}, nil
	}
}

// Wake looks at lanes whose backlog has something that is due.
func (s *Service) Wake(lanes []DestinationName) {
	for _, name := range lanes {
		s.dispatcher.Wake(name, s.stamp())
	}
}

// Dispatch looks at the lanes of deliveries that were stored as backlog.
func (s *Service) Dispatch(deliveries []*Delivery) {
	for _, d := range deliveries {
		s.dispatcher.Wake(d.Lane(), d.NextAttempt)
	}
}
