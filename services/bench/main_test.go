package bench_test

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/cmd/freshet/commands"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestMain makes the test binary the program itself where a benchmark starts it as one of its processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "bench") {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := commands.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv)
		stop()
		os.Exit(code)
	}
	goleak.VerifyTestMain(sqltest.Wrap(m))
}
