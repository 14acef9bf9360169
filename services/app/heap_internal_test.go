package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeapToSpare(t *testing.T) {
	for limit, want := range map[string]uint64{
		"": spareHeap, "max\n": spareHeap, "2147483648\n": spareHeap, "268435456\n": 64 << 20,
	} {
		require.Equal(t, want, heapToSpare(limit), limit)
	}
}
