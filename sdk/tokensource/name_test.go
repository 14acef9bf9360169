package tokensource

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompleteName(t *testing.T) {
	for name, want := range map[string]string{
		"projects/p/connections/c":                  "projects/p/connections/c/token",
		"projects/p/connections/c/token":            "projects/p/connections/c/token",
		"projects/p/connections/c/grants/g":         "projects/p/connections/c/grants/g/token",
		"projects/p/connections/c/grants/g/token":   "projects/p/connections/c/grants/g/token",
		"projects/p/connections/token":              "projects/p/connections/token/token",
		"projects/p/connections/c/grants/token":     "projects/p/connections/c/grants/token/token",
		"projects/a-1/connections/CRM.eu_1-x/token": "projects/a-1/connections/CRM.eu_1-x/token",
	} {
		got, err := completeName(name)
		require.NoError(t, err, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{
		"", "crm", "projects/p", "projects/P/connections/c", "projects/p/connections/", "projects/p/connections/c/",
		"projects/p/connections/c/token/token", "projects/p/connections/c/grants/g/x", "projects/p/connections/a b",
		"projects/p/connections/c/token\n", "/projects/p/connections/c",
	} {
		_, err := completeName(name)
		require.ErrorContains(t, err, "want projects/{project}/connections/{connection}", name)
	}
}
