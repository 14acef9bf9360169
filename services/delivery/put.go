package delivery

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// Bounds of PutEvents, as in EventBridge where it has them.
const (
	MaxRequestBytes   = 1 << 20
	maxDepth          = 1000
	maxSource         = 256
	maxDetailType     = 128
	maxResources      = 100
	maxResource       = 2048
	timeBytes         = 14
	reservedNamespace = "freshet."
)

// Entry is one event to put.
type Entry struct {
	Source, DetailType string
	Detail             string
	Resources          []string
	Time               time.Time // zero: now
	DeduplicationID    string    // at most 128 characters; empty: none
	GroupID            string    // at most 128 characters; empty: none
}

func (e *Entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if !e.Time.IsZero() {
		n += timeBytes
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// EntryResult says what became of an Entry: EventID, or Code and Message.
type EntryResult struct {
	EventID string
	// Duplicate says that the event was accepted before: EventID is that of the first.
	Duplicate bool
	Code      string // as in EventBridge
	Message   string
}

// Codes of an [EntryResult].
const (
	CodeInvalidArgument = "InvalidArgument"
	CodeMalformedDetail = "MalformedDetail"
	CodeNotAuthorized   = "NotAuthorizedForSourceException"
)

// PutEvents accepts events. internal says that the caller is a service of the suite, which may use its sources. What the answer gives
// an EventID is durable together with its deliveries.
//
// Errors: an InvalidError, of which nothing is accepted; ErrBusNotFound; those of the store.
func (s *Service) PutEvents(ctx context.Context, bus BusName, entries []Entry, internal bool) ([]EntryResult, error) {
	ctx, span := s.tracer.Start(ctx, "delivery.put_events", trace.WithAttributes(
		attribute.String("freshet.bus", bus.String()), attribute.Int("freshet.entries", len(entries))))
	defer span.End()
	if err := s.checkRequest(entries); err != nil {
		return nil, err
	}
	now := s.stamp()
	results := make([]EntryResult, len(entries))
	traceparent := traceparentOf(ctx)
	var events []*Event
	for i := range entries {
		if refused := checkEntry(&entries[i], internal); refused != nil {
			results[i] = *refused
			s.logRefused(ctx, bus, &entries[i], refused)
			s.metrics.put(ctx, refused.Code, 1)
			continue
		}
		e := s.newEvent(bus, &entries[i], traceparent, now)
		results[i].EventID = e.ID
		events = append(events, e)
	}
	first, err := s.acceptDistinct(ctx, bus, events, now)
	if err != nil {
		span.SetStatus(codes.Error, "not accepted")
		return nil, err
	}
	for i := range results {
		if id, ok := first[results[i].EventID]; ok {
			results[i].EventID, results[i].Duplicate = id, true
		}
	}
	s.metrics.put(ctx, "accepted", len(events)-len(first))
	s.metrics.put(ctx, "duplicate", len(first))
	return results, nil
}

func (s *Service) checkRequest(entries []Entry) error {
	if len(entries) == 0 || len(entries) > s.maxEntries {
		return invalid(KindField, "entries", fmt.Sprintf("want 1 to %d entries, not %d", s.maxEntries, len(entries)))
	}
	total := 0
	for i := range entries {
		total += entries[i].size()
	}
	if total > MaxRequestBytes {
		return invalid(KindField, "entries", fmt.Sprintf(
			"Total size of the entries in the request is over the limit: %d bytes, at most %d", total, MaxRequestBytes))
	}
	return nil
}

// checkEntry returns why an entry is refused, in the words of EventBridge; nil if it is not.
func checkEntry(e *Entry, internal bool) *EntryResult {
	for _, field := range []struct {
		name, value string
		limit       int
	}{{"Source", e.Source, maxSource}, {"DetailType", e.DetailType, maxDetailType}, {"Detail", e.Detail, MaxRequestBytes}} {
		switch {
		case field.value == "":
			return refuseArgument(field.name, field.name+" is a required argument.")
		case len(field.value) > field.limit && utf8.RuneCountInString(field.value) > field.limit:
			return refuseArgument(field.name, fmt.Sprintf("%s must have at most %d characters.", field.name, field.limit))
		case field.name != "Detail" && hasControl(field.value):
			return refuseArgument(field.name, field.name+" must not have control characters.")
		}
	}
	if len(e.Resources) > maxResources {
		return refuseArgument("Resources", fmt.Sprintf("Resources must have at most %d elements.", maxResources))
	}
	for _, r := range e.Resources {
		if utf8.RuneCountInString(r) > maxResource || hasControl(r) {
			return refuseArgument("Resources", fmt.Sprintf(
				"each of Resources must have at most %d characters and no control characters.", maxResource))
		}
	}
	if utf8.RuneCountInString(e.GroupID) > maxGroup || hasControl(e.GroupID) {
		return refuseArgument("MessageGroupId", fmt.Sprintf(
			"MessageGroupId must have at most %d characters and no control characters.", maxGroup))
	}
	if utf8.RuneCountInString(e.DeduplicationID) > maxDeduplicationID {
		return refuseArgument("DeduplicationId", fmt.Sprintf("DeduplicationId must have at most %d characters.", maxDeduplicationID))
	}
	if year := e.Time.UTC().Year(); !e.Time.IsZero() && (year < 1970 || year > 9999) {
		return refuseArgument("Time", "Time must be between the years 1970 and 9999.")
	}
	detail, ok := rawjson.CheckObject(e.Detail)
	if !ok {
		return &EntryResult{Code: CodeMalformedDetail, Message: "Detail is malformed."}
	}
	if detail.Depth > maxDepth {
		return refuseArgument("Detail", fmt.Sprintf("Detail must nest at most %d levels.", maxDepth))
	}
	if detail.Wide {
		return refuseArgument("Detail", "integers in Detail must be within the range of int64; larger ones can be strings.")
	}
	if strings.HasPrefix(e.Source, reservedNamespace) && !internal {
		return &EntryResult{Code: CodeNotAuthorized, Message: "Not authorized for the source: sources that begin with " +
			reservedNamespace + " are the suite's own."}
	}
	return nil
}

func refuseArgument(name, reason string) *EntryResult {
	return &EntryResult{Code: CodeInvalidArgument, Message: "Parameter " + name + " is not valid. Reason: " + reason}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func (s *Service) newEvent(bus BusName, e *Entry, traceparent string, now time.Time) *Event {
	at := e.Time
	if at.IsZero() {
		at = now
	}
	return &Event{
		Project: bus.Project, ID: s.newID(now), Bus: bus.Bus, Source: e.Source, DetailType: e.DetailType, Detail: e.Detail,
		Resources: e.Resources, Time: at.UTC().Truncate(time.Second), IngestionTime: now, Traceparent: traceparent,
		DeduplicationID: e.DeduplicationID, GroupID: e.GroupID,
	}
}

// accept matches, stores and dispatches a batch's events. What is reserved in memory is either put there or given up.
func (s *Service) accept(ctx context.Context, bus BusName, batch Batch, now time.Time) error {
	events := batch.Events
	if len(events) == 0 {
		_, err := s.store.Bus(ctx, bus) // an unknown bus is an error also if every entry is refused
		return err
	}
	index, err := s.index(ctx, bus)
	if err != nil {
		return err
	}
	planned, archived := s.match(index, events, now), index.archive(events)
	batch.Keys = index.keys(events, now)
	reserved := s.reserve(planned)
	stored, current := planned, index
	err = s.store.Accept(ctx, bus, func(version string, load func() (RuleSet, error)) (Batch, error) {
		stored, current = planned, index
		if version != index.version { // the rules changed since: match anew, and leave the deliveries to the backlog
			set, err := load()
			if err != nil {
				return Batch{}, err
			}
			current = s.indexes.build(bus, set)
			stored, archived = s.match(current, events, now), current.archive(events)
			batch.Keys = current.keys(events, now)
		}
		batch.Deliveries, batch.Archived = stored, archived
		return batch, nil
	})
	s.logIngest(ctx, current, events, err)
	if err != nil || len(planned) != 0 && (len(stored) == 0 || stored[0] != planned[0]) {
		s.forgo(reserved)
		reserved = nil
	}
	if err != nil {
		s.suspect(stored)
		return err
	}
	s.metrics.archived(ctx, archived)
	if len(reserved) > 0 {
		s.accepted()
	}
	s.dispatch(stored, reserved)
	return nil
}

// match returns the deliveries that events cause, owned by nobody.
func (s *Service) match(index *busIndex, events []*Event, now time.Time) []*Delivery {
	var deliveries []*Delivery
	for _, e := range events {
		envelope := e.Envelope()
		for _, id := range index.patterns.Match(envelope) {
			rule := index.rules[string(id)]
			for _, t := range rule.Targets {
				deliveries = append(deliveries, &Delivery{
					ID: ID{e.Project, s.newID(now)}, Event: e, Rule: rule.Name.Rule, Target: t, Destination: t.Destination,
					Group: t.group(e, envelope), State: Pending, CreateTime: now, NextAttempt: now, ExpireTime: now.Add(t.Retry.Lifetime()),
				})
			}
		}
	}
	return deliveries
}

// reserve makes this instance the owner of the deliveries for which there is room in memory.
func (s *Service) reserve(deliveries []*Delivery) map[*Delivery]bool {
	reserved := make(map[*Delivery]bool, len(deliveries))
	for _, d := range deliveries {
		if d.Group == "" && s.dispatcher.Reserve(d.Lane(), d.Event.weight()) { // those of a group take their turns in the store
			d.Owner = s.owner
			reserved[d] = true
		}
	}
	return reserved
}

func (s *Service) forgo(reserved map[*Delivery]bool) {
	for d := range maps.Keys(reserved) {
		s.dispatcher.Forgo(d.Lane(), d.Event.weight())
	}
}

// dispatch queues deliveries that were reserved, in their order, and wakes the lanes of the others.
func (s *Service) dispatch(deliveries []*Delivery, reserved map[*Delivery]bool) {
	for _, d := range deliveries {
		if reserved[d] {
			s.dispatcher.Put(d.Lane(), d.item())
		} else {
			s.dispatcher.Wake(d.Lane(), d.NextAttempt)
		}
	}
}
