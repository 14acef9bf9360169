package commands

import (
	"context"
	"fmt"
	"strconv"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type redrivesCmd struct {
	clientFlags
	List   redrivesListCmd   `cmd:"" help:"List redrives."`
	Get    redrivesGetCmd    `cmd:"" help:"Show one redrive and its progress."`
	Create redrivesCreateCmd `cmd:"" help:"Start dead deliveries anew, at a rate."`
	Pause  redrivesPauseCmd  `cmd:"" help:"Hold a redrive."`
	Resume redrivesResumeCmd `cmd:"" help:"Let a redrive go on that was held."`
	Cancel redrivesCancelCmd `cmd:"" help:"End a redrive before its time."`
	Delete redrivesDeleteCmd `cmd:"" help:"Forget a redrive that has ended."`
}

// redriveArg names a redrive.
type redriveArg struct {
	Redrive string `arg:"" help:"Id of the redrive, or its name projects/…/redrives/…"`
}

// call makes a call about one redrive and shows it.
func (a redriveArg) call(s *session, f *redrivesCmd, do func(cl *client, name string) (*deliveryv1.Redrive, error)) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	r, err := do(cl, f.name("redrives", a.Redrive))
	if err != nil {
		return err
	}
	return f.show(s, r)
}

type redrivesListCmd struct{}

// Run lists redrives.
func (c *redrivesListCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListRedrivesRequest{Parent: f.parent()}
	redrives, err := pages(0, func(size int32, token string) ([]*deliveryv1.Redrive, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.redrives.ListRedrives(ctx, request)
		return page.GetRedrives(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "redrives", redrives)
	}
	t := newTable(s.stdout, "REDRIVE", "STATE", "DONE", "STARTED", "SKIPPED", "FILTER")
	for _, r := range redrives {
		t.row(last(r.GetName()), r.GetState().String(), percent(r.GetProgressPercent()), strconv.FormatInt(r.GetRedrivenCount(), 10),
			strconv.FormatInt(r.GetSkippedCount(), 10), orDash(r.GetFilter()))
	}
	return t.flush()
}

type redrivesGetCmd struct {
	redriveArg
	Follow bool `help:"Print its progress every second until it has ended."`
}

// Run shows a redrive.
func (c *redrivesGetCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	return c.call(s, f, func(cl *client, name string) (*deliveryv1.Redrive, error) {
		if c.Follow {
			return follow(ctx, s, cl, name)
		}
		answer, err := cl.redrives.GetRedrive(ctx, &deliveryv1.GetRedriveRequest{Name: name})
		return answer.GetRedrive(), err
	})
}

// follow prints a line each second and returns a redrive that has ended.
func follow(ctx context.Context, s *session, cl *client, name string) (*deliveryv1.Redrive, error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer, err := cl.redrives.GetRedrive(ctx, &deliveryv1.GetRedriveRequest{Name: name})
		r := answer.GetRedrive()
		if err != nil || r.GetFinishTime() != nil {
			return r, err
		}
		if _, err := fmt.Fprintf(s.stderr, "%s %s, %s started, through %s\n", r.GetState(), percent(r.GetProgressPercent()),
			plural(int(r.GetRedrivenCount()), "delivery"), orDash(relative(r.GetEstimatedFinishTime(), s.now()))); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

func (f *redrivesCmd) show(s *session, r *deliveryv1.Redrive) error {
	if f.Output == "json" {
		return printJSON(s.stdout, r)
	}
	t := newTable(s.stdout)
	t.property("Name", r.GetName())
	t.property("Description", r.GetDescription())
	t.property("State", r.GetState().String())
	t.property("Reason", r.GetStateReason())
	t.property("Filter", r.GetFilter())
	t.property("To", r.GetDestination())
	t.property("Rate", strconv.Itoa(int(r.GetDeliveriesPerSecond()))+"/s")
	t.property("Done", percent(r.GetProgressPercent()))
	t.property("Started", strconv.FormatInt(r.GetRedrivenCount(), 10))
	t.property("Skipped", strconv.FormatInt(r.GetSkippedCount(), 10))
	t.property("Total", strconv.FormatInt(r.GetTotalCount(), 10))
	t.property("Through", relative(r.GetEstimatedFinishTime(), s.now()))
	t.property("Created", relative(r.GetCreateTime(), s.now()))
	t.property("Ended", relative(r.GetFinishTime(), s.now()))
	return t.flush()
}

type redrivesCreateCmd struct {
	redriveArg
	Filter         string `help:"Which dead deliveries, as in deliveries list. Default: all." placeholder:"FILTER"`
	Destination    string `help:"Send them to this destination instead." placeholder:"DESTINATION"`
	CurrentTargets bool   `help:"Shape them by their rules as those are now."`
	Rate           int32  `help:"At most so many in a second. Default: 100." placeholder:"N"`
	Description    string `help:"For people." placeholder:"TEXT"`
	DryRun         bool   `help:"Only count them."`
	Follow         bool   `help:"Print its progress every second until it has ended."`
}

// Run starts a redrive.
func (c *redrivesCreateCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	redrive := &deliveryv1.Redrive{
		Description: c.Description, Filter: c.Filter, UseCurrentTargets: c.CurrentTargets, DeliveriesPerSecond: c.Rate,
	}
	if c.Destination != "" {
		redrive.Destination = f.name("destinations", c.Destination)
	}
	return c.call(s, f, func(cl *client, name string) (*deliveryv1.Redrive, error) {
		answer, err := cl.redrives.CreateRedrive(ctx, &deliveryv1.CreateRedriveRequest{
			Parent: f.parent(), RedriveId: last(name), Redrive: redrive, ValidateOnly: c.DryRun,
		})
		if err != nil || c.DryRun || !c.Follow {
			return answer.GetRedrive(), err
		}
		return follow(ctx, s, cl, answer.GetRedrive().GetName())
	})
}

type redrivesPauseCmd struct{ redriveArg }

// Run pauses a redrive.
func (c *redrivesPauseCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	return c.call(s, f, func(cl *client, name string) (*deliveryv1.Redrive, error) {
		answer, err := cl.redrives.PauseRedrive(ctx, &deliveryv1.PauseRedriveRequest{Name: name})
		return answer.GetRedrive(), err
	})
}

type redrivesResumeCmd struct{ redriveArg }

// Run resumes a redrive.
func (c *redrivesResumeCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	return c.call(s, f, func(cl *client, name string) (*deliveryv1.Redrive, error) {
		answer, err := cl.redrives.ResumeRedrive(ctx, &deliveryv1.ResumeRedriveRequest{Name: name})
		return answer.GetRedrive(), err
	})
}

type redrivesCancelCmd struct{ redriveArg }

// Run cancels a redrive.
func (c *redrivesCancelCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	return c.call(s, f, func(cl *client, name string) (*deliveryv1.Redrive, error) {
		answer, err := cl.redrives.CancelRedrive(ctx, &deliveryv1.CancelRedriveRequest{Name: name})
		return answer.GetRedrive(), err
	})
}

type redrivesDeleteCmd struct{ redriveArg }

// Run forgets a redrive.
func (c *redrivesDeleteCmd) Run(ctx context.Context, s *session, f *redrivesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("redrives", c.Redrive)
	if _, err := cl.redrives.DeleteRedrive(ctx, &deliveryv1.DeleteRedriveRequest{Name: name}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", last(name))
	return err
}
