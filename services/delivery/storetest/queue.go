package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

func testAccept(t *testing.T, f *fixture) {
	d := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	require.Equal(t, *d, f.get(t, d.ID))
	_, err := f.Delivery(t.Context(), delivery.ID{Project: "q", Delivery: d.ID.Delivery})
	require.ErrorIs(t, err, delivery.ErrDeliveryNotFound)
	require.ErrorIs(t, f.Accept(t.Context(), delivery.BusName{Project: "p", Bus: "none"}, nil), delivery.ErrBusNotFound)
}

func testAcceptFails(t *testing.T, f *fixture) {
	d := f.accept(t, lane, nil)
	refused := errors.New("refused")
	require.ErrorIs(t, f.Accept(t.Context(), bus, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		return delivery.Batch{}, refused
	}), refused)
	fresh := *d
	fresh.ID.Delivery = f.id()
	require.Error(t, f.Accept(t.Context(), bus, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		return delivery.Batch{Deliveries: []*delivery.Delivery{&fresh, d}}, nil // the second is there already
	}))
	require.Equal(t, []string{d.ID.Delivery}, f.list(t, delivery.Filter{}))
}

func testClaim(t *testing.T, f *fixture) {
	ctx := t.Context()
	at := func(seconds int) func(*delivery.Delivery) {
		return func(d *delivery.Delivery) { d.NextAttempt = now.Add(time.Duration(seconds) * time.Second) }
	}
	late, soon, first := f.accept(t, lane, at(60)), f.accept(t, lane, at(-1)), f.accept(t, lane, at(-2))
	f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = other })
	f.accept(t, delivery.DestinationName{Project: "p", Destination: "elsewhere"}, nil)
	f.accept(t, delivery.DestinationName{Project: "q", Destination: "d"}, nil)

	claimed, next := f.claim(ctx, t, me, now, 1)
	require.Equal(t, []string{first.ID.Delivery}, claimed)
	require.Equal(t, soon.NextAttempt, next)
	claimed, next = f.claim(ctx, t, me, now, 10)
	require.Equal(t, []string{soon.ID.Delivery}, claimed)
	require.Equal(t, late.NextAttempt, next)
	claimed, _ = f.claim(ctx, t, me, now, 10)
	require.Empty(t, claimed)

	require.NoError(t, f.Release(ctx, other, []delivery.ID{first.ID}))
	require.Equal(t, me, f.get(t, first.ID).Owner, "only the owner's are released")
	require.NoError(t, f.Release(ctx, me, []delivery.ID{first.ID, soon.ID}))
	claimed, next = f.claim(ctx, t, me, now.Add(time.Hour), 10)
	require.Equal(t, []string{first.ID.Delivery, soon.ID.Delivery, late.ID.Delivery}, claimed)
	require.Zero(t, next)
	require.Equal(t, first.Event, f.get(t, first.ID).Event)
}

// testClaimsMeetNever claims from several sides at once.
func testClaimsMeetNever(t *testing.T, f *fixture) {
	const n = 200
	for range n {
		f.accept(t, lane, nil)
	}
	var mu sync.Mutex
	owners := map[string]string{}
	var claiming sync.WaitGroup
	for _, owner := range []string{me, other, "instance-3"} {
		claiming.Go(func() {
			for {
				claimed, _, err := f.Claim(t.Context(), lane, owner, now, 7)
				mu.Lock()
				if err != nil || len(claimed) == 0 && len(owners) == n {
					mu.Unlock()
					return
				}
				for _, d := range claimed {
					if owners[d.ID.Delivery] != "" {
						owners["twice"] = d.ID.Delivery
					}
					owners[d.ID.Delivery] = owner
				}
				mu.Unlock()
			}
		})
	}
	claiming.Wait()
	require.Len(t, owners, n)
	require.Empty(t, owners["twice"])
}

// testLimits: however many claim at once, none gets more than it asked for.
func testLimits(t *testing.T, f *fixture) {
	const each, limit = 60, 7
	ctx, later := t.Context(), now.Add(2*time.Hour)
	_, err := f.Beat(ctx, me, now, later)
	require.NoError(t, err)
	for _, c := range []struct {
		name, owner string // owner of what is claimed
		claim       func() (int, error)
	}{
		{"claim", "", func() (int, error) {
			claimed, _, err := f.Claim(ctx, lane, me, now, limit)
			return len(claimed), err
		}},
		{"overdue", "", func() (int, error) {
			claimed, err := f.ClaimOverdue(ctx, me, later, limit)
			return len(claimed), err
		}},
		{"leave", other, func() (int, error) { return f.Leave(ctx, other, limit) }},
		{"adopt", "nobody", func() (int, error) { return f.Adopt(ctx, limit) }},
	} {
		for range each {
			f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = c.owner })
		}
		var mu sync.Mutex
		var counts []int
		var claiming sync.WaitGroup
		for range 3 {
			claiming.Go(func() {
				for n, err := c.claim(); err == nil && n > 0; n, err = c.claim() {
					mu.Lock()
					counts = append(counts, n)
					mu.Unlock()
				}
			})
		}
		claiming.Wait()
		total := 0
		for _, n := range counts {
			require.LessOrEqual(t, n, limit, c.name)
			total += n
		}
		require.Equal(t, each, total, c.name)
	}
}

func testClaimOverdue(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.accept(t, lane, nil)
	q := f.accept(t, delivery.DestinationName{Project: "q", Destination: "d"}, nil)
	owned := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = other })
	overdue, err := f.ClaimOverdue(ctx, me, now, 10)
	require.NoError(t, err)
	require.Empty(t, overdue)
	overdue, err = f.ClaimOverdue(ctx, me, now.Add(2*time.Hour), 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{d.ID.Delivery, q.ID.Delivery}, idsOf(overdue))
	require.Equal(t, other, f.get(t, owned.ID).Owner)
	require.Equal(t, me, f.get(t, q.ID).Owner)
}

func testRecord(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	after := -time.Second
	attempt := delivery.Attempt{
		Number: 1, StartTime: now, Duration: 1234 * time.Microsecond, StatusCode: 503, Class: delivery.RetryableStatus, Message: "m",
		TokenGeneration: 7, RetryAfter: &after, Excerpt: "e", TraceID: "t", Batch: "b", BatchSize: 7,
		Exchange: &delivery.Exchange{
			DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 4 * time.Millisecond, Reused: true,
			Remote: "192.0.2.1:443", Protocol: "HTTP/2.0",
			RequestHeaders: map[string]string{"X-A": "1"}, ResponseHeaders: map[string]string{"X-B": "\u00fc"},
		},
	}
	d.Attempts, d.Charged, d.AuthForgiven, d.NextAttempt = 1, 1, true, now.Add(time.Minute)
	d.ErrorCode, d.ErrorMessage, d.Owner = delivery.ErrorFromTarget, "m", ""
	applied, err := f.Record(ctx, me, d, &attempt)
	require.NoError(t, err)
	require.True(t, applied)
	d.History = []delivery.Attempt{attempt}
	require.Equal(t, *d, f.get(t, d.ID))

	claimed, _ := f.claim(ctx, t, me, now.Add(time.Hour), 1)
	require.Len(t, claimed, 1)
	second := delivery.Attempt{Number: 2, StartTime: now, StatusCode: 500, Class: delivery.RetryableStatus}
	d.Attempts, d.State, d.EndTime, d.Condition, d.Payload = 2, delivery.Dead, now, delivery.RetriesExhausted, "body"
	applied, err = f.Record(ctx, me, d, &second)
	require.NoError(t, err)
	require.True(t, applied)
	d.History = append(d.History, second)
	require.Equal(t, *d, f.get(t, d.ID))
	applied, err = f.Record(ctx, me, d, &delivery.Attempt{Number: 3, StartTime: now})
	require.NoError(t, err)
	require.False(t, applied, "it has ended")
	require.Len(t, f.get(t, d.ID).History, 2)
}

// testRecordLost: what another instance took over is not changed, but that it succeeded is.
func testRecordLost(t *testing.T, f *fixture) {
	ctx := t.Context()
	d := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = other })
	mine := *d
	mine.Attempts, mine.Owner = 1, ""
	applied, err := f.Record(ctx, me, &mine, &delivery.Attempt{Number: 1, StartTime: now, StatusCode: 500})
	require.NoError(t, err)
	require.False(t, applied)
	require.Equal(t, *d, f.get(t, d.ID))
	mine.State, mine.EndTime = delivery.Succeeded, now
	applied, err = f.Record(ctx, me, &mine, &delivery.Attempt{Number: 1, StartTime: now, StatusCode: 200})
	require.NoError(t, err)
	require.True(t, applied)
	require.Equal(t, delivery.Succeeded, f.get(t, d.ID).State)
}

func testHistory(t *testing.T, f *fixture) {
	d := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	for i := range 210 {
		d.Attempts = i + 1
		_, err := f.Record(t.Context(), me, d, &delivery.Attempt{Number: d.Attempts, StartTime: now})
		require.NoError(t, err)
	}
	history := f.get(t, d.ID).History
	require.Len(t, history, 200)
	require.Equal(t, 11, history[0].Number)
	require.Equal(t, 210, history[199].Number)
}

func testDue(t *testing.T, f *fixture) {
	f.destination(t, lane)
	f.destination(t, delivery.DestinationName{Project: "q", Destination: "empty"})
	due, err := f.Due(t.Context())
	require.NoError(t, err)
	require.Empty(t, due)
	f.accept(t, lane, func(d *delivery.Delivery) { d.NextAttempt = now.Add(time.Hour) })
	f.accept(t, lane, func(d *delivery.Delivery) { d.NextAttempt = now.Add(time.Minute) })
	f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	due, err = f.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[delivery.DestinationName]time.Time{lane: now.Add(time.Minute)}, due)
}

func testSlots(t *testing.T, f *fixture) {
	slots := func(at time.Time, n int) time.Time {
		first, err := f.Slots(t.Context(), lane, at, 20*time.Millisecond, n)
		require.NoError(t, err)
		return first
	}
	require.Equal(t, now, slots(now, 5))
	require.Equal(t, now.Add(100*time.Millisecond), slots(now.Add(50*time.Millisecond), 1))
	require.Equal(t, now.Add(120*time.Millisecond), slots(now, 10))
	require.Equal(t, now.Add(time.Hour), slots(now.Add(time.Hour), 1), "what was not used is not saved up")
	first, err := f.Slots(t.Context(), delivery.DestinationName{Project: "q", Destination: "d"}, now, time.Second, 1)
	require.NoError(t, err)
	require.Equal(t, now, first)
}

func testInstances(t *testing.T, f *fixture) {
	ctx := t.Context()
	beat := func(instance string, at time.Time) int {
		others, err := f.Beat(ctx, instance, at, at.Add(10*time.Second))
		require.NoError(t, err)
		return others
	}
	require.Zero(t, beat(me, now))
	if f.Alone() { // one process at a time: the former one is dead
		require.Zero(t, beat(other, now))
		return
	}
	require.Equal(t, 1, beat(other, now))
	require.Equal(t, 1, beat(me, now))
	mine := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	theirs := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = other })
	later := now.Add(11 * time.Second)
	beat(me, later)
	freed, err := f.Bury(ctx, later, 10)
	require.NoError(t, err)
	require.Equal(t, 1, freed)
	require.Equal(t, me, f.get(t, mine.ID).Owner)
	require.Empty(t, f.get(t, theirs.ID).Owner)
	freed, err = f.Bury(ctx, later, 10)
	require.NoError(t, err)
	require.Zero(t, freed)

	for _, left := range []int{1, 0} {
		n, err := f.Leave(ctx, me, 1)
		require.NoError(t, err)
		require.Equal(t, left, n)
	}
	require.Empty(t, f.get(t, mine.ID).Owner)
	require.Zero(t, beat(other, later), "who left is not counted")
}

func testAdopt(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Beat(ctx, me, now, now.Add(time.Hour))
	require.NoError(t, err)
	mine := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = me })
	orphan := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = "nobody" })
	second := f.accept(t, lane, func(d *delivery.Delivery) { d.Owner = "nobody" })
	for _, want := range []int{1, 1, 0} {
		n, err := f.Adopt(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	require.Equal(t, me, f.get(t, mine.ID).Owner)
	require.Empty(t, f.get(t, orphan.ID).Owner)
	require.Empty(t, f.get(t, second.ID).Owner)
}
