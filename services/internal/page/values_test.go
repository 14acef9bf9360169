package page

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzValues reads payloads whose mac was right, which FuzzDecode cannot forge.
func FuzzValues(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte{1, 'a', 0, 2, 'b', 'c'})
	f.Add([]byte{5, 'a'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, payload []byte) {
		cursor, err := values(payload)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalidToken)
			return
		}
		total := 0
		for _, value := range cursor {
			total += len(value)
		}
		require.NotEmpty(t, cursor)
		require.Less(t, total, len(payload))
	})
}
