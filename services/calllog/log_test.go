package calllog_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/calllog"
	"github.com/freshet-io/freshet/services/calllog/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// failing is a store that can be unavailable, and later only counts.
type failing struct {
	calllog.Store
	down, counts atomic.Bool
	taken        atomic.Int64
}

func (f *failing) AddCalls(ctx context.Context, calls []calllog.Call) error {
	if f.down.Load() {
		return errors.New("down")
	}
	if f.counts.Load() {
		f.taken.Add(int64(len(calls)))
		return nil
	}
	return f.Store.AddCalls(ctx, calls)
}

type fixture struct {
	*calllog.Log
	store   *failing
	metrics *sdkmetric.ManualReader
}

func newFixture(t *testing.T, retention time.Duration, most int) *fixture {
	t.Helper()
	f := &fixture{
		store:   &failing{Store: store.New(sqltest.Open(t, sqldb.SQLite, store.Migrations()))},
		metrics: sdkmetric.NewManualReader(),
	}
	var err error
	f.Log, err = calllog.NewLog(calllog.Params{
		Store: f.store, Retention: retention, MaxCount: most,
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(f.metrics)),
	})
	require.NoError(t, err)
	return f
}

// run has calls written until the returned function is called.
func (f *fixture) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

// counted returns how many calls had each outcome.
func (f *fixture) counted(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, f.metrics.Collect(t.Context(), &all))
	out := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		sum, ok := m.Data.(metricdata.Sum[int64])
		require.True(t, ok)
		for _, point := range sum.DataPoints {
			outcome, _ := point.Attributes.Value("outcome")
			out[outcome.AsString()] = point.Value
		}
	}
	return out
}

func (f *fixture) paths(t *testing.T) (paths []string) {
	t.Helper()
	list, err := f.List(t.Context(), "p", calllog.Query{Limit: 1000})
	require.NoError(t, err)
	for _, c := range list {
		paths = append(paths, c.Path)
	}
	return paths
}

func call(path string) calllog.Call {
	return calllog.Call{Project: "p", Connection: "c", StartTime: time.Now(), Method: "GET", Path: path, Status: 200}
}

// TestLog: calls are written soon, also those that wait when it ends, and whatever they hold.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0, 100)
		stop := f.run()
		f.Add(call("/1"))
		time.Sleep(time.Second)
		require.Equal(t, []string{"/1"}, f.paths(t))
		odd := call("/\xff\x00" + strings.Repeat("x", 2000))
		odd.Method = strings.Repeat("M", 100)
		f.Add(odd)
		stop()
		list, err := f.List(t.Context(), "p", calllog.Query{Limit: 9})
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, "/??xxx", list[0].Path[:6])
		require.LessOrEqual(t, len(list[0].Path), 1024)
		require.Len(t, list[0].Method, 32)
		require.Equal(t, map[string]int64{"written": 2, "dropped": 0}, f.counted(t))
	})
}

// TestLogCannotKeepUp: calls go on, what does not fit is counted, and what does is written once the store is there.
func TestLogCannotKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0, 100_000)
		f.store.down.Store(true)
		defer f.run()()
		const added = int64(6000)
		for range added {
			f.Add(call("/"))
		}
		time.Sleep(time.Minute)
		dropped := f.counted(t)["dropped"]
		require.Positive(t, dropped)
		f.store.counts.Store(true)
		f.store.down.Store(false)
		time.Sleep(time.Minute)
		require.Equal(t, added-dropped, f.store.taken.Load())
		require.Equal(t, map[string]int64{"written": added - dropped, "dropped": dropped}, f.counted(t))
	})
}

// TestLogIsTrimmed by age and by number.
func TestLogIsTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, time.Hour, 3)
		defer f.run()()
		for _, path := range []string{"/1", "/2", "/3", "/4"} {
			f.Add(call(path))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{"/4", "/3", "/2"}, f.paths(t))
		time.Sleep(30 * time.Minute)
		f.Add(call("/5"))
		time.Sleep(40 * time.Minute)
		require.Equal(t, []string{"/5"}, f.paths(t))
	})
}

// TestNothingIsKept where the log is to hold nothing.
func TestNothingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0, 0)
		require.NoError(t, f.store.AddCalls(t.Context(), []calllog.Call{{Project: "p", ID: calllog.Edge(time.Now()), Path: "/"}}))
		defer f.run()()
		synctest.Wait()
		require.Empty(t, f.paths(t))
	})
}
