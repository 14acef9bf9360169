package commands

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/freshet-io/freshet/services/app"
)

// root is the command line. A command is a field with a Run method, which may ask for a context.Context, the *session, and the struct of
// the command above it.
type root struct {
	Serve        serveCmd        `cmd:"" help:"Run the suite: all roles in one process, or some of them."`
	Config       configCmd       `cmd:"" help:"Print the effective settings of serve as a settings file."`
	Apply        applyCmd        `cmd:"" help:"Make connections, buses, archives, destinations, rules, schedules and webhooks match manifests."`
	Connections  connectionsCmd  `cmd:"" help:"Connections: how to authenticate to which API."`
	Grants       grantsCmd       `cmd:"" help:"Grants: the accounts that end users have connected."`
	Connect      connectCmd      `cmd:"" help:"Have an end user connect an account: print a link for the browser, and wait for the outcome."`
	Calls        callsCmd        `cmd:"" help:"Calls that were made through the API proxy."`
	Providers    providersCmd    `cmd:"" help:"The provider catalogue: how authorization servers behave."`
	Interfaces   interfacesCmd   `cmd:"" help:"Interfaces: operations that are called alike whatever provider an account is of."`
	Call         callCmd         `cmd:"" help:"Do an operation of an interface on a connection or a grant."`
	Token        tokenCmd        `cmd:"" help:"The current credential of a connection."`
	Destinations destinationsCmd `cmd:"" help:"Destinations: where events are delivered to."`
	Events       eventsCmd       `cmd:"" help:"Put events on a bus."`
	Schedules    schedulesCmd    `cmd:"" help:"Events that are put when their time comes."`
	Webhooks     webhooksCmd     `cmd:"" help:"Webhooks: signed requests of senders outside, which become events."`
	Deliveries   deliveriesCmd   `cmd:"" help:"What became of events."`
	Buses        busesCmd        `cmd:"" help:"Buses: what they keep, and how much that is."`
	Archives     archivesCmd     `cmd:"" help:"Archives: events kept for longer."`
	Proxy        proxyCmd        `cmd:"" help:"Call a connection's API with its credential."`
	Replays      replaysCmd      `cmd:"" help:"Replays: events of the past, put on their bus again."`
	Redrives     redrivesCmd     `cmd:"" help:"Redrives: many dead deliveries started anew, at a rate."`
	Pattern      patternCmd      `cmd:"" help:"Event patterns."`
	Demo         demoCmd         `cmd:"" help:"Show rotations and deliveries, with nothing but this process."`
	Bench        benchCmd        `cmd:"" help:"Measure the suite against the limit of this machine."`
	Version      versionCmd      `cmd:"" help:"Print the version."`
}

const description = `Freshet keeps credentials fresh and delivers events with them.

Exit codes: 0 done; 1 failed; 2 the command line, a setting or a manifest is wrong.

Every flag in a group can also be set in the environment: --grpc-addr as FRESHET_GRPC_ADDR.`

// Groups of flags that may come from the environment. Other flags belong to one call and only stand on the command line.
const (
	settingGroup = "setting"
	clientGroup  = "client"
)

// session is what a process gives to its command.
type session struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	now            func() time.Time
}

// Run runs the command that args name and returns the process's exit code: 0 done, 1 failed, 2 wrong usage. What was asked for goes to
// stdout, everything else to stderr. It returns soon after ctx ends.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) int {
	return run(ctx, args, &session{stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: lookupEnv, now: time.Now})
}

func run(ctx context.Context, args []string, s *session) int {
	helped := false
	fromElsewhere := &settings{Settings: app.NewSettings(s.lookupEnv)}
	parser, err := kong.New(&root{},
		kong.Name("freshet"),
		kong.Description(description),
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(func(int) { helped = true }), // only after --help; parsing goes on, what it yields is not used
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.ExplicitGroups([]kong.Group{{Key: settingGroup, Title: "Settings:"}, {Key: clientGroup, Title: "Server and output:"}}),
		kong.Resolvers(fromElsewhere),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		return report(s.stderr, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	switch {
	case helped:
		return exitDone
	case fromElsewhere.err != nil:
		return report(s.stderr, &usageError{err: fromElsewhere.err})
	case err != nil:
		return report(s.stderr, &usageError{err: err, command: commandOf(err)})
	}
	return report(s.stderr, kctx.Run())
}

// commandOf is the command that a parse error is about: `connections list`.
func commandOf(err error) string {
	parse, ok := err.(*kong.ParseError) //nolint:errorlint // kong returns it as it is.
	if !ok || parse.Context == nil {
		return ""
	}
	var parts []string
	for _, element := range parse.Context.Path {
		if element.Command != nil {
			parts = append(parts, element.Command.Name)
		}
	}
	return strings.Join(parts, " ")
}

// settings resolves the flags of the groups above.
type settings struct {
	*app.Settings
	err error // of the file; kong would put it down to whichever flag it came to first
}

// Resolve implements kong.Resolver.
func (s *settings) Resolve(kctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	var value any // nil is kong's way to say "not from here"
	ours := flag.Group != nil && (flag.Group.Key == settingGroup || flag.Group.Key == clientGroup)
	if ours && s.err == nil {
		value, s.err = s.Settings.Resolve(kctx, parent, flag)
	}
	return value, nil
}
