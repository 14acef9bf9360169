package connectiontest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Event is an event that the bus took.
type Event struct {
	Bus        string
	Source     string
	DetailType string
	Resources  []string
	Time       time.Time
	Detail     map[string]string
}

// EventBus is a server of DeliveryService that takes events and keeps them.
type EventBus struct {
	deliveryv1.UnimplementedDeliveryServiceServer

	mu      sync.Mutex
	down    bool
	refused string // error code for every entry
	events  []Event
	taken   chan struct{} // closed and replaced with every event
}

// SetDown makes every call fail with UNAVAILABLE, or undoes that.
func (b *EventBus) SetDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// Refuse makes every entry fail with an error code, or none.
func (b *EventBus) Refuse(code string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = code
}

// Events returns the events taken so far.
func (b *EventBus) Events() []Event {
	events, _ := b.snapshot()
	return events
}

// Types returns the detail types of the events about a connection so far.
func (b *EventBus) Types(connection string) []string {
	var types []string
	for _, e := range b.Events() {
		if e.Detail["connection"] == connection {
			types = append(types, e.DetailType)
		}
	}
	return types
}

// Await waits until the last event about a connection is of the given type.
func (b *EventBus) Await(t testing.TB, connection, detailType string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		_, taken := b.snapshot()
		types := b.Types(connection)
		if len(types) > 0 && types[len(types)-1] == detailType {
			return
		}
		select {
		case <-taken:
		case <-limit:
			require.FailNow(t, "event has not come", "want %q after %q", detailType, types)
		}
	}
}

func (b *EventBus) snapshot() ([]Event, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken == nil {
		b.taken = make(chan struct{})
	}
	return append([]Event(nil), b.events...), b.taken
}

// PutEvents implements deliveryv1.DeliveryServiceServer.
func (b *EventBus) PutEvents(_ context.Context, req *deliveryv1.PutEventsRequest) (*deliveryv1.PutEventsResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, status.Error(codes.Unavailable, "down")
	}
	response := &deliveryv1.PutEventsResponse{}
	for _, entry := range req.GetEntries() {
		if b.refused != "" {
			response.Entries = append(response.Entries, &deliveryv1.PutEventsResultEntry{ErrorCode: b.refused, ErrorMessage: "no"})
			continue
		}
		detail := map[string]string{}
		if err := json.Unmarshal([]byte(entry.GetDetail()), &detail); err != nil {
			return nil, rpcerr.New(codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD, "detail: %v", err)
		}
		b.events = append(b.events, Event{
			Bus: req.GetBus(), Source: entry.GetSource(), DetailType: entry.GetDetailType(), Resources: entry.GetResources(),
			Time: entry.GetTime().AsTime(), Detail: detail,
		})
		response.Entries = append(response.Entries, &deliveryv1.PutEventsResultEntry{EventId: ulid.Make().String()})
	}
	if b.taken != nil {
		close(b.taken)
		b.taken = nil
	}
	return response, nil
}
