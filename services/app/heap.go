package app

import (
	"os"
	"strconv"
	"strings"

	"github.com/freshet-io/freshet/services/internal/heap"
)

const (
	// spareHeap is how much a small heap may grow before it is collected.
	spareHeap = 96 << 20
	// sparePart is the part of the memory of its container that a process may spare at most.
	sparePart = 4
	// memoryLimitFile has the limit of the container, where there is one. https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
	memoryLimitFile = "/sys/fs/cgroup/memory.max"
)

// SpareHeap lets the collector of this process run less often, unless the environment has a GOGC, until end is called. It is a program's to
// call, not a part's: there is one collector.
func SpareHeap(lookupEnv func(string) (string, bool)) (end func()) {
	if gogc, ok := lookupEnv("GOGC"); ok && gogc != "" {
		return func() {}
	}
	text, _ := os.ReadFile(memoryLimitFile) // without it there is no limit that we know of
	return heap.Spare(heapToSpare(string(text)))
}

// heapToSpare takes the content of memoryLimitFile.
func heapToSpare(limit string) uint64 {
	bytes, err := strconv.ParseUint(strings.TrimSpace(limit), 10, 64)
	if err != nil { // "max"
		return spareHeap
	}
	return min(spareHeap, bytes/sparePart)
}
