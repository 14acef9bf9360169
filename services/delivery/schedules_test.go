package delivery_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/schedule"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// clock creates a schedule of events that the rule "clock" sends to the destination "shop".
func clock(t *testing.T, s *deliverytest.Suite, id, expression string, change func(*delivery.Schedule)) delivery.Schedule {
	t.Helper()
	x := delivery.Schedule{
		Name:   delivery.ScheduleName{Project: "p", Bus: delivery.DefaultBus, Schedule: id},
		Timing: delivery.Timing{Expression: expression},
		Source: "clock", DetailType: "Tick", Detail: `{"at":"<scheduled-time>","id":"<execution-id>","of":"<schedule-name>"}`,
	}
	if change != nil {
		change(&x)
	}
	x, err := s.Service.CreateSchedule(t.Context(), x, delivery.Write{})
	require.NoError(t, err)
	return x
}

func toShop(r *delivery.Rule) { r.Targets[0].Destination = "shop" }

// fired returns the times of the events that were put by schedules, oldest first.
func fired(t *testing.T, s *deliverytest.Suite) []string {
	t.Helper()
	list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{Bus: delivery.DefaultBus, Rule: "clock"}, "", 5000)
	require.NoError(t, err)
	times := make([]string, len(list))
	ids := map[string]bool{}
	for i, d := range list {
		times[len(list)-1-i] = d.Event.Time.Format(time.RFC3339)
		require.False(t, ids[d.Event.ID], "twice")
		ids[d.Event.ID] = true
		require.JSONEq(t, `{"at":"`+d.Event.Time.Format(time.RFC3339)+`","id":"`+d.Event.ID+`","of":"`+d.Event.Resources[0]+`"}`, d.Event.Detail)
	}
	return times
}

func ok() delivery.Response { return delivery.Response{Status: 200} }

// TestSchedules: each comes due when it should, over a change of the clocks, and its events go the way of all events. The bubble begins on
// the first of January 2000, UTC.
func TestSchedules(t *testing.T) {
	// The 25th of March, 22:00; the clocks of Berlin change at 01:00 on the 26th.
	laterInBubble(t, 84*24*time.Hour+22*time.Hour, func(t *testing.T, s *deliverytest.Suite, n *network) {
		x := clock(t, s, "cron", "cron(30 2 * * ? *)", func(x *delivery.Schedule) { x.Timing.TimeZone = "Europe/Berlin" })
		require.Equal(t, "2000-03-27T00:30:00Z", x.NextRun.Format(time.RFC3339), "the 26th has no 02:30")
		clock(t, s, "once", "at(2000-03-27T00:29:00)", nil)
		time.Sleep(26*time.Hour + 28*time.Minute)
		s.Run(t)
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"2000-03-27T00:29:00Z", "2000-03-27T00:30:00Z"}, fired(t, s))
		require.Len(t, n.times(), 2)
		require.Equal(t, "2000-03-27T00:30:00Z", n.times()[1].UTC().Format(time.RFC3339), "at the time itself")
		once, err := s.Service.GetSchedule(t.Context(), delivery.ScheduleName{Project: "p", Bus: delivery.DefaultBus, Schedule: "once"})
		require.NoError(t, err)
		require.Zero(t, once.NextRun)
		require.Equal(t, "2000-03-27T00:29:00Z", once.LastRun.Format(time.RFC3339))
	})
}

func TestScheduleBounds(t *testing.T) {
	inBubble(t, ok, func(t *testing.T, s *deliverytest.Suite, _ *network) {
		s.Rule(t, "clock", toShop)
		begin := time.Now().UTC()
		x := clock(t, s, "rate", "rate(2 minutes)", func(x *delivery.Schedule) {
			x.Timing.StartTime, x.Timing.EndTime = begin.Add(time.Minute), begin.Add(5*time.Minute)
		})
		time.Sleep(10 * time.Minute)
		want := []string{"2000-01-01T00:01:00Z", "2000-01-01T00:03:00Z", "2000-01-01T00:05:00Z"}
		require.Equal(t, want, fired(t, s))
		x, err := s.Service.UpdateSchedule(t.Context(), x.Name, delivery.Write{}, func(x *delivery.Schedule) error {
			x.Timing.EndTime = time.Time{}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "2000-01-01T00:11:00Z", x.NextRun.Format(time.RFC3339), "on the grid of its start")
		x, err = s.Service.UpdateSchedule(t.Context(), x.Name, delivery.Write{}, func(x *delivery.Schedule) error {
			x.Timing.Disabled = true
			return nil
		})
		require.NoError(t, err)
		require.Zero(t, x.NextRun)
		time.Sleep(10 * time.Minute)
		require.Equal(t, want, fired(t, s))
		require.NoError(t, s.Service.DeleteSchedule(t.Context(), x.Name, delivery.Write{}))
		clock(t, s, "now", "rate(1 day)", nil)
		synctest.Wait()
		require.Len(t, fired(t, s), 4, "a rate without a start begins at once")
	})
}

// TestMissedRuns: what passed while nothing ran is dealt with as the schedule says.
func TestMissedRuns(t *testing.T) {
	for policy, want := range map[delivery.MissedRuns][]string{
		delivery.SkipMissed: {},
		delivery.FireOnce:   {"2000-01-04T00:00:00Z"},
		delivery.FireAll:    {"2000-01-03T06:00:00Z", "2000-01-03T12:00:00Z", "2000-01-03T18:00:00Z", "2000-01-04T00:00:00Z"},
	} {
		stoppedInBubble(t, func(t *testing.T, s *deliverytest.Suite, _ *network) {
			x := clock(t, s, "x", "rate(6 hours)", func(x *delivery.Schedule) { x.Missed = policy })
			time.Sleep(73 * time.Hour)
			s.Run(t)
			synctest.Wait()
			require.Equal(t, want, fired(t, s))
			x, err := s.Service.GetSchedule(t.Context(), x.Name)
			require.NoError(t, err)
			require.Equal(t, "2000-01-04T06:00:00Z", x.NextRun.Format(time.RFC3339))
		})
	}
}

// stoppedInBubble runs a test where time costs nothing, with a service that does not run yet and the rule "clock".
func stoppedInBubble(t *testing.T, fn func(t *testing.T, s *deliverytest.Suite, n *network)) {
	t.Helper()
	laterInBubble(t, 0, fn)
}

// laterInBubble begins so long after the beginning of the bubble's time.
func laterInBubble(t *testing.T, later time.Duration, fn func(t *testing.T, s *deliverytest.Suite, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(later)
		n := &network{answer: ok}
		s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
			Params: func(p *delivery.Params) { p.Sender = n },
		})
		s.Destination(t, "shop", "https://api.example", nil)
		s.Rule(t, "clock", toShop)
		fn(t, s, n)
		s.Stop()
	})
}

// TestScheduleThatIsLate: what is late by less than a minute is not missed.
func TestScheduleThatIsLate(t *testing.T) {
	stoppedInBubble(t, func(t *testing.T, s *deliverytest.Suite, _ *network) {
		clock(t, s, "x", "rate(6 hours)", func(x *delivery.Schedule) { x.Missed = delivery.SkipMissed })
		time.Sleep(6*time.Hour + 59*time.Second)
		s.Run(t)
		synctest.Wait()
		require.Equal(t, []string{"2000-01-01T06:00:00Z"}, fired(t, s))
	})
}

// TestReplicasTickOnce: of two instances on one PostgreSQL, one puts the event of each time.
func TestReplicasTickOnce(t *testing.T) {
	to := newSink(t, nil)
	db := sqltest.Open(t, sqldb.Postgres, store.Migrations())
	one := deliverytest.New(t, db, deliverytest.Options{})
	two := deliverytest.New(t, db, deliverytest.Options{})
	one.Destination(t, "shop", to.URL, nil)
	one.Rule(t, "clock", toShop)
	const count = 40
	for i := range count {
		clock(t, one, "at"+string(rune('A'+i%26))+string(rune('a'+i/26)), "at(2199-12-31T23:59:59)", nil)
	}
	due := time.Now().UTC().Add(-time.Second).Truncate(time.Second)
	require.NoError(t, db.Write(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE schedules SET next_run = $1, expression = $2", due.UnixMicro(), due.Format("at(2006-01-02T15:04:05)"))
		return err
	}))
	one.Run(t)
	two.Run(t)
	require.Len(t, ids(to.wait(t, count)), count)
	one.Stop()
	two.Stop()
	require.Len(t, fired(t, one), count)
	require.Len(t, to.all(), count)
}

func TestScheduleIsChecked(t *testing.T) {
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{})
	for field, change := range map[string]func(*delivery.Schedule){
		"schedule.expression": func(x *delivery.Schedule) { x.Timing.Expression = "cron(0 0 30 2 ? *)" },
		"schedule.time_zone":  func(x *delivery.Schedule) { x.Timing.TimeZone = "Mars/Olympus" },
		"schedule.end_time": func(x *delivery.Schedule) {
			x.Timing.StartTime, x.Timing.EndTime = time.Unix(9e9, 0), time.Unix(8e9, 0)
		},
		"schedule.event": func(x *delivery.Schedule) { x.Detail = `{"at": <scheduled-time>}` },
	} {
		x := delivery.Schedule{
			Name:   delivery.ScheduleName{Project: "p", Bus: delivery.DefaultBus, Schedule: "x"},
			Timing: delivery.Timing{Expression: "rate(1 day)"}, Source: "clock", DetailType: "Tick",
		}
		change(&x)
		_, err := s.Service.CreateSchedule(t.Context(), x, delivery.Write{})
		var invalid *delivery.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Violations[0].Field)
	}
	_, err := schedule.Zone("Mars/Olympus")
	require.ErrorIs(t, err, schedule.ErrZone)
}
