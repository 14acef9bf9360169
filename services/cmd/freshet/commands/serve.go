package commands

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/freshet-io/freshet/services/app"
)

// settingsFlags are the settings of the suite.
type settingsFlags struct {
	ConfigFile string     `name:"config" group:"setting" help:"File of settings, YAML; freshet config prints one." placeholder:"FILE"`
	Settings   app.Config `embed:"" group:"setting"`
}

func (f *settingsFlags) validate() error {
	if err := f.Settings.Validate(); err != nil {
		return &usageError{err: err}
	}
	return nil
}

type serveCmd struct {
	settingsFlags
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, s *session) error {
	if err := c.validate(); err != nil {
		return err
	}
	defer app.SpareHeap(s.lookupEnv)()
	version := Version()
	return app.Run(ctx, c.Settings, app.Options{
		Version:   version,
		LogOutput: s.stderr,
		LookupEnv: s.lookupEnv,
		Ready:     func(addrs app.Addrs) { announce(s.stdout, version, &c.Settings, addrs) },
	})
}

// announce says where the suite is served and where its keys are; never what they are.
func announce(w io.Writer, version string, config *app.Config, addrs app.Addrs) {
	created := func(is bool) string {
		if is {
			return " (created)"
		}
		return ""
	}
	scheme := "http://"
	if config.TLS.CertFile != "" {
		scheme = "https://"
	}
	store := config.DataDir + " (SQLite)"
	if config.Database != "" {
		store = "PostgreSQL"
	}
	t := newTable(w)
	t.row("freshet " + version + " serves " + strings.Join(config.Roles, ", "))
	t.row("  REST", scheme+addrs.HTTP)
	t.row("  gRPC", addrs.GRPC)
	t.row("  data", store)
	t.row("  admin key", addrs.AdminKeyFile+created(addrs.AdminKeyCreated))
	t.row("  master key", addrs.MasterKeyFile+created(addrs.MasterKeyCreated))
	if addrs.MasterKeyCreated {
		t.row("Keep a copy of the master key: without it, stored secrets cannot be read again.")
	}
	if err := t.flush(); err != nil {
		_, _ = fmt.Fprintln(w, err)
	}
}
