package pattern

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// TestSpellingsExcludeEachOther is what lets the first spelling that fits decide.
func TestSpellingsExcludeEachOther(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		for _, s := range newFolded(string(r)).spellings {
			if lower, upper := s[0], s[1]; lower != upper {
				require.False(t, strings.HasPrefix(lower, upper) || strings.HasPrefix(upper, lower), "%q", r)
				require.False(t, strings.HasSuffix(lower, upper) || strings.HasSuffix(upper, lower), "%q", r)
			}
		}
	}
}
