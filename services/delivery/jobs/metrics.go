package jobs

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// scope names the instruments' origin.
const scope = "github.com/freshet-io/freshet/services/delivery/jobs"

// metrics are the service's instruments. Their attributes hold no identifiers.
type metrics struct {
	running metric.Int64UpDownCounter
	items   metric.Int64Counter
	ended   metric.Int64Counter
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var err error
	if x.running, err = m.Int64UpDownCounter("freshet.delivery.jobs.running",
		metric.WithDescription("Replays and redrives that this process drives.")); err != nil {
		return nil, err
	}
	if x.items, err = m.Int64Counter("freshet.delivery.jobs.items",
		metric.WithDescription("What replays and redrives have gone through: events, and dead deliveries.")); err != nil {
		return nil, err
	}
	if x.ended, err = m.Int64Counter("freshet.delivery.jobs.ended",
		metric.WithDescription("Replays and redrives that ended, by their last state.")); err != nil {
		return nil, err
	}
	for _, kind := range []Kind{KindReplay, KindRedrive} { // so that the series are there before anything happens
		x.running.Add(context.Background(), 0, of(kind))
		x.items.Add(context.Background(), 0, of(kind))
		for _, state := range []string{"completed", "cancelled", "failed"} {
			x.ended.Add(context.Background(), 0, of(kind, attribute.String("state", state)))
		}
	}
	return &x, nil
}

// of is the attributes of a kind's measurements.
func of(kind Kind, more ...attribute.KeyValue) metric.MeasurementOption {
	name := "replay"
	if kind == KindRedrive {
		name = "redrive"
	}
	return metric.WithAttributes(append(more, attribute.String("kind", name))...)
}
