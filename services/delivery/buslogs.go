package delivery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/freshet-io/freshet/services/delivery/buslog"
)

const (
	// logConfigAge is how long it takes until what another process changed is in force for deliveries.
	logConfigAge = 10 * time.Second
	// throttled is how long a delivery was due without being attempted, for the log to tell of it.
	throttled = time.Second
)

// logConfigs has in memory what buses want logged.
type logConfigs struct {
	mu    sync.Mutex
	known map[BusName]logConfig
}

type logConfig struct {
	buslog.Config
	until time.Time
}

func (c *logConfigs) get(bus BusName, now time.Time) (config buslog.Config, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[bus]
	return known.Config, ok && now.Before(known.until)
}

func (c *logConfigs) set(bus BusName, config buslog.Config, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxIndexes {
		clear(c.known)
	}
	c.known[bus] = logConfig{config, now.Add(logConfigAge)}
}

func (c *logConfigs) forget(bus BusName) {
	c.mu.Lock()
	delete(c.known, bus)
	c.mu.Unlock()
}

// logConfig returns what a bus wants logged: as far as it is known, if the store does not answer.
func (s *Service) logConfig(ctx context.Context, bus BusName) buslog.Config {
	now := s.now()
	config, fresh := s.logs.get(bus, now)
	if fresh {
		return config
	}
	stored, err := s.store.Bus(ctx, bus)
	if err == nil {
		config = stored.Settings.Log
	}
	s.logs.set(bus, config, now)
	return config
}

// about names an event and the delivery of it, if any.
func (e *Event) about(d *Delivery) buslog.Subject {
	about := buslog.Subject{Bus: BusName{e.Project, e.Bus}.String(), Event: e.ID}
	if d != nil {
		about.Delivery, about.Rule, about.Target = d.ID.Delivery, d.Rule, d.Target.ID
	}
	return about
}

// logRefused tells of an entry that was refused by itself.
func (s *Service) logRefused(ctx context.Context, bus BusName, e *Entry, why *EntryResult) {
	c := s.logConfig(ctx, bus)
	if !c.On() {
		return
	}
	c.Write(ctx, s.logger, time.Time{}, buslog.EventIngestFailure, buslog.Subject{Bus: bus.String()}, buslog.Details{
		Facts: []slog.Attr{slog.String("error_code", why.Code)},
		Content: []slog.Attr{
			slog.String("error_message", why.Message), slog.String("source", e.Source), slog.String("detail_type", e.DetailType),
			slog.String("event_detail", e.Detail),
		},
	})
}

// logIngest tells what became of events: err is that of Accept.
func (s *Service) logIngest(ctx context.Context, x *busIndex, events []*Event, err error) {
	c := x.settings.Log
	if !c.On() || errors.Is(err, ErrTickTaken) {
		return
	}
	var duplicates *DuplicatesError
	for _, e := range events {
		var details buslog.Details
		step := buslog.EventIngestSuccess
		switch {
		case errors.As(err, &duplicates):
			first := duplicates.First[e.ID]
			if first == "" {
				continue // it is tried again without the others
			}
			details.Facts = append(details.Facts, slog.String("duplicate_of", first))
		case err != nil:
			step = buslog.EventIngestFailure
			details.Facts = append(details.Facts, slog.String("error_code", "InternalFailure"))
			details.Content = append(details.Content, slog.String("error_message", err.Error()))
		}
		c.Write(ctx, s.logger, e.IngestionTime, buslog.EventReceipt, e.about(nil), buslog.Details{
			Facts:   []slog.Attr{slog.String("source", e.Source), slog.String("detail_type", e.DetailType), slog.Time("source_time", e.Time)},
			Content: []slog.Attr{slog.Any("resources", e.Resources), slog.String("event_detail", e.Detail)},
		})
		c.Write(ctx, s.logger, time.Time{}, step, e.about(nil), details)
		if err == nil {
			s.logMatches(ctx, c, x, e)
		}
	}
}

// logMatches tells which rules an event matched.
func (s *Service) logMatches(ctx context.Context, c buslog.Config, x *busIndex, e *Event) {
	if !c.Wants(buslog.RuleMatch) {
		return
	}
	c.Write(ctx, s.logger, time.Time{}, buslog.RuleMatchStart, e.about(nil), buslog.Details{})
	matched := x.patterns.Match(e.Envelope())
	if len(matched) == 0 {
		c.Write(ctx, s.logger, time.Time{}, buslog.NoRulesMatched, e.about(nil), buslog.Details{})
	}
	for _, id := range matched {
		about := e.about(nil)
		about.Rule = string(id)
		c.Write(ctx, s.logger, time.Time{}, buslog.RuleMatch, about, buslog.Details{
			Facts: []slog.Attr{slog.Int("targets", len(x.rules[string(id)].Targets))},
		})
	}
}

// logStart tells that an attempt begins, and what came before it.
func (s *Service) logStart(ctx context.Context, c buslog.Config, d *Delivery, a *Attempt) {
	if !c.On() {
		return
	}
	about := d.Event.about(d)
	where := slog.String("destination", d.Destination)
	if d.Attempts == 0 {
		c.Write(ctx, s.logger, d.CreateTime, buslog.InvocationStart, about, buslog.Details{Facts: []slog.Attr{where}})
	}
	if waited := a.StartTime.Sub(d.NextAttempt); waited >= throttled {
		s.logThrottled(ctx, c, d, waited)
	}
	c.Write(ctx, s.logger, a.StartTime, buslog.AttemptStart, about, buslog.Details{
		Facts: []slog.Attr{where, slog.Int("attempt", a.Number), slog.Int64("token_generation", a.TokenGeneration)},
	})
}

// logThrottled tells since when a delivery was due without being attempted.
func (s *Service) logThrottled(ctx context.Context, c buslog.Config, d *Delivery, waited time.Duration) {
	c.Write(ctx, s.logger, d.NextAttempt, buslog.InvocationThrottleStart, d.Event.about(d), buslog.Details{
		Facts: []slog.Attr{slog.String("destination", d.Destination), slog.Int64("waited_ms", waited.Milliseconds())},
	})
}

// logAttempt tells what became of an attempt. payload is the body without what the connection added.
func (s *Service) logAttempt(ctx context.Context, c buslog.Config, d *Delivery, a *Attempt, payload []byte) {
	if !c.On() {
		return
	}
	step := buslog.AttemptPermanentFailure
	switch {
	case a.Class == NoFailure:
		step = buslog.AttemptSuccess
	case a.StatusCode == http.StatusTooManyRequests:
		step = buslog.AttemptThrottle
	case a.Class.retryable():
		step = buslog.AttemptRetryableFailure
	}
	facts := []slog.Attr{
		slog.String("destination", d.Destination), slog.Int("attempt", a.Number), slog.Int64("duration_ms", a.Duration.Milliseconds()),
		slog.String("outcome", a.Class.String()),
	}
	if a.StatusCode > 0 {
		facts = append(facts, slog.Int("http_status_code", a.StatusCode))
	}
	if a.RetryAfter != nil {
		facts = append(facts, slog.Int64("retry_after_ms", a.RetryAfter.Milliseconds()))
	}
	content := []slog.Attr{slog.String("error_message", a.Message)}
	if c.Detail == buslog.FullDetail {
		content = append(content, slog.String("target_input", string(payload)))
	}
	c.Write(ctx, s.logger, time.Time{}, step, d.Event.about(d), buslog.Details{Facts: facts, Content: content})
}

// logEnd tells how a delivery ended. EventBridge has no step for one that was cancelled.
func (s *Service) logEnd(ctx context.Context, d *Delivery, a *Attempt) {
	c := s.logConfig(ctx, BusName{d.ID.Project, d.Event.Bus})
	if !c.On() {
		return
	}
	if put := spanContext(d.Event.Traceparent); put.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, put)
	}
	about := d.Event.about(d)
	facts := []slog.Attr{slog.String("destination", d.Destination), slog.Int("attempts", d.Attempts)}
	if d.State == Succeeded {
		facts = append(facts, slog.Int64("since_receipt_ms", d.EndTime.Sub(d.Event.IngestionTime).Milliseconds()))
		c.Write(ctx, s.logger, d.EndTime, buslog.InvocationSuccess, about, buslog.Details{Facts: facts})
		return
	}
	if d.State != Dead {
		return
	}
	if waited := d.EndTime.Sub(d.NextAttempt); waited >= throttled && (a == nil || a.Class == NoCredential) {
		s.logThrottled(ctx, c, d, waited)
	}
	facts = append(facts, slog.String("error_code", d.ErrorCode.String()))
	if d.Condition != NotExhausted {
		facts = append(facts, slog.String("exhausted_retry_condition", d.Condition.String()))
	}
	content := []slog.Attr{slog.String("error_message", d.ErrorMessage)}
	c.Write(ctx, s.logger, d.EndTime, buslog.InvocationFailure, about, buslog.Details{Facts: facts, Content: content})
	if d.Target.DeadLetter.Action == DiscardDead {
		return
	}
	if d.Target.DeadLetter.Action == PutDead {
		facts = append(facts, slog.String("dead_letter_bus", BusName{d.ID.Project, d.Target.DeadLetter.Bus}.String()))
	}
	content = append(content, slog.String("target_input", d.Payload))
	c.Write(ctx, s.logger, time.Time{}, buslog.InvocationDLQ, about, buslog.Details{Facts: facts, Content: content})
}
