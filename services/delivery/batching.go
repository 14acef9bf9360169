package delivery

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
	"github.com/freshet-io/freshet/services/delivery/shape"
)

// Defaults of [Batching].
const (
	DefaultBatchEvents = 100
	DefaultBatchWindow = 5 * time.Second
	// DefaultBatchBytes is also the most.
	DefaultBatchBytes = 1 << 20
)

// regather is how long a delivery of a batch that is tried again waits for the others: they are due at the same time.
const regather = 100 * time.Millisecond

// Batching sends the deliveries of a target together, in requests whose body is a JSON array. Fields that are zero have the defaults.
type Batching struct {
	MaxEvents int           // in a batch; default DefaultBatchEvents
	Window    time.Duration // how long a delivery waits for others; default DefaultBatchWindow
	MaxBytes  int           // of the body; default DefaultBatchBytes
}

func (b Batching) withDefaults() Batching {
	if b.MaxEvents == 0 {
		b.MaxEvents = DefaultBatchEvents
	}
	if b.Window == 0 {
		b.Window = DefaultBatchWindow
	}
	if b.MaxBytes == 0 {
		b.MaxBytes = DefaultBatchBytes
	}
	return b
}

// checkBatch checks that what a batched target says of a request holds for all deliveries alike.
func (t *Target) checkBatch(at string) (bad []Violation) {
	if t.Batch == nil {
		return nil
	}
	if t.Grant != "" {
		bad = append(bad, Violation{at + ".batch", "does not go with grant: a request has one credential"})
	}
	if t.GroupPath != "" {
		bad = append(bad, Violation{at + ".batch", "does not go with message_group_path: batches keep no order"})
	}
	if window := t.Batch.withDefaults().Window; window >= t.Retry.Lifetime() {
		bad = append(bad, Violation{at + ".batch.max_window", fmt.Sprintf(
			"%s is not less than the maximum event age, %s", window, t.Retry.Lifetime())})
	}
	constant := func(field, value string) {
		if p, err := shape.ParseParameter(value); err == nil && p.IsPath() {
			bad = append(bad, Violation{at + "." + field, "must be a constant, as the target sends several events in a request"})
		}
	}
	for i, value := range t.PathParameters {
		constant(fmt.Sprintf("path_parameter_values[%d]", i), value)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		constant(fmt.Sprintf("header_parameters[%q]", name), t.Headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(t.QueryParameters)) {
		constant(fmt.Sprintf("query_string_parameters[%q]", name), t.QueryParameters[name])
	}
	return bad
}

// checkMethod says why a destination cannot take batches that the target sends; empty if it can.
func checkMethod(t *Target, d *Destination) string {
	if t.Batch == nil || d.Method != http.MethodGet && d.Method != http.MethodHead {
		return ""
	}
	return fmt.Sprintf("a batch is sent as a body, which requests of %s have not: their method is %s", d.Name, d.Method)
}

// item is the delivery as the dispatcher has it.
func (d *Delivery) item() dispatch.Item[*Delivery] {
	item := dispatch.Item[*Delivery]{Value: d, Due: d.NextAttempt, Weight: d.Event.weight()}
	if d.Target.Batch != nil {
		item.Batch = d.batch()
	}
	return item
}

// batch says with which deliveries this one goes: those to the same target, as far as it said the same of requests when their events were accepted. What failed together
// is due at the same time, and goes together again.
func (d *Delivery) batch() *dispatch.Batch {
	bounds := d.Target.Batch.withDefaults()
	t := &d.Target
	request := fmt.Sprintf("%q %q %q %+v", t.PathParameters, t.Headers, t.QueryParameters, bounds) // maps are sorted
	key := digest("batch", d.Event.Bus, d.Rule, t.ID, request)
	if accepted := d.ExpireTime.Add(-d.Target.Retry.Lifetime()); d.NextAttempt.After(accepted) {
		key += "@" + strconv.FormatInt(d.NextAttempt.UnixMicro(), 10)
		bounds.Window = min(bounds.Window, regather)
	}
	_, element, _ := d.element()
	const comma, brackets = 1, 2
	return &dispatch.Batch{
		Key: key, Size: len(element) + comma, MaxItems: bounds.MaxEvents, MaxSize: bounds.MaxBytes - brackets + comma, Window: bounds.Window,
	}
}

// element returns the body of a delivery, and the JSON that stands for it in a batch.
func (d *Delivery) element() (body, element []byte, err error) {
	var envelope []byte
	if d.wantsEnvelope() {
		envelope = d.Event.Envelope()
	}
	body, err = d.payload(envelope)
	if err != nil || json.Valid(body) {
		return body, body, err
	}
	element, err = json.Marshal(string(body))
	return body, element, err
}
