package delivery

import (
	"time"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

// maxGroup bounds the group of an event, in characters. What a path yields beyond that counts by its digest.
const maxGroup = 128

// Behind is the next attempt of a delivery that waits for others of its group: never, until the store says otherwise.
func Behind() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// IsBehind tells whether the delivery waits for others of its group.
func (d *Delivery) IsBehind() bool { return d.State == Pending && d.NextAttempt.Equal(Behind()) }

// Line names the deliveries among which this one keeps its place: those of its group to its target. Empty: it has no group.
func (d *Delivery) Line() string {
	if d.Group == "" {
		return ""
	}
	return digest("group", d.Event.Bus, d.Rule, d.Target.ID, d.Destination, d.Group)
}

// group returns the group of an event's delivery to the target.
func (t *Target) group(e *Event, envelope []byte) string {
	if t.Batch != nil {
		return "" // batches keep no order
	}
	if t.GroupPath == "" {
		return e.GroupID
	}
	path, err := shape.ParseParameter(t.GroupPath)
	if err != nil { // it was valid when it was stored
		return ""
	}
	group := path.Value(envelope)
	if len(group) > maxGroup {
		return digest("group", group)
	}
	return group
}
