package demo

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

func TestTally(t *testing.T) {
	l := newLoad(nil, 1)
	order := &deliveryv1.PutEventsRequestEntry{DetailType: orderCompleted}
	payment := &deliveryv1.PutEventsRequestEntry{DetailType: paymentReceived}
	require.NoError(t, l.account([]*deliveryv1.PutEventsRequestEntry{order, payment, order},
		[]*deliveryv1.PutEventsResultEntry{{EventId: "a"}, {EventId: "b"}, {EventId: "c"}}))
	accepted, refused, targets := l.progress()
	require.Equal(t, []int{3, 0, 6}, []int{accepted, refused, targets})

	require.Equal(t, tally{events: 3}, l.tally(nil))
	require.Equal(t, tally{events: 3, delivered: 2, duplicates: 3}, l.tally(map[string]map[string]int{
		"crm":       {"a": 1, "c": 2, "unknown": 5},
		"warehouse": {"a": 1, "b": 1}, // c is missing; b is none of its events
		"billing":   {"b": 3},
		"ledger":    {"b": 1},
	}))
}

func TestRefusedEventsCount(t *testing.T) {
	l := newLoad(nil, 1)
	entries := []*deliveryv1.PutEventsRequestEntry{{DetailType: orderCompleted}, {DetailType: orderCompleted}}
	require.ErrorContains(t, l.account(entries, []*deliveryv1.PutEventsResultEntry{
		{EventId: "a"}, {ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."},
	}), "MalformedDetail: Detail is malformed.")
	require.ErrorContains(t, l.account(entries, []*deliveryv1.PutEventsResultEntry{{EventId: "b"}, {EventId: "b"}}), `event id "b"`)
	require.ErrorContains(t, l.account(entries, nil), "0 results for 2 entries")
	accepted, refused, targets := l.progress()
	require.Equal(t, []int{2, 4, 4}, []int{accepted, refused, targets})
}

func TestVerdict(t *testing.T) {
	good := Summary{Rotations: 1, Events: 3, Delivered: 3}
	for name, tc := range map[string]struct {
		change func(*Summary)
		want   string
	}{
		"good":         {func(*Summary) {}, ""},
		"lost":         {func(s *Summary) { s.Lost = 2 }, "2 of 3 accepted events did not arrive"},
		"unauthorized": {func(s *Summary) { s.Unauthorized = 1 }, "1 calls were answered 401"},
		"expired":      {func(s *Summary) { s.ServedExpired = 1 }, "1 expired tokens were handed out"},
		"refused":      {func(s *Summary) { s.Refused = 1 }, "1 events could not be put"},
		"no rotation":  {func(s *Summary) { s.Rotations = 0 }, "no token was rotated in 11s"},
		"no event":     {func(s *Summary) { s.Events = 0 }, "no event was accepted in 11s"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			tc.change(&s)
			err := s.verdict(11*time.Second, 5*time.Second)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrFailed)
			require.ErrorContains(t, err, tc.want)
		})
	}
	require.NoError(t, (&Summary{}).verdict(10*time.Second, 5*time.Second), "too short for a rotation")
}

func TestJournalCountsGenerationsOnce(t *testing.T) {
	start := time.Now()
	j := newJournal(nil, newBoard(), start)
	crm, billing := parties()[0], parties()[1]
	rotation := func(generation int64, state tokenv1.Rotation_State, after time.Duration) *tokenv1.Rotation {
		return &tokenv1.Rotation{
			Name: fmt.Sprint(generation, state), Generation: generation, State: state, StartTime: timestamppb.New(start.Add(after)),
		}
	}
	require.Zero(t, j.rotations())
	j.account(crm, rotation(7, tokenv1.Rotation_COMMITTED, -time.Second)) // of an earlier run in the same folder
	j.account(crm, rotation(8, tokenv1.Rotation_COMMITTED, time.Second))
	j.account(billing, rotation(1, tokenv1.Rotation_COMMITTED, time.Second))
	require.Zero(t, j.rotations(), "the first of each is none")
	for range 2 {
		j.account(crm, rotation(9, tokenv1.Rotation_INTENT, 2*time.Second))
		j.account(crm, rotation(9, tokenv1.Rotation_FAILED, 2*time.Second))
		j.account(crm, rotation(9, tokenv1.Rotation_COMMITTED, 3*time.Second))
	}
	require.Equal(t, 1, j.rotations())
	news, _ := j.board.since(0)
	require.Len(t, news, 1, "a failure is told once")
}

func TestSumMetric(t *testing.T) {
	const text = "# TYPE a_total counter\na_total{x=\"} 7\"} 2\na_total 3 1700000000000\na_total_more 9\nb{} NaNa\nc_total{x=\"y\"}\n"
	sum, err := sumMetric(text, "a_total")
	require.NoError(t, err)
	require.Equal(t, 5, sum)
	_, err = sumMetric(text, "d_total")
	require.ErrorContains(t, err, "there is no d_total")
	_, err = sumMetric(text, "b")
	require.Error(t, err)
	_, err = sumMetric(text, "c_total")
	require.ErrorContains(t, err, "no value")
}

func TestLocal(t *testing.T) {
	for addr, want := range map[string]string{
		"[::]:9090": "127.0.0.1:9090", "0.0.0.0:1": "127.0.0.1:1", "127.0.0.2:1": "127.0.0.2:1", "10.0.0.1:1": "10.0.0.1:1",
	} {
		require.Equal(t, want, local(addr))
	}
}
