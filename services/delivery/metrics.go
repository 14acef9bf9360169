package delivery

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the service's instruments. Their attributes hold no identifiers, so that their number stays small.
type metrics struct {
	toSuccess  metric.Float64Histogram
	attempts   metric.Int64Counter
	deliveries metric.Int64Counter
	events     metric.Int64Counter
	ticks      metric.Int64Counter
	trims      metric.Int64Counter
	archives   metric.Int64Counter
	// Attributes of what is counted for every event, made once.
	outcomes map[ErrorClass]metric.MeasurementOption
	states   map[State]metric.MeasurementOption
}

// only is a single attribute of a measurement.
func only(key, value string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))
}

func newMetrics(m metric.Meter, backlogAge func() time.Duration, held func() (paused, open int64), historyBytes func() int64) (*metrics, error) {
	x := metrics{
		outcomes: map[ErrorClass]metric.MeasurementOption{},
		states: map[State]metric.MeasurementOption{
			Succeeded: only("state", "succeeded"), Dead: only("state", "dead"), Cancelled: only("state", "cancelled"),
		},
	}
	for class := NoFailure; class <= Denied; class++ {
		x.outcomes[class] = only("outcome", class.String())
	}
	var err error
	if x.toSuccess, err = m.Float64Histogram("freshet.delivery.ingest_to_success.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the acceptance of an event to a 2xx of a target."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600, 86400)); err != nil {
		return nil, err
	}
	if x.attempts, err = m.Int64Counter("freshet.delivery.attempts",
		metric.WithDescription("Attempts by outcome: success or the class of the failure.")); err != nil {
		return nil, err
	}
	if x.deliveries, err = m.Int64Counter("freshet.delivery.deliveries",
		metric.WithDescription("Deliveries by the state they ended in.")); err != nil {
		return nil, err
	}
	if x.events, err = m.Int64Counter("freshet.delivery.events",
		metric.WithDescription("Events put: accepted, duplicate, or refused by error code.")); err != nil {
		return nil, err
	}
	if _, err = m.Int64ObservableGauge("freshet.delivery.destinations.held",
		metric.WithDescription("Destinations in use that are held: paused, or with an open circuit."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			paused, open := held()
			o.Observe(paused, metric.WithAttributes(attribute.String("reason", "paused")))
			o.Observe(open, metric.WithAttributes(attribute.String("reason", "circuit")))
			return nil
		})); err != nil {
		return nil, err
	}
	if x.trims, err = m.Int64Counter("freshet.delivery.trimmed",
		metric.WithDescription("Events and deliveries that were removed for their age or for the size of their bus.")); err != nil {
		return nil, err
	}
	for _, reason := range []string{"age", "size"} { // so that the series is there before anything is old enough
		x.trimmed(context.Background(), reason, Trimmed{})
	}
	if x.archives, err = m.Int64Counter("freshet.delivery.archive.events",
		metric.WithDescription("Events that archives took, and those that they no longer keep.")); err != nil {
		return nil, err
	}
	for _, change := range []string{"added", "removed"} {
		x.archives.Add(context.Background(), 0, only("change", change))
	}
	if x.ticks, err = m.Int64Counter("freshet.delivery.schedule.runs",
		metric.WithDescription("Times at which schedules came due, by what became of them: fired, skipped, refused, unreadable.")); err != nil {
		return nil, err
	}
	if err = observeHistory(m, historyBytes); err != nil {
		return nil, err
	}
	_, err = m.Float64ObservableGauge("freshet.delivery.backlog.age", metric.WithUnit("s"),
		metric.WithDescription("How long the delivery that waits longest has been due."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(backlogAge().Seconds())
			return nil
		}))
	return &x, err
}

func observeHistory(m metric.Meter, bytes func() int64) error {
	_, err := m.Int64ObservableGauge("freshet.delivery.history.size", metric.WithUnit("By"),
		metric.WithDescription("What the events of all buses are together, when it was last looked at."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(bytes())
			return nil
		}))
	return err
}

func (m *metrics) attempted(ctx context.Context, class ErrorClass) {
	m.attempts.Add(ctx, 1, m.outcomes[class])
}

func (m *metrics) ended(ctx context.Context, d *Delivery) {
	if d.State == Succeeded {
		m.toSuccess.Record(ctx, d.EndTime.Sub(d.Event.IngestionTime).Seconds())
	}
	m.deliveries.Add(ctx, 1, m.states[d.State])
}

func (m *metrics) put(ctx context.Context, outcome string, n int) {
	if n > 0 {
		m.events.Add(ctx, int64(n), metric.WithAttributes(attribute.String("outcome", outcome)))
	}
}

func (m *metrics) ticked(ctx context.Context, outcome string) {
	m.ticks.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

func (m *metrics) trimmed(ctx context.Context, reason string, n Trimmed) {
	for kind, count := range map[string]int{"event": n.Events, "delivery": n.Deliveries} {
		m.trims.Add(ctx, int64(count), metric.WithAttributes(attribute.String("kind", kind), attribute.String("reason", reason)))
	}
}

func (m *metrics) archived(ctx context.Context, list []Archived) {
	for i := range list {
		m.archives.Add(ctx, int64(len(list[i].Events)), only("change", "added"))
	}
}

func (m *metrics) unarchived(ctx context.Context, n int) {
	m.archives.Add(ctx, int64(n), only("change", "removed"))
}

// backlogAge is how long the delivery that waits longest has been due.
func (s *Service) backlogAge() time.Duration {
	oldest := s.dispatcher.OldestDue()
	if oldest.IsZero() {
		return 0
	}
	return max(0, s.now().Sub(oldest))
}
