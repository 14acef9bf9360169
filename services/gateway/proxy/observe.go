package proxy

import (
	"context"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// answered is the outcome of a call that the API answered; that of another is the reason of its error.
const answered = "answered"

// outcome is how a call ended, as metrics tell it.
type outcome struct {
	reason string
	class  int // of the API's status, by its first digit; 0: there was none
}

// outcomes makes the attributes of each outcome once.
type outcomes struct {
	mu    sync.RWMutex
	known map[outcome]metric.MeasurementOption
}

func (o *outcomes) attributes(of outcome) metric.MeasurementOption {
	o.mu.RLock()
	option, ok := o.known[of]
	o.mu.RUnlock()
	if ok {
		return option
	}
	class := "none"
	if of.class > 0 {
		class = strconv.Itoa(of.class) + "xx"
	}
	option = metric.WithAttributeSet(attribute.NewSet(
		attribute.String("freshet.proxy.outcome", of.reason), attribute.String("freshet.proxy.status_class", class)))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = map[outcome]metric.MeasurementOption{}
	}
	o.known[of] = option
	return option
}

// observe records what became of a call.
func (c *call) observe(ctx context.Context, span trace.Span, took time.Duration, err error) {
	of := outcome{reason: answered, class: c.status / 100}
	if err != nil {
		of.reason = rpcerr.ReasonOf(err).String()
		span.SetStatus(otelcodes.Error, of.reason)
	}
	c.proxy.duration.Record(ctx, took.Seconds(), c.proxy.outcomes.attributes(of))
	if !span.IsRecording() {
		return
	}
	if c.target != nil {
		span.SetAttributes(attribute.String("server.address", c.target.Host))
	}
	span.SetAttributes(attribute.String("freshet.proxy.outcome", of.reason), attribute.String("freshet.connection", c.name.Connection),
		attribute.String("http.request.method", c.in.Method), attribute.Int("http.response.status_code", c.status),
		attribute.Int("freshet.proxy.attempts", c.attempts))
}
