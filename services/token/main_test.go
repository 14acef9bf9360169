package token_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) {
	if plan := os.Getenv(crashEnv); plan != "" { // this is not the tests, but a process that they kill
		err := runDoomed(plan)
		fmt.Fprintln(os.Stderr, "not killed:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(sqltest.Wrap(m))
}
