package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

// putKeyed accepts one event with a key, and returns the id of the event that has it afterwards.
func (f *fixture) putKeyed(t *testing.T, id, key string, at time.Time) string {
	t.Helper()
	e := &delivery.Event{Project: "p", ID: id, Bus: bus.Bus, Source: "s", DetailType: "T", Detail: "{}", Time: at, IngestionTime: at}
	d := &delivery.Delivery{
		ID: delivery.ID{Project: "p", Delivery: id}, Event: e, Rule: "r", Destination: "d", State: delivery.Pending,
		Target: delivery.Target{ID: "t", Destination: "d"}, CreateTime: at, NextAttempt: at, ExpireTime: at.Add(time.Hour),
	}
	err := f.Accept(t.Context(), bus, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
		return delivery.Batch{
			Events: []*delivery.Event{e}, Deliveries: []*delivery.Delivery{d},
			Keys: []delivery.Key{{Key: key, EventID: id, Until: at.Add(delivery.DeduplicationWindow)}},
		}, nil
	})
	if err == nil {
		return id
	}
	var duplicates *delivery.DuplicatesError
	require.ErrorAs(t, err, &duplicates)
	require.Len(t, duplicates.First, 1)
	return duplicates.First[id]
}

// testKeys: of all who put an event of a key at the same time, one does; the others learn which.
func testKeys(t *testing.T, f *fixture) {
	const writers = 8
	ids, first := make([]string, writers), make([]string, writers)
	var putting sync.WaitGroup
	for i := range writers {
		ids[i] = f.id()
		putting.Go(func() { first[i] = f.putKeyed(t, ids[i], "k", now) })
	}
	putting.Wait()
	for _, id := range first {
		require.Equal(t, first[0], id)
	}
	require.Contains(t, ids, first[0])
	require.Equal(t, []string{first[0]}, f.list(t, delivery.Filter{}), "nothing is stored of a duplicate")
	other := f.id()
	require.Equal(t, other, f.putKeyed(t, other, "k2", now))

	soon := now.Add(delivery.DeduplicationWindow - time.Microsecond)
	require.Equal(t, first[0], f.putKeyed(t, f.id(), "k", soon))
	n, err := f.ForgetKeys(t.Context(), soon, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	later := now.Add(delivery.DeduplicationWindow)
	second := f.id()
	require.Equal(t, second, f.putKeyed(t, second, "k", later), "the window is over")
	n, err = f.ForgetKeys(t.Context(), later, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n, "k2; k is taken anew")
	require.Equal(t, second, f.putKeyed(t, f.id(), "k", later))
}

// testKeysOfABatch: events of one batch have keys of each other.
func testKeysOfABatch(t *testing.T, f *fixture) {
	a, b, c := f.id(), f.id(), f.id()
	until := now.Add(delivery.DeduplicationWindow)
	keys := []delivery.Key{{Key: "z", EventID: a, Until: until}, {Key: "y", EventID: b, Until: until}, {Key: "z", EventID: c, Until: until}}
	put := func() error {
		return f.Accept(t.Context(), bus, func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
			return delivery.Batch{Keys: keys}, nil
		})
	}
	var duplicates *delivery.DuplicatesError
	require.ErrorAs(t, put(), &duplicates)
	require.Equal(t, map[string]string{c: a}, duplicates.First)
	keys = keys[:2]
	require.NoError(t, put(), "nothing of the refused batch is there")
}
