package commands

import (
	"context"
	"fmt"

	"github.com/freshet-io/freshet/services/bench"
)

type benchIsolationCmd struct {
	benchFlags
	Events  int      `default:"1000" help:"Events put at 100 a second beside each state of the other destination. Default: ${default}." placeholder:"N"`
	Waiting int      `default:"10000" help:"Deliveries of the other destination that are queued before. Default: ${default}." placeholder:"N"`
	Body    byteSize `default:"1KiB" help:"Size of a body. Default: ${default}." placeholder:"SIZE"`
}

// Help implements kong.HelpProvider.
func (c *benchIsolationCmd) Help() string {
	return `Load, server and sink run in processes of their own, on the loopback interface. docs/benchmarks.md says what is measured. The exit ` +
		`code is 1 if the run failed or an acknowledged event was not delivered; it is 0 whatever the figures are.`
}

// Run measures deliveries beside trouble.
func (c *benchIsolationCmd) Run(ctx context.Context, s *session) error {
	host, err := c.host()
	if err != nil {
		return err
	}
	config := bench.IsolationConfig{Host: host, Events: c.Events, Waiting: c.Waiting, BodyBytes: int(c.Body)}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench isolation"}
	}
	result, err := bench.Isolation(ctx, config)
	if err != nil {
		return err
	}
	return c.print(s.stdout, result, func(t table) { isolationFigures(t, result) })
}

func isolationFigures(t table, r *bench.IsolationResult) {
	t.row(fmt.Sprintf("%d events of %d bytes at %d/s to one destination, beside another with %d waiting, %s, %d cores",
		r.Events, r.BodyBytes, r.PerSecond, r.Waiting, r.Store, r.Cores))
	for _, b := range r.Beside {
		t.row("  "+b.State, fmt.Sprintf("%.1f ms (p50)", b.P50MS), fmt.Sprintf("%.1f ms (p99) from put to arrival", b.P99MS))
	}
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
	machineFigures(t, &r.Machine)
}
