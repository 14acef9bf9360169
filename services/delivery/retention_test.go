package delivery_test

import (
	"strings"
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

// TestRetentionBySize: a bus that is too large loses its oldest events, however young, but none that is still to be delivered or was not, and
// no other bus loses any.
func TestRetentionBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
			Params: func(p *delivery.Params) {
				p.Retention = delivery.Retention{MaxAge: time.Hour, DeadLetterAge: 20 * time.Minute}
				p.Sender = byName(map[string]int{"good": 200, "bad": 404})
			},
		}).Run(t)
		const limit = 1 << 20
		name := delivery.BusName{Project: "p", Bus: "small"}
		_, err := s.Service.CreateBus(t.Context(), delivery.Bus{
			Name: name, Settings: delivery.BusSettings{Retention: delivery.Retention{MaxBytes: limit}},
		}, delivery.Write{})
		require.NoError(t, err)
		for _, d := range []string{"good", "bad", "stuck"} {
			s.Destination(t, d, "https://"+d+".example", nil)
			_, err := s.Service.CreateRule(t.Context(), delivery.Rule{
				Name: delivery.RuleName{Project: "p", Bus: "small", Rule: d}, EventPattern: `{"source":["` + d + `"]}`,
				Targets: []delivery.Target{{ID: "t", Destination: d}},
			}, delivery.Write{})
			require.NoError(t, err)
		}
		_, err = s.Service.PauseDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "stuck"}, "")
		require.NoError(t, err)
		detail := `{"x":"` + strings.Repeat("x", 100_000) + `"}`
		put := func(bus delivery.BusName, source string, n int) (ids []string) {
			for range n {
				results, err := s.Service.PutEvents(t.Context(), bus, []delivery.Entry{{Source: source, DetailType: "T", Detail: detail}}, false)
				require.NoError(t, err)
				ids = append(ids, results[0].EventID)
			}
			return ids
		}
		size := func(name delivery.BusName) int {
			bus, err := s.Service.GetBus(t.Context(), name)
			require.NoError(t, err)
			return int(bus.Bytes) / 100_000
		}
		put(deliverytest.Default, "nobody", 12)
		put(name, "bad", 1)
		put(name, "stuck", 1)
		put(name, "nobody", 2)
		good := put(name, "good", 6)
		time.Sleep(3 * time.Minute)
		require.Equal(t, 10, size(name), "that is just allowed")
		require.Equal(t, 12, size(deliverytest.Default))

		put(name, "good", 3)
		time.Sleep(3 * time.Minute)
		require.Equal(t, 10, size(name))
		require.Equal(t, 12, size(deliverytest.Default), "another bus")
		events := map[string]int{}
		list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{}, "", 1000)
		require.NoError(t, err)
		for _, d := range list {
			events[d.Destination]++
			require.NotEqual(t, good[0], d.Event.ID, "the oldest that had been delivered")
		}
		require.Equal(t, map[string]int{"bad": 1, "stuck": 1, "good": 8}, events)

		time.Sleep(20 * time.Minute) // the dead letter is old enough
		require.Equal(t, 10, size(name), "its event is not, and there is room")
		put(name, "stuck", 14)
		time.Sleep(13 * time.Minute) // a round and more
		require.Equal(t, 15, size(name), "what has not ended stays, and nothing else")
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
	_, err = s.Service.UpdateBus(t.Context(), deliverytest.Default, delivery.Write{}, func(b *delivery.Bus) error {
		b.Settings.Retention = delivery.Retention{MaxBytes: 1000}
		return nil
	})
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "bus.retention.max_bytes", invalid.Violations[0].Field)
}
