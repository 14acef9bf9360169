package commands

import (
	"context"
	"fmt"

	"github.com/freshet-io/freshet/services/bench"
	"github.com/freshet-io/freshet/services/bench/issuer"
)

type benchRefreshCmd struct {
	benchFlags
	Tokens int  `default:"20000" help:"Tokens to refresh, each once. Default: ${default}." placeholder:"N"`
	Kept   bool `help:"Of a provider that lets a refresh token be redeemed again, so that connections are kept."`
}

// Help implements kong.HelpProvider.
func (c *benchRefreshCmd) Help() string {
	return `Server and authorization server run in processes of their own, on the loopback interface. docs/benchmarks.md says what is ` +
		`measured. The exit code is 1 if the run failed or a token was not refreshed; it is 0 whatever the figures are.`
}

// Run measures refreshing.
func (c *benchRefreshCmd) Run(ctx context.Context, s *session) error {
	host, err := c.host()
	if err != nil {
		return err
	}
	config := bench.RefreshConfig{Host: host, Tokens: c.Tokens, Kept: c.Kept}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench refresh"}
	}
	result, err := bench.Refresh(ctx, config)
	if result == nil {
		return err
	}
	if printing := c.print(s.stdout, result, func(t table) { refreshFigures(t, result) }); printing != nil {
		return printing
	}
	return err
}

func refreshFigures(t table, r *bench.RefreshResult) {
	t.row(fmt.Sprintf("%d tokens, %s, %d cores", r.Tokens, r.Store, r.Cores))
	t.row("  refreshed", fmt.Sprintf("%.0f/s", r.RefreshesPerSecond))
	t.row("  raw posts", fmt.Sprintf("%.0f/s", r.RawPostsPerSecond), fmt.Sprintf("%d workers", r.RawWorkers))
	t.row("", fmt.Sprintf("%.0f/s", r.KeptPostsPerSecond), "over kept connections")
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
	t.row("  CPU", fmt.Sprintf("%.3f s", r.ServerCPU), "of the server per 1,000 refreshes")
	t.row("  memory", fmt.Sprintf("%.0f MiB", r.PeakRSSMiB))
	machineFigures(t, &r.Machine)
}

type benchScheduleCmd struct {
	benchFlags
	Tokens    int `default:"1000000" help:"Tokens to store. Default: ${default}." placeholder:"N"`
	Few       int `default:"10000" help:"Tokens to compare with. Default: ${default}." placeholder:"N"`
	Refreshes int `default:"4000" help:"Refreshes to measure with few and with all of them. Default: ${default}." placeholder:"N"`
}

// Help implements kong.HelpProvider.
func (c *benchScheduleCmd) Help() string {
	return `Server and authorization server run in processes of their own, on the loopback interface. A million tokens take minutes to store and ` +
		`some gigabytes of disk. docs/benchmarks.md says what is measured. The exit code is 1 if the run failed or a token was not ` +
		`refreshed; it is 0 whatever the figures are.`
}

// Run measures the schedule.
func (c *benchScheduleCmd) Run(ctx context.Context, s *session) error {
	host, err := c.host()
	if err != nil {
		return err
	}
	config := bench.ScheduleConfig{Host: host, Tokens: c.Tokens, Few: c.Few, Refreshes: c.Refreshes}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench schedule"}
	}
	result, err := bench.Schedule(ctx, config)
	if result == nil {
		return err
	}
	if printing := c.print(s.stdout, result, func(t table) { scheduleFigures(t, result) }); printing != nil {
		return printing
	}
	return err
}

func scheduleFigures(t table, r *bench.ScheduleResult) {
	t.row(fmt.Sprintf("%d refreshes, %s, %d cores", r.Refreshes, r.Store, r.Cores))
	t.row("  tokens", fmt.Sprint(r.Few.Tokens), fmt.Sprint(r.Many.Tokens))
	row := func(name, format string, of func(*bench.Stocked) float64) {
		t.row("  "+name, fmt.Sprintf(format, of(&r.Few)), fmt.Sprintf(format, of(&r.Many)))
	}
	row("ready after", "%.1f s", func(s *bench.Stocked) float64 { return s.ReadySeconds })
	row("CPU per 1,000", "%.3f s", func(s *bench.Stocked) float64 { return s.ServerCPU })
	row("refreshed", "%.0f/s", func(s *bench.Stocked) float64 { return s.RefreshesPerSecond })
	row("memory idle", "%.0f MiB", func(s *bench.Stocked) float64 { return s.IdleRSSMiB })
	row("memory at most", "%.0f MiB", func(s *bench.Stocked) float64 { return s.PeakRSSMiB })
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
	machineFigures(t, &r.Machine)
}

// benchIssuerCmd is a process of bench refresh and bench schedule.
type benchIssuerCmd struct{}

// Run serves until its input ends.
func (c *benchIssuerCmd) Run(ctx context.Context, s *session) error {
	return issuer.Run(ctx, s.stdin, s.stdout)
}
