package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/bench/sink"
)

// entriesPerCall is the most that PutEvents takes by default.
const entriesPerCall = 10

// span is a range of ids: from, and those after it below to.
type span struct{ from, to int }

func (s span) size() int { return s.to - s.from }

// spans hands out ranges one after the other.
type spans struct{ next int }

func (s *spans) take(n int) span {
	s.next += n
	return span{s.next - n, s.next}
}

// publisher puts events.
type publisher struct {
	client       deliveryv1.DeliveryServiceClient
	bus          string
	bodies       sink.Bodies
	destinations int
	detailType   string // of all events; empty: that of each event's share
}

// puts is how a range was put.
type puts struct {
	begin, end time.Time       // of the first call, of the last acknowledgement
	calls      []time.Time     // when each call began
	acks       []time.Duration // how long each took
}

// flood puts a range as fast as acknowledgements allow, a number of publishers at a time.
func (p *publisher) flood(ctx context.Context, ids span, publishers int) (puts, error) {
	calls := (ids.size() + entriesPerCall - 1) / entriesPerCall
	result := puts{calls: make([]time.Time, calls), acks: make([]time.Duration, calls)}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	result.begin = time.Now()
	for range publishers {
		group.Go(func() error {
			for {
				call := int(next.Add(1)) - 1
				if call >= calls {
					return nil
				}
				from := ids.from + call*entriesPerCall
				if err := p.timed(ctx, &result, call, span{from, min(from+entriesPerCall, ids.to)}); err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	result.end = time.Now()
	return result, err
}

// pace puts a range at a steady rate, one event a call, whether or not earlier calls have been answered.
func (p *publisher) pace(ctx context.Context, ids span, rate int) (puts, error) {
	result := puts{calls: make([]time.Time, ids.size()), acks: make([]time.Duration, ids.size())}
	group, ctx := errgroup.WithContext(ctx)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	result.begin = time.Now()
	for call := range ids.size() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return result, errors.Join(group.Wait(), ctx.Err())
		}
		group.Go(func() error { return p.timed(ctx, &result, call, span{ids.from + call, ids.from + call + 1}) })
	}
	err := group.Wait()
	result.end = time.Now()
	return result, err
}

func (p *publisher) timed(ctx context.Context, result *puts, call int, ids span) error {
	request := p.request(ids)
	begin := time.Now()
	answer, err := p.client.PutEvents(ctx, request)
	result.calls[call], result.acks[call] = begin, time.Since(begin)
	if err != nil {
		return fmt.Errorf("put events: %w", err)
	}
	for _, entry := range answer.GetEntries() {
		if entry.GetEventId() == "" {
			return fmt.Errorf("put events: an entry was refused: %s: %s", entry.GetErrorCode(), entry.GetErrorMessage())
		}
	}
	if len(answer.GetEntries()) != ids.size() {
		return fmt.Errorf("put events: %d results for %d entries", len(answer.GetEntries()), ids.size())
	}
	return nil
}

func (p *publisher) request(ids span) *deliveryv1.PutEventsRequest {
	request := &deliveryv1.PutEventsRequest{Bus: p.bus, Entries: make([]*deliveryv1.PutEventsRequestEntry, 0, ids.size())}
	for id := ids.from; id < ids.to; id++ {
		detailType := p.detailType
		if detailType == "" {
			detailType = share(id % p.destinations)
		}
		request.Entries = append(request.Entries, &deliveryv1.PutEventsRequestEntry{
			Source: source, DetailType: detailType, Detail: string(p.bodies.Append(nil, id)),
		})
	}
	return request
}
