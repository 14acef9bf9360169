package oauth

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPreferencesAreBounded(t *testing.T) {
	var p preferences
	var of pair
	for i := range uint64(3 * maxPreferences) {
		binary.BigEndian.PutUint64(of[:], i)
		p.set(of, true)
		require.True(t, p.alternateFirst(of), "the newest is kept")
	}
	require.Len(t, p.alternate, maxPreferences)
	p.set(of, false)
	require.False(t, p.alternateFirst(of))
}
