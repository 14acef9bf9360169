package commands

import (
	"context"
	"fmt"

	"github.com/freshet-io/freshet/services/bench"
)

type benchProxyCmd struct {
	benchFlags
	Calls   int      `default:"5000" help:"Calls made one after the other, and in each of three rounds at the same time. Default: ${default}." placeholder:"N"`
	Callers int      `default:"32" help:"Callers at the same time. Default: ${default}." placeholder:"N"`
	Body    byteSize `default:"1KiB" help:"Size of a body. Default: ${default}." placeholder:"SIZE"`
}

// Help implements kong.HelpProvider.
func (c *benchProxyCmd) Help() string {
	return `Callers, server and API run in processes of their own, on the loopback interface. docs/benchmarks.md says what is measured. The ` +
		`exit code is 1 if the run failed; it is 0 whatever the figures are.`
}

// Run measures calls through the API proxy.
func (c *benchProxyCmd) Run(ctx context.Context, s *session) error {
	host, err := c.host()
	if err != nil {
		return err
	}
	config := bench.ProxyConfig{Host: host, Calls: c.Calls, Callers: c.Callers, BodyBytes: int(c.Body)}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench proxy"}
	}
	result, err := bench.Proxy(ctx, config)
	if err != nil {
		return err
	}
	return c.print(s.stdout, result, func(t table) { proxyFigures(t, result) })
}

func proxyFigures(t table, r *bench.ProxyResult) {
	t.row(fmt.Sprintf("%d calls with bodies of %d bytes, %d callers, %s, %d cores", r.Calls, r.BodyBytes, r.Callers, r.Store, r.Cores))
	t.row("  added", fmt.Sprintf("%.2f ms (p50)", r.AddedP50MS), fmt.Sprintf("%.2f ms (p99), target %.2f ms (p50)", r.AddedP99MS, r.AddedP50TargetMS))
	t.row("  direct", fmt.Sprintf("%.2f ms (p50)", r.DirectP50MS), fmt.Sprintf("%.2f ms (p99)", r.DirectP99MS))
	t.row("  calls", fmt.Sprintf("%.0f/s", r.CallsPerSecond), fmt.Sprintf("directly %.0f/s", r.DirectPerSecond))
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
	machineFigures(t, &r.Machine)
}
