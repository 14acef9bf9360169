package commands

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/freshet-io/freshet/services/demo"
)

// demoCmd has no flag that the environment sets: a demo must not get into the data folder of a suite by accident.
type demoCmd struct {
	Duration      time.Duration `default:"0s" help:"How long events are put; 0 is until Ctrl-C. Default: ${default}." placeholder:"TIME"`
	TokenLifetime time.Duration `default:"5s" help:"Life of access tokens; at least 1s. Default: ${default}." placeholder:"TIME"`
	Rate          int           `default:"20" help:"Events put in a second; 1 to 500. Default: ${default}." placeholder:"N"`
	DataDir       string        `help:"Folder of the suite's files and log. Default: a temporary one, removed at the end." placeholder:"DIR"`
	HTTPAddr      string        `name:"http-addr" default:"127.0.0.1:0" help:"Where REST is served. Default: a free port." placeholder:"ADDR"`
	GRPCAddr      string        `name:"grpc-addr" default:"127.0.0.1:0" help:"Where gRPC is served. Default: a free port." placeholder:"ADDR"`
	LogLevel      string        `enum:"debug,info,warn,error" default:"info" help:"Least severity that is logged, to freshet.log in the folder: debug, info, warn, error." placeholder:"LEVEL"`
	Plain         bool          `help:"Print lines instead of redrawing the screen, as when the output is no terminal."`
}

// Help implements kong.HelpProvider.
func (c *demoCmd) Help() string {
	return `Starts the suite, an authorization server with short-lived tokens and an API that checks every call; puts events and shows ` +
		`rotations and deliveries.

The last line is one JSON object: rotations, pushes, min_lead_ms, events, delivered, unauthorized, lost, duplicates, attempts, ` +
		`served_expired, refused. The exit code is 1 if anything was lost or unauthorized, or no token was rotated.`
}

// Run runs the demo until its duration is over or ctx ends.
func (c *demoCmd) Run(ctx context.Context, s *session) error {
	config := demo.Config{
		DataDir: c.DataDir, HTTPAddr: c.HTTPAddr, GRPCAddr: c.GRPCAddr,
		TokenLifetime: c.TokenLifetime, Rate: c.Rate, Duration: c.Duration, LogLevel: c.LogLevel,
		Output: s.stdout, Live: !c.Plain && redrawable(s), Version: Version(), LookupEnv: s.lookupEnv,
	}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "demo"}
	}
	_, err := demo.Run(ctx, config)
	return err
}

// redrawable reports whether the output is a terminal that understands control sequences.
func redrawable(s *session) bool {
	if term, _ := s.lookupEnv("TERM"); term == "" || term == "dumb" {
		return false
	}
	return isTerminal(s.stdout)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
