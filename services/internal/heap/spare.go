package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// floor is the GOGC of a large heap, which is also the runtime's default.
	floor = 100
	// least is the heap, in bytes, that GOGC is a percentage of where there is less.
	least = 4 << 20
	// slack is how far GOGC, in percent of itself, may be off: to set it stops all goroutines for a moment.
	slack = 10
)

// spare sets GOGC after each collection.
type spare struct {
	bytes uint64

	mu      sync.Mutex
	percent int // in force
	ended   bool
}

// Spare lets the heap grow by that many bytes before it is collected, until end is called, which sets GOGC to what it was before. Of
// several uses at the same time the last one counts.
func Spare(bytes uint64) (end func()) {
	before := debug.SetGCPercent(floor)
	s := &spare{bytes: bytes, percent: floor}
	s.adjust()
	s.afterNext()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended {
			s.ended = true
			debug.SetGCPercent(before)
		}
	}
}

// afterNext adjusts GOGC after the next collection, and so after each: the collection finds a value that nobody has.
func (s *spare) afterNext() {
	runtime.AddCleanup(&struct{ self *spare }{s}, func(s *spare) {
		if s.adjust() {
			s.afterNext()
		}
	}, s)
}

// adjust sets GOGC for what lives now, and says whether it is to do so again.
func (s *spare) adjust() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	want := percentFor(s.bytes, scanned())
	off := (want - s.percent) * 100
	if off > slack*s.percent || off < -slack*s.percent || want == floor && off != 0 {
		debug.SetGCPercent(want)
		s.percent = want
	}
	return true
}

// percentFor returns the GOGC with which a heap grows by so many bytes. What GOGC is a percentage of, live, is the heap that the last
// collection left, with stacks and globals.
func percentFor(bytes, live uint64) int {
	return int(max(bytes*100/max(live, least), floor))
}

// scanned returns what the runtime takes GOGC of. https://tip.golang.org/doc/gc-guide#GOGC
func scanned() (bytes uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			bytes += s.Value.Uint64()
		}
	}
	return bytes
}
