// Photoprint is PrintPixie, an online photo-printing service, with two cloud drives to take photos from. The README says how to run it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/freshet-io/freshet/services/cmd/freshet/commands"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		return commands.Run(ctx, os.Args[2:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv)
	}
	at := flag.String("freshet", "", "URL of a running Freshet that may call this machine; without it, one is started")
	keyFile := flag.String("admin-key-file", "freshet-data/admin.key", "its admin key")
	address := flag.String("addr", "127.0.0.1:8090", "where the shop is served")
	flag.Parse()
	if err := serve(ctx, *at, *keyFile, *address, func(url string) { fmt.Println("PrintPixie is at " + url) }); err != nil {
		fmt.Fprintln(os.Stderr, "photoprint:", err)
		return 1
	}
	return 0
}
