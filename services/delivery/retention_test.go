package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestRetention: history goes when it is as old as its bus says, dead letters later, and what has not ended never.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := map[string]int{"good": 200, "bad": 404}
		s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
			Params: func(p *delivery.Params) {
				p.Retention = delivery.Retention{MaxAge: 5 * time.Minute, DeadLetterAge: 15 * time.Minute}
				p.Sender = byName(answers)
			},
		}).Run(t)
		for _, name := range []string{"good", "bad", "stuck"} {
			s.Destination(t, name, "https://"+name+".example", nil)
			s.Rule(t, name, nil)
		}
		counts := func() map[string]int {
			list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{}, "", 1000)
			require.NoError(t, err)
			n := map[string]int{}
			for _, d := range list {
				n[d.Destination]++
			}
			return n
		}
		long, err := s.Service.CreateBus(t.Context(), delivery.Bus{
			Name:     delivery.BusName{Project: "p", Bus: "long"},
			Settings: delivery.BusSettings{Retention: delivery.Retention{MaxAge: 10 * time.Minute}},
		}, delivery.Write{})
		require.NoError(t, err)
		_, err = s.Service.CreateRule(t.Context(), delivery.Rule{
			Name: delivery.RuleName{Project: "p", Bus: "long", Rule: "r"}, EventPattern: `{"source":["good"]}`,
			Targets: []delivery.Target{{ID: "t", Destination: "good"}},
		}, delivery.Write{})
		require.NoError(t, err)
		for range 13 {
			s.Put(t, "good", numbers(10)...)
		}
		s.Put(t, "bad", numbers(3)...)
		s.Put(t, "stuck", `{}`)
		s.Put(t, "nowhere", `{}`)
		_, err = s.Service.PutEvents(t.Context(), long.Name, []delivery.Entry{{Source: "good", DetailType: "T", Detail: `{}`}}, false)
		require.NoError(t, err)
		time.Sleep(4 * time.Minute)
		require.Equal(t, map[string]int{"good": 131, "bad": 3, "stuck": 1}, counts())
		time.Sleep(3 * time.Minute)
		require.Equal(t, map[string]int{"good": 1, "bad": 3, "stuck": 1}, counts(), "but the other bus's")
		time.Sleep(5 * time.Minute)
		require.Equal(t, map[string]int{"bad": 3, "stuck": 1}, counts())
		time.Sleep(20 * time.Minute)
		require.Equal(t, map[string]int{"stuck": 1}, counts())
		left, _, err := s.Store.OldEvents(t.Context(), delivery.HistoryScope{Project: "p"}, "", "7", 10)
		require.NoError(t, err)
		require.Len(t, left, 1, "the events went too")
		s.Stop()
	})
}

func TestRetentionIsChecked(t *testing.T) {
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{})
	_, err := s.Service.UpdateBus(t.Context(), deliverytest.Default, delivery.Write{}, func(b *delivery.Bus) error {
		b.Settings.Retention.MaxAge = time.Second
		return nil
	})
	var invalid *delivery.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "bus.retention.max_age", invalid.Violations[0].Field)
}
