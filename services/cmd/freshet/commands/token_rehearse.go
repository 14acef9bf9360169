package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/rehearse"
)

type tokenRehearseCmd struct {
	tokenArg
	Class  []string      `help:"Failures to rehearse, in this order: NOT_SENT, THROTTLED, AMBIGUOUS, CLIENT_BROKEN, CONFIGURATION, GRANT_DEAD, OURS. Default: all that the connection can meet." placeholder:"CLASS,…"`
	Window time.Duration `default:"20s" help:"Life that is simulated for a generation: a step takes about half of it. Default: ${default}." placeholder:"TIME"`
	Wait   time.Duration `default:"15s" help:"How long a next generation is waited for after the former one expired. Default: ${default}." placeholder:"TIME"`
	Plan   bool          `help:"Only say what would be done."`
	Yes    bool          `help:"Go on although the provider ends old tokens, or allows few token requests."`
}

// Help implements kong.HelpProvider.
func (c *tokenRehearseCmd) Help() string {
	return `Each step shortens the life of the token at hand by simulation; all but the first have its refreshes fail by simulation, without a ` +
		`request. Then the refresh is let through: one real token request a step. Meanwhile the token is watched as its consumers watch it.

Exit code 1 if a consumer would have been without a valid token. Whatever happens, also on interrupt, the token gets its own expiry back.`
}

// Run rehearses.
func (c *tokenRehearseCmd) Run(ctx context.Context, s *session, f *tokenCmd) error {
	classes, err := c.classes()
	if err != nil {
		return err
	}
	if c.Window < time.Second || c.Window > time.Hour {
		return usagef("--window: %s is not within 1s to 1h", c.Window)
	}
	cl, err := f.connect(s, roleToken, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	plan, err := rehearse.Prepare(ctx, rehearse.Clients{
		Connections: cl.connections, Providers: cl.providers, Tokens: cl.tokens, Rehearsals: cl.rehearsals,
	}, rehearse.Options{Token: c.name(&f.clientFlags), Classes: classes, Window: c.Window, Patience: c.Wait, Now: s.now})
	if err != nil {
		return err
	}
	if c.Plan || len(plan.Concerns) > 0 && !c.Yes {
		if err := printPlan(s, f.Output, plan); err != nil || c.Plan {
			return err
		}
		return usagef("--yes is needed: %s", strings.Join(plan.Concerns, "; "))
	}
	return c.rehearse(ctx, s, f.Output, plan)
}

func (c *tokenRehearseCmd) rehearse(ctx context.Context, s *session, output string, plan *rehearse.Plan) error {
	line := func(cells ...any) { _, _ = fmt.Fprintf(s.stdout, "%-14s %8s  %-10s  %9s  %13s  %8s  %s\n", cells...) }
	if output != "json" {
		line("STEP", "TOOK", "GENERATION", "LEAD", "WITHOUT TOKEN", "HELD", "SEEN")
	}
	report, err := plan.Run(ctx, func(step rehearse.Step) {
		if output != "json" {
			line(step.Name, tenths(step.Took), fmt.Sprintf("%d → %d", step.From, step.To), tenths(step.Lead), tenths(step.Without), tenths(step.Held),
				printable(saw(step)))
		}
	})
	if report != nil {
		if printed := printRehearsal(s, output, report); printed != nil {
			return errors.Join(err, printed)
		}
	}
	if err != nil {
		return err
	}
	if !report.OK() {
		return errReported
	}
	return nil
}

func (c *tokenRehearseCmd) classes() ([]tokenv1.FailureClass, error) {
	var classes []tokenv1.FailureClass
	for _, text := range c.Class {
		number, err := enumValue("--class", text, tokenv1.FailureClass_value)
		if err != nil {
			return nil, err
		}
		classes = append(classes, tokenv1.FailureClass(number))
	}
	return classes, nil
}

func printPlan(s *session, output string, plan *rehearse.Plan) error {
	names := []string{"EXPIRY"}
	for _, class := range plan.Classes {
		names = append(names, class.String())
	}
	if output == "json" {
		text, err := json.Marshal(map[string]any{
			"token": plan.Token, "steps": names, "windowSeconds": plan.Window.Seconds(), "tokenRequests": plan.Requests, "concerns": plan.Concerns,
		})
		if err != nil {
			return err
		}
		return printIndented(s.stdout, text)
	}
	t := newTable(s.stdout)
	t.property("Token", plan.Token)
	t.property("Steps", strings.Join(names, ", "))
	t.property("Takes about", span(time.Duration(len(names))*plan.Window*3/4))
	t.property("Token requests", fmt.Sprint(plan.Requests))
	for _, concern := range plan.Concerns {
		t.property("Consider", concern)
	}
	return t.flush()
}

// saw is what of a step deserves to be told.
func saw(step rehearse.Step) string {
	var parts []string
	for i, o := range step.Saw {
		text := o.State
		if o.Reason != "" {
			text += " " + o.Reason
		}
		if o.Health != "" {
			text += " " + o.Health
		}
		if len(parts) == 0 || i > 0 && parts[len(parts)-1] != text {
			parts = append(parts, text)
		}
	}
	if step.Problem != "" {
		parts = append(parts, step.Problem)
	}
	if step.Restored {
		parts = append(parts, "the token got its own expiry back")
	}
	return strings.Join(parts, ", ")
}

func tenths(d rehearse.Seconds) string { return fmt.Sprintf("%.1fs", time.Duration(d).Seconds()) }

func printRehearsal(s *session, output string, report *rehearse.Report) error {
	if output == "json" {
		text, err := json.Marshal(report)
		if err != nil {
			return err
		}
		return printIndented(s.stdout, text)
	}
	verdict := fmt.Sprintf("Consumers had a valid token all the time, in %s.", plural(len(report.Steps), "step"))
	switch {
	case report.Without > 0:
		verdict = fmt.Sprintf("Consumers would have been without a valid token for %s.", tenths(report.Without))
	case report.Interrupted:
		verdict = "Interrupted; until then consumers had a valid token all the time."
	case !report.OK():
		verdict = "The rehearsal did not go to its end."
	}
	left := " Nothing simulated is left."
	if !report.Clean {
		left = " Simulations may be left: see the error."
	}
	_, err := fmt.Fprintln(s.stdout, verdict+left)
	return err
}
