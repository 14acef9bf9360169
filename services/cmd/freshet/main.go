// Command freshet runs the suite and works with it from the command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/freshet-io/freshet/services/cmd/freshet/commands"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal stops in order, the second at once.
	context.AfterFunc(ctx, stop)
	return commands.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv)
}
