// Package sqltest gives tests databases.
package sqltest

import (
	"os"
	"testing"

	_ "github.com/freshet-io/freshet/services/internal/sqldb"
)

// DSN skips when there is no database.
func DSN(tb testing.TB) string {
	if os.Getenv("DSN") == "" {
		tb.Skip("no database") // want no-skip
	}
	return os.Getenv("DSN")
}
