package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection/catalog"
)

// TestDocumentListsEveryEntry holds the list in docs/providers.md to the files.
func TestDocumentListsEveryEntry(t *testing.T) {
	c, err := catalog.New(nil)
	require.NoError(t, err)
	entries := c.List("", 1000)
	require.GreaterOrEqual(t, len(entries), 75)

	var list strings.Builder
	list.WriteString("| id | provider | parameters | new refresh token | old access token |\n|---|---|---|---|---|\n")
	for _, e := range entries {
		parameters := make([]string, len(e.Instance))
		for i, p := range e.Instance {
			parameters[i] = "`" + p.Name + "`"
		}
		fmt.Fprintf(&list, "| `%s` | [%s](%s) | %s | %s | %s |\n", e.ID, e.Name, e.Docs[0], strings.Join(parameters, ", "), rotation(e.Entry), e.OldAccessToken.Fate)
	}

	const begin, end = "<!-- providers -->\n", "<!-- /providers -->\n"
	path := filepath.Join("..", "..", "..", "docs", "providers.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	published, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+list.String()+end+after), 0o644))
		return
	}
	require.Equal(t, list.String(), published, "UPDATE_GOLDEN=1 writes the list in docs/providers.md")
}

// rotation is a cell: how often there is another refresh token, and what the former one is good for.
func rotation(e catalog.Entry) string {
	switch {
	case e.Rotation.Recovery == "":
		return e.Rotation.Mode
	case e.Rotation.Grace != 0:
		return fmt.Sprintf("%s, %s %s", e.Rotation.Mode, e.Rotation.Recovery, e.Rotation.Grace)
	default:
		return e.Rotation.Mode + ", " + e.Rotation.Recovery
	}
}
