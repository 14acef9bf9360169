package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

const (
	bus      = "projects/default/buses/shop"
	maxBatch = 10 // entries of one PutEvents
	putTime  = 10 * time.Second
	// tick is how often due events are put, unless the rate asks for less.
	tick = 20 * time.Millisecond
)

// load puts events steadily and remembers what was accepted.
type load struct {
	client deliveryv1.DeliveryServiceClient
	rate   int

	mu       sync.Mutex
	accepted map[string]string // detail type by event id
	targets  int               // deliveries that the accepted events ask for
	refused  int
	next     int
}

func newLoad(client deliveryv1.DeliveryServiceClient, rate int) *load {
	return &load{client: client, rate: rate, accepted: map[string]string{}}
}

// run puts events until ctx ends. What could not be put is told to failed and counted; it is not put again, as whether it was accepted
// may not be known.
func (l *load) run(ctx context.Context, failed func(error)) {
	start := time.Now()
	ticker := time.NewTicker(max(tick, time.Second/time.Duration(l.rate)))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due := int(time.Since(start).Seconds()*float64(l.rate)) - l.next
		for due > 0 && ctx.Err() == nil {
			n := min(due, maxBatch)
			if err := l.put(ctx, n); err != nil {
				failed(err)
			}
			due -= n
		}
	}
}

// put puts n events. It does not end with ctx: an answer that nobody waits for would leave open what was accepted.
func (l *load) put(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTime)
	defer cancel()
	request := &deliveryv1.PutEventsRequest{Bus: bus}
	for range n {
		l.next++
		entry, err := event(l.next)
		if err != nil {
			return err
		}
		request.Entries = append(request.Entries, entry)
	}
	answer, err := l.client.PutEvents(ctx, request)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.refused += n
		return fmt.Errorf("put events: %w", err)
	}
	return l.account(request.GetEntries(), answer.GetEntries())
}

func (l *load) account(entries []*deliveryv1.PutEventsRequestEntry, results []*deliveryv1.PutEventsResultEntry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(results) != len(entries) {
		l.refused += len(entries)
		return fmt.Errorf("put events: %d results for %d entries", len(results), len(entries))
	}
	var err error
	for i, result := range results {
		id := result.GetEventId()
		if _, taken := l.accepted[id]; id == "" || taken {
			l.refused++
			err = fmt.Errorf("put events: event id %q, %s: %s", id, result.GetErrorCode(), result.GetErrorMessage())
			continue
		}
		l.accepted[id] = entries[i].GetDetailType()
		l.targets += receivers(entries[i].GetDetailType())
	}
	return err
}

// event makes the n-th event.
func event(n int) (*deliveryv1.PutEventsRequestEntry, error) {
	detailType := orderCompleted
	if n%2 == 0 {
		detailType = paymentReceived
	}
	detail, err := json.Marshal(struct {
		ID       string `json:"id"`
		Customer string `json:"customer"`
		Cents    int    `json:"cents"`
	}{strconv.Itoa(n), "c-" + strconv.Itoa(n%97), 100 + n%9900})
	if err != nil {
		return nil, err
	}
	return &deliveryv1.PutEventsRequestEntry{Source: "shop", DetailType: detailType, Detail: string(detail)}, nil
}

// receivers is how many parties receive events of a detail type.
func receivers(detailType string) int {
	var n int
	for _, p := range parties() {
		if p.receives == detailType {
			n++
		}
	}
	return n
}

// progress returns how many events were accepted and refused, and how many deliveries the accepted ones ask for.
func (l *load) progress() (accepted, refused, targets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted), l.refused, l.targets
}

// tally compares what was accepted with what the APIs received.
type tally struct {
	events    int // accepted
	delivered int // of them, received by every party that should
	// duplicates are deliveries that the API received more than once.
	duplicates int
}

func (l *load) tally(received map[string]map[string]int) tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := tally{events: len(l.accepted)}
	for id, detailType := range l.accepted {
		complete := true
		for _, p := range parties() {
			if p.receives != detailType {
				continue
			}
			n := received[p.id][id]
			complete = complete && n > 0
			t.duplicates += max(0, n-1)
		}
		if complete {
			t.delivered++
		}
	}
	return t
}

func (o *outside) received() map[string]map[string]int {
	received := map[string]map[string]int{}
	for id, api := range o.apis {
		received[id] = api.Delivered()
	}
	return received
}
