package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/bench"
)

type benchMatchCmd struct {
	Round  time.Duration `default:"500ms" help:"How long each number of rules is measured in a round. Default: ${default}." placeholder:"TIME"`
	Rounds int           `default:"5" help:"Rounds, of which the best counts. Default: ${default}." placeholder:"N"`
	JSON   bool          `name:"json" help:"Print the result as a last line of JSON."`
}

// Help implements kong.HelpProvider.
func (c *benchMatchCmd) Help() string {
	return `Runs in this process, on one core. docs/benchmarks.md says what is measured. The exit code is 1 if the run failed; it is 0 ` +
		`whatever the figures are.`
}

// Run measures matching.
func (c *benchMatchCmd) Run(ctx context.Context, s *session) error {
	config := bench.MatchConfig{Round: c.Round, Rounds: c.Rounds}
	if err := config.Validate(); err != nil {
		return &usageError{err: err, command: "bench match"}
	}
	result, err := bench.Match(ctx, config)
	if err != nil {
		return err
	}
	flags := benchFlags{JSON: c.JSON}
	return flags.print(s.stdout, result, func(t table) { matchFigures(t, result) })
}

func matchFigures(t table, r *bench.MatchResult) {
	t.row(fmt.Sprintf("events of %d bytes, each matching one rule, one of %d cores", r.EventBytes, r.Cores))
	for _, rate := range r.Rates {
		t.row(fmt.Sprintf("  %d rules", rate.Rules), fmt.Sprintf("%.0f events/s", rate.EventsPerSecond))
	}
	t.row("  ratio", fmt.Sprintf("%.2f", r.Ratio), fmt.Sprintf("target %.2f", r.Target))
}
