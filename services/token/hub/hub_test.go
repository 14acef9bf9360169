package hub_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token/hub"
)

// take returns what is pending as "key=value".
func take(s *hub.Subscription[string, int]) []string {
	list := []string{}
	for _, item := range s.Take() {
		list = append(list, fmt.Sprintf("%s=%d", item.Key, item.Value))
	}
	return list
}

func woken(s *hub.Subscription[string, int]) bool {
	select {
	case <-s.Wake():
		return true
	default:
		return false
	}
}

func TestNewestWins(t *testing.T) {
	h := hub.New[string, int]()
	s := h.Subscribe()
	defer s.Close()
	require.False(t, h.Watched("a"))
	require.True(t, s.Add("a"))
	require.False(t, s.Add("a"))
	require.True(t, s.Add("b"))
	require.True(t, h.Watched("a"))
	require.Equal(t, 2, s.Len())
	require.ElementsMatch(t, []string{"a", "b"}, h.Keys())
	require.False(t, woken(s))

	h.Publish("a", 1, 1)
	h.Publish("b", 1, 1)
	h.Publish("c", 1, 1)
	h.Publish("a", 3, 3)
	h.Publish("a", 2, 2) // overtaken on the way
	require.True(t, woken(s))
	require.False(t, woken(s))
	require.Equal(t, []string{"a=3", "b=1"}, take(s))
	require.Empty(t, take(s))
	h.Publish("a", 3, 3)
	h.Publish("a", 2, 2)
	require.Empty(t, take(s), "nothing goes back")
	require.False(t, woken(s))
	require.False(t, h.Behind("a", 3))
	require.True(t, h.Behind("a", 4))
	require.False(t, h.Behind("c", 4))
}

// TestSnapshotNeverOverwrites a change that was published while the snapshot was read.
func TestSnapshotNeverOverwrites(t *testing.T) {
	h := hub.New[string, int]()
	s := h.Subscribe()
	defer s.Close()
	s.Add("a")
	h.Publish("a", 6, 6)
	s.Again("a", 5, 5)
	require.Equal(t, []string{"a=6"}, take(s))
	s.Offer("a", 5, 5)
	s.Again("a", 5, 5)
	require.Empty(t, take(s))
	s.Offer("a", 6, 6)
	require.Empty(t, take(s))
	s.Again("a", 6, 6)
	require.Equal(t, []string{"a=6"}, take(s))
}

func TestRemoveAndClose(t *testing.T) {
	h := hub.New[string, int]()
	s := h.Subscribe()
	s.Add("a")
	s.Add("b")
	h.Publish("a", 5, 5)
	s.Remove("a")
	s.Remove("a")
	require.Empty(t, take(s), "what was pending is dropped")
	h.Publish("a", 6, 6)
	require.Empty(t, take(s))
	require.False(t, h.Watched("a"))
	s.Add("a")
	s.Offer("a", 1, 1)
	require.Equal(t, []string{"a=1"}, take(s), "it begins anew")

	s.Close()
	s.Close()
	require.Empty(t, h.Keys())
	require.False(t, s.Add("a"))
	require.Empty(t, h.Keys(), "late keys are ignored")
}

// TestOrder: whoever waits longest is taken first, also when what waited longest is dropped or replaced.
func TestOrder(t *testing.T) {
	h := hub.New[string, int]()
	s := h.Subscribe()
	defer s.Close()
	for _, key := range []string{"a", "b", "c"} {
		s.Add(key)
		h.Publish(key, 1, 1)
	}
	h.Publish("b", 2, 2)
	h.Publish("a", 2, 2)
	require.Equal(t, []string{"a=2", "b=2", "c=1"}, take(s))

	h.Publish("a", 3, 3)
	h.Publish("b", 3, 3)
	h.Publish("c", 3, 3)
	s.Remove("a")
	h.Publish("b", 4, 4)
	s.Add("a")
	h.Publish("a", 4, 4)
	require.Equal(t, []string{"b=4", "c=3", "a=4"}, take(s))

	h.Publish("a", 5, 5)
	s.Remove("a")
	h.Publish("b", 5, 5)
	require.Equal(t, []string{"b=5"}, take(s))
}

func TestSubscribeAll(t *testing.T) {
	h := hub.New[string, int]()
	require.False(t, h.HasAll())
	s := h.SubscribeAll()
	require.True(t, h.HasAll())
	require.True(t, h.Behind("x", 1))
	h.Publish("x", 1, 1)
	h.Publish("y", 1, 1)
	h.Publish("x", 2, 2)
	require.Equal(t, []string{"x=2", "y=1"}, take(s))
	require.False(t, h.Behind("x", 2))
	s.Close()
	require.False(t, h.HasAll())
}

// TestBounded publishes without anybody reading: a subscription holds one value per key.
func TestBounded(t *testing.T) {
	h := hub.New[string, int]()
	s := h.Subscribe()
	defer s.Close()
	for i := range 100_000 {
		key := fmt.Sprint(i % 3)
		s.Remove(key)
		s.Add(key)
		h.Publish(key, int64(i), i)
	}
	require.ElementsMatch(t, []string{"0=99999", "1=99997", "2=99998"}, take(s))
}

// TestConcurrentPublishers never lets a subscriber see a key go back.
func TestConcurrentPublishers(t *testing.T) {
	h := hub.New[int, int]()
	const publishers, versions = 4, 5000
	var next sync.Mutex
	version := 0
	var publishing sync.WaitGroup
	s := h.Subscribe()
	defer s.Close()
	s.Add(1)
	for range publishers {
		publishing.Go(func() {
			for {
				next.Lock()
				version++
				v := version
				next.Unlock()
				if v > versions {
					return
				}
				h.Publish(1, int64(v), v)
			}
		})
	}
	last := 0
	for last < versions {
		<-s.Wake()
		for _, item := range s.Take() {
			require.Greater(t, item.Value, last)
			last = item.Value
		}
	}
	publishing.Wait()
}

func BenchmarkPublish(b *testing.B) {
	h := hub.New[int, int]()
	for range 10_000 {
		s := h.Subscribe()
		defer s.Close()
		s.Add(1)
	}
	for i := 0; b.Loop(); i++ {
		h.Publish(1, int64(i), i)
	}
}
