package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// scope names the instrumentation.
const scope = "github.com/freshet-io/freshet/services/token"

// Outcomes of a refresh, as metric attributes.
const (
	outcomeOK     = "committed"
	outcomeFailed = "failed"
	outcomeLost   = "not_stored"
)

// meters are the metrics of tokens.
type meters struct {
	leadTime     metric.Float64Histogram
	refreshes    metric.Int64Counter
	served       metric.Int64Counter
	doubleRedeem metric.Int64Counter
	rotationLost metric.Int64Counter
	pushTime     metric.Float64Histogram
	watchers     metric.Int64UpDownCounter
	revocations  metric.Int64Counter
}

// newMeters makes the instruments. Counters that must stay 0 are there from the start, so that their 0 is seen.
func newMeters(provider metric.MeterProvider) (*meters, error) {
	meter := provider.Meter(scope)
	m := &meters{}
	var errs [8]error
	m.leadTime, errs[0] = meter.Float64Histogram("freshet.token.refresh.lead_time", metric.WithUnit("s"),
		metric.WithDescription("Validity that a generation had left when the next one was pushed; negative if it had expired."),
		metric.WithExplicitBucketBoundaries(-60, -1, 0, 0.1, 0.5, 1, 2.5, 5, 15, 60, 150, 300, 600, 900, 1800, 3600))
	m.refreshes, errs[1] = meter.Int64Counter("freshet.token.refreshes",
		metric.WithDescription("Attempts to get the next generation, by outcome, failure class and trigger."))
	m.served, errs[2] = meter.Int64Counter("freshet.token.served_expired",
		metric.WithDescription("Credentials that had expired when they had been handed out. Must stay 0."))
	m.doubleRedeem, errs[3] = meter.Int64Counter("freshet.token.double_redeem",
		metric.WithDescription("Generations that two processes made a token request for. Must stay 0."))
	m.rotationLost, errs[4] = meter.Int64Counter("freshet.token.rotation_lost",
		metric.WithDescription("Single-use refresh tokens that were redeemed and whose answer was lost."))
	m.pushTime, errs[5] = meter.Float64Histogram("freshet.token.push.duration", metric.WithUnit("s"),
		metric.WithDescription("From the commit of a generation to a watcher's acknowledgement of it."),
		metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5))
	m.watchers, errs[6] = meter.Int64UpDownCounter("freshet.token.watchers",
		metric.WithDescription("Open watch streams."))
	m.revocations, errs[7] = meter.Int64Counter("freshet.token.revocations",
		metric.WithDescription("Attempts to revoke tokens, by outcome."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("create metrics: %w", err)
	}
	for _, counter := range []metric.Int64Counter{m.served, m.doubleRedeem, m.rotationLost} {
		counter.Add(context.Background(), 0)
	}
	m.revocations.Add(context.Background(), 0, metric.WithAttributes(attribute.String("outcome", revocationDone)))
	return m, nil
}

func (m *meters) led(ctx context.Context, lead time.Duration, trigger Trigger) {
	m.leadTime.Record(ctx, lead.Seconds(), metric.WithAttributes(attribute.String("trigger", string(trigger))))
}

func (m *meters) refreshed(ctx context.Context, trigger Trigger, class Class, outcome string) {
	m.refreshes.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome),
		attribute.String("class", string(class)), attribute.String("trigger", string(trigger))))
}

func (m *meters) lost(ctx context.Context)           { m.rotationLost.Add(ctx, 1) }
func (m *meters) doubleRedeemed(ctx context.Context) { m.doubleRedeem.Add(ctx, 1) }

// Served accounts for a token that has just been handed out. Call it after the answer was sent: what counts is whether the
// credential was still good then.
func (s *Service) Served(ctx context.Context, t *Token) {
	if t.State == StateAuthorized && !t.ExpireTime.IsZero() && !s.p.Now().Before(t.ExpireTime) {
		s.meters.served.Add(ctx, 1)
	}
}

// Acknowledged accounts for a watcher's acknowledgement of a generation that was committed at the given time and pushed to it.
func (s *Service) Acknowledged(ctx context.Context, committed time.Time) {
	s.meters.pushTime.Record(ctx, s.p.Now().Sub(committed).Seconds())
}

func traceID(span trace.Span) string {
	if id := span.SpanContext().TraceID(); id.IsValid() {
		return id.String()
	}
	return ""
}

// traceparent is the span's W3C trace context, https://www.w3.org/TR/trace-context/#traceparent-header.
func traceparent(span trace.Span) string {
	sc := span.SpanContext()
	if !sc.IsValid() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
}

// recordError marks the span as failed. The texts of our errors have no secrets.
func recordError(span trace.Span, err error) {
	if err == nil {
		return
	}
	if failure, ok := errors.AsType[*Failure](err); ok {
		span.SetAttributes(attribute.String("error.type", string(failure.Class)))
	}
	span.SetStatus(codes.Error, err.Error())
}
