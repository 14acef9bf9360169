package commands

import (
	"context"
	"strconv"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type destinationsCmd struct {
	clientFlags
	List   destinationsListCmd   `cmd:"" help:"List destinations and their states."`
	Get    destinationsGetCmd    `cmd:"" help:"Show one destination and what waits for it."`
	Pause  destinationsPauseCmd  `cmd:"" help:"Hold a destination's deliveries."`
	Resume destinationsResumeCmd `cmd:"" help:"Let a destination's deliveries go on: end a pause, close an open circuit."`
	Keys   signingKeysCmd        `cmd:"" name:"signing-keys" help:"Keys that sign what a destination is sent."`
}

// destinationArg names a destination.
type destinationArg struct {
	Destination string `arg:"" help:"Id of the destination, or its name projects/…/destinations/…"`
}

type destinationsListCmd struct {
	Limit int `default:"100" help:"At most so many; 0 for all. Default: ${default}." placeholder:"N"`
}

// Run lists destinations.
func (c *destinationsListCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListDestinationsRequest{Parent: f.parent()}
	destinations, err := pages(c.Limit, func(size int32, token string) ([]*deliveryv1.Destination, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.deliveries.ListDestinations(ctx, request)
		return page.GetDestinations(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "destinations", destinations)
	}
	t := newTable(s.stdout, "DESTINATION", "STATE", "CONNECTION", "RATE", "METHOD", "ENDPOINT")
	for _, d := range destinations {
		t.row(last(d.GetName()), d.GetState().String(), last(d.GetConnection()), rate(d), d.GetHttpMethod().String(), d.GetEndpoint())
	}
	return t.flush()
}

type destinationsGetCmd struct{ destinationArg }

// Run shows one destination.
func (c *destinationsGetCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("destinations", c.Destination)
	answer, err := cl.deliveries.GetDestination(ctx, &deliveryv1.GetDestinationRequest{Name: name})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, answer.GetDestination())
	}
	backlog, err := cl.controls.GetDestinationBacklog(ctx, &deliveryv1.GetDestinationBacklogRequest{Name: name})
	if err != nil {
		return err
	}
	return f.showDestination(s, answer.GetDestination(), backlog.GetBacklog())
}

type destinationsPauseCmd struct {
	destinationArg
	Reason string `help:"Why, for whoever looks." placeholder:"TEXT"`
}

// Run pauses a destination.
func (c *destinationsPauseCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.controls.PauseDestination(ctx, &deliveryv1.PauseDestinationRequest{
		Name: f.name("destinations", c.Destination), Reason: c.Reason,
	})
	if err != nil {
		return err
	}
	return f.showDestination(s, answer.GetDestination(), nil)
}

type destinationsResumeCmd struct{ destinationArg }

// Run resumes a destination.
func (c *destinationsResumeCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.controls.ResumeDestination(ctx, &deliveryv1.ResumeDestinationRequest{Name: f.name("destinations", c.Destination)})
	if err != nil {
		return err
	}
	return f.showDestination(s, answer.GetDestination(), nil)
}

// showDestination prints a destination, and what waits for it where that is known.
func (f *clientFlags) showDestination(s *session, d *deliveryv1.Destination, b *deliveryv1.DestinationBacklog) error {
	if f.Output == "json" {
		return printJSON(s.stdout, d)
	}
	t := newTable(s.stdout)
	t.property("Name", d.GetName())
	t.property("Description", d.GetDescription())
	t.property("State", d.GetState().String())
	if p := d.GetPause(); p != nil {
		t.property("Paused", relative(p.GetPauseTime(), s.now()))
		t.property("Reason", p.GetReason())
	}
	if c := d.GetCircuit(); c != nil {
		t.property("Circuit", c.GetState().String())
		t.property("Opened", relative(c.GetOpenTime(), s.now()))
		t.property("Failure", c.GetReason())
		t.property("Next probe", relative(c.GetNextProbeTime(), s.now()))
	}
	t.property("Connection", d.GetConnection())
	t.property("Endpoint", d.GetHttpMethod().String()+" "+d.GetEndpoint())
	t.property("Rate", rate(d))
	t.property("Concurrency", strconv.Itoa(int(d.GetMaxConcurrency())))
	t.property("Timeout", span(d.GetTimeout().AsDuration()))
	if b != nil {
		more := ""
		if b.GetMoreWaiting() {
			more = " or more"
		}
		t.property("Waiting", plural(int(b.GetWaitingCount()), "delivery")+more)
		t.property("In memory", plural(int(b.GetInMemoryCount()), "delivery"))
		t.property("Oldest due", relative(b.GetOldestDueTime(), s.now()))
	}
	return t.flush()
}

func rate(d *deliveryv1.Destination) string {
	if d.GetUnlimitedRate() {
		return "unlimited"
	}
	return strconv.Itoa(int(d.GetRateLimitPerSecond())) + "/s"
}
