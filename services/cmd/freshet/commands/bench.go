package commands

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/bench"
	"github.com/freshet-io/freshet/services/bench/fanout"
	"github.com/freshet-io/freshet/services/bench/sink"
)

// benchCmd has no flag that the environment sets: a benchmark must not get into the database of a suite by accident.
type benchCmd struct {
	Delivery  benchDeliveryCmd  `cmd:"" help:"Deliver events, and compare with posting them directly."`
	Isolation benchIsolationCmd `cmd:"" help:"Deliver beside a destination that is slow, dead or limited, and compare."`
	Watch     benchWatchCmd     `cmd:"" help:"Push tokens to many streams, and compare with a bare gRPC server."`
	Match     benchMatchCmd     `cmd:"" help:"Match events against 1 to 10,000 rules, and compare."`
	Refresh   benchRefreshCmd   `cmd:"" help:"Refresh tokens that are all due, and compare with redeeming directly."`
	Schedule  benchScheduleCmd  `cmd:"" help:"Refresh tokens beside a million others, and compare."`
	Proxy     benchProxyCmd     `cmd:"" help:"Call an API through the proxy, and compare with calling it directly."`
	Sink      benchSinkCmd      `cmd:"" hidden:""`
	Fanout    benchFanoutCmd    `cmd:"" hidden:""`
	Issuer    benchIssuerCmd    `cmd:"" hidden:""`
}

// benchFlags are those of every benchmark.
type benchFlags struct {
	Database string        `help:"URL of an empty PostgreSQL database to measure with; the run leaves its tables there. Default: SQLite." placeholder:"URL"`
	Dir      string        `help:"Folder on the disk to measure with. Default: the system's temporary folder." placeholder:"DIR"`
	Timeout  time.Duration `default:"10m" help:"How long the run may take. Default: ${default}." placeholder:"TIME"`
	JSON     bool          `name:"json" help:"Print the result as a last line of JSON."`
}

func (f *benchFlags) host() (bench.Host, error) {
	executable, err := os.Executable()
	if err != nil {
		return bench.Host{}, err
	}
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "FRESHET_") || strings.HasPrefix(variable, "OTEL_")
	})
	return bench.Host{Executable: executable, Env: env, Dir: f.Dir, Database: f.Database, Timeout: f.Timeout}, nil
}

// print prints the result for people and, if asked for, as the last line for programs.
func (f *benchFlags) print(w io.Writer, result any, rows func(table)) error {
	t := newTable(w)
	rows(t)
	if err := t.flush(); err != nil || !f.JSON {
		return err
	}
	return json.NewEncoder(w).Encode(result)
}

// byteSize is a number of bytes: 1024, 1KiB, 1MiB.
type byteSize int

var _ encoding.TextUnmarshaler = (*byteSize)(nil)

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *byteSize) UnmarshalText(text []byte) error {
	number, unit := string(text), 1
	for suffix, factor := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = rest, factor
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 1<<30/unit {
		return fmt.Errorf("%q is not a number of bytes such as 512, 1KiB or 1MiB", text)
	}
	*b = byteSize(n * unit)
	return nil
}

type benchDeliveryCmd struct {
	benchFlags
	Events       int      `default:"20000" help:"Events put as fast as they are acknowledged. Default: ${default}." placeholder:"N"`
	Publishers   int      `default:"64" help:"Callers that put at the same time. Default: ${default}." placeholder:"N"`
	Body         byteSize `default:"1KiB" help:"Size of a body. Default: ${default}." placeholder:"SIZE"`
	Destinations int      `default:"1" help:"Destinations without rate limit that share the events. Default: ${default}." placeholder:"N"`
	PacedEvents  int      `default:"1000" help:"Events put at 100 a second after that. Default: ${default}." placeholder:"N"`
	SteadyEvents int      `default:"5000" help:"Events put at 1,000 a second after that. Default: ${default}." placeholder:"N"`
	Backlog      int      `default:"0" help:"Deliveries of a paused destination to queue then, behind which the events are put once more. Default: none." placeholder:"N"`
	OAuth        bool     `name:"oauth" help:"Deliver with an OAuth 2.0 token instead of an API key."`
}

// Help implements kong.HelpProvider.
func (c *benchDeliveryCmd) Help() string {
	return `Load, server and sink run in processes of their own, on the loopback interface. docs/benchmarks.md says what is measured. The exit ` +
		`code is 1 if the run failed or an acknowledged event was not delivered; it is 0 whatever the figures are.`
}

// Run measures deliveries.
func (c *benchDeliveryCmd) Run(ctx context.Context, s *session) error {
	host, err := c.host()
	if err != nil {
		return err
	}
	config := bench.DeliveryConfig{
		Host: host, Events: c.Events, Publishers: c.Publishers, BodyBytes: int(c.Body), Destinations: c.Destinations,
		PacedEvents: c.PacedEvents, SteadyEvents: c.SteadyEvents, Backlog: c.Backlog, OAuth: c.OAuth,
	}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench delivery"}
	}
	result, err := bench.Delivery(ctx, config)
	if result == nil {
		return err
	}
	if printing := c.print(s.stdout, result, func(t table) { deliveryFigures(t, result) }); printing != nil {
		return printing
	}
	return err
}

func deliveryFigures(t table, r *bench.DeliveryResult) {
	t.row(fmt.Sprintf("%d events of %d bytes, %d publishers, %d destination(s), %s, %s, %d cores",
		r.Events, r.BodyBytes, r.Publishers, r.Destinations, r.AuthorizationBy, r.Store, r.Cores))
	t.row("  delivered", fmt.Sprintf("%.0f/s", r.DeliveredPerSecond))
	t.row("  raw posts", fmt.Sprintf("%.0f/s", r.RawPostsPerSecond), fmt.Sprintf("%d workers", r.RawWorkers))
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
	t.row("  accepted", fmt.Sprintf("%.0f/s", r.AcceptedPerSecond), fmt.Sprintf("acknowledged in %.1f ms (p50), %.1f ms (p99)", r.AckP50MS, r.AckP99MS))
	t.row(fmt.Sprintf("  at %d/s", r.PacedPerSecond), fmt.Sprintf("%.1f ms (p50)", r.EndToEndP50MS), fmt.Sprintf("%.1f ms (p99) from put to arrival", r.EndToEndP99MS))
	t.row(fmt.Sprintf("  at %d/s", r.SteadyPerSecond), fmt.Sprintf("%.1f ms (p50)", r.SteadyAckP50MS), fmt.Sprintf("%.1f ms (p99) to the acknowledgement", r.SteadyAckP99MS))
	if r.Backlog > 0 {
		t.row("  behind a backlog", fmt.Sprintf("%.0f/s", r.BacklogPerSecond), fmt.Sprintf("%.2f of the rate without, %d queued", r.BacklogRatio, r.Backlog))
	}
	t.row("  CPU", fmt.Sprintf("%.3f s", r.CPUSeconds), fmt.Sprintf("per 1,000 events; raw posts %.3f s", r.RawCPUSeconds))
	t.row("  memory", fmt.Sprintf("%.0f MiB", r.PeakRSSMiB))
	t.row("  lost", strconv.Itoa(r.Lost), fmt.Sprintf("duplicates %d, unauthorized %d", r.Duplicates, r.Unauthorized))
	machineFigures(t, &r.Machine)
}

func machineFigures(t table, m *bench.Machine) {
	t.row("  machine", fmt.Sprintf("fsync %.2f ms", m.FsyncP50MS), fmt.Sprintf("others kept %.2f cores busy", m.OthersCores))
}

type benchWatchCmd struct {
	benchFlags
	Streams     int `default:"10000" help:"Streams that watch one token. Default: ${default}." placeholder:"N"`
	Connections int `default:"10" help:"Connections that share the streams. Default: ${default}." placeholder:"N"`
	Rotations   int `default:"5" help:"Generations to push. Default: ${default}." placeholder:"N"`
}

// Help implements kong.HelpProvider.
func (c *benchWatchCmd) Help() string {
	return `Streams, server and bare server run in processes of their own, on the loopback interface. docs/benchmarks.md says what is ` +
		`measured. The exit code is 1 if the run failed; it is 0 whatever the figures are.`
}

// Run measures pushes.
func (c *benchWatchCmd) Run(ctx context.Context, s *session) error {
	host, err := c.host()
	if err != nil {
		return err
	}
	config := bench.WatchConfig{Host: host, Streams: c.Streams, Connections: c.Connections, Rotations: c.Rotations}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench watch"}
	}
	result, err := bench.Watch(ctx, config)
	if err != nil {
		return err
	}
	return c.print(s.stdout, result, func(t table) { watchFigures(t, result) })
}

func watchFigures(t table, r *bench.WatchResult) {
	t.row(fmt.Sprintf("%d streams over %d connections, %d rotations, messages of %d bytes, %s, %d cores",
		r.Streams, r.Connections, r.Rotations, r.MessageBytes, r.Store, r.Cores))
	t.row("", "freshet", "bare server")
	row := func(name, format string, of func(*bench.FanOut) float64) {
		t.row("  "+name, fmt.Sprintf(format, of(&r.FanOut)), fmt.Sprintf(format, of(&r.Raw)))
	}
	row("half the streams after", "%.0f ms", func(f *bench.FanOut) float64 { return f.P50MS })
	row("99 % after", "%.0f ms", func(f *bench.FanOut) float64 { return f.P99MS })
	row("the last after", "%.0f ms", func(f *bench.FanOut) float64 { return f.LastMS })
	row("CPU of the server", "%.1f µs a push", func(f *bench.FanOut) float64 { return f.ServerCPUMicros })
	row("memory", "%.1f KiB a stream", func(f *bench.FanOut) float64 { return f.PushedRSSKiB })
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
	machineFigures(t, &r.Machine)
}

// benchSinkCmd is a process of bench delivery and bench watch.
type benchSinkCmd struct{}

// Run serves until its input ends.
func (c *benchSinkCmd) Run(ctx context.Context, s *session) error {
	return sink.Run(ctx, s.stdin, s.stdout)
}

// benchFanoutCmd is a process of bench watch.
type benchFanoutCmd struct{}

// Run serves until its input ends.
func (c *benchFanoutCmd) Run(ctx context.Context, s *session) error {
	return fanout.Run(ctx, s.stdin, s.stdout)
}
