package heap_test

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/heap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const spared = 64 << 20

func read(t *testing.T, name string) uint64 {
	t.Helper()
	samples := []metrics.Sample{{Name: name}}
	metrics.Read(samples)
	require.Equal(t, metrics.KindUint64, samples[0].Value.Kind(), name)
	return samples[0].Value.Uint64()
}

// growth is how much the heap may grow until it is collected.
func growth(t *testing.T) uint64 {
	t.Helper()
	goal, live := read(t, "/gc/heap/goal:bytes"), read(t, "/gc/heap/live:bytes")
	require.Greater(t, goal, live)
	return goal - live
}

func TestSpare(t *testing.T) {
	before := read(t, "/gc/gogc:percent")
	end := heap.Spare(spared)
	collect := func(enough func() bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			runtime.GC()
			return enough()
		}, time.Minute, 5*time.Millisecond)
	}

	collect(func() bool { return growth(t) > spared*8/10 }) // a small heap
	require.Less(t, growth(t), uint64(spared*13/10))

	func() {
		large := make([]*[1 << 20]byte, 2*spared>>20)
		for i := range large {
			large[i] = new([1 << 20]byte)
		}
		collect(func() bool { return read(t, "/gc/gogc:percent") == 100 }) // as without
		runtime.KeepAlive(large)
	}()
	collect(func() bool { return read(t, "/gc/gogc:percent") > 200 }) // small again

	end()
	require.Equal(t, before, read(t, "/gc/gogc:percent"))
	runtime.GC()
	require.Equal(t, before, read(t, "/gc/gogc:percent"))
	end()
}
