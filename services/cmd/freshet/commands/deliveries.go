package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type deliveriesCmd struct {
	clientFlags
	List    deliveriesListCmd    `cmd:"" help:"List deliveries, newest first."`
	Get     deliveriesGetCmd     `cmd:"" help:"Show one delivery with its attempts."`
	Redrive deliveriesRedriveCmd `cmd:"" help:"Start dead deliveries anew: those that are named, or those that a filter selects."`
}

type deliveriesListCmd struct {
	Filter      string `help:"Which, for instance: state = DEAD AND create_time > \"2026-01-31T00:00:00Z\"" placeholder:"FILTER"`
	State       string `help:"Only those in this state, DEAD for instance." placeholder:"STATE"`
	Destination string `help:"Only those for this destination." placeholder:"DESTINATION"`
	Limit       int    `default:"100" help:"At most so many; 0 for all. Default: ${default}." placeholder:"N"`
}

// Run lists deliveries.
func (c *deliveriesListCmd) Run(ctx context.Context, s *session, f *deliveriesCmd) error {
	filter, err := c.filter(&f.clientFlags)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListDeliveriesRequest{Parent: f.parent(), Filter: filter}
	deliveries, err := pages(c.Limit, func(size int32, token string) ([]*deliveryv1.Delivery, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.deliveries.ListDeliveries(ctx, request)
		return page.GetDeliveries(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "deliveries", deliveries)
	}
	t := newTable(s.stdout, "DELIVERY", "STATE", "CREATED", "ATTEMPTS", "DESTINATION", "DETAIL TYPE", "NEXT")
	for _, d := range deliveries {
		next := relative(d.GetNextAttemptTime(), s.now())
		if d.GetErrorCode() != deliveryv1.Delivery_ERROR_CODE_UNSPECIFIED {
			next = d.GetErrorCode().String() + ": " + d.GetErrorMessage()
		}
		t.row(last(d.GetName()), d.GetState().String(), relative(d.GetCreateTime(), s.now()), strconv.Itoa(int(d.GetAttemptCount())),
			last(d.GetDestination()), d.GetEvent().GetDetailType(), next)
	}
	return t.flush()
}

// filter joins what the flags ask for.
func (c *deliveriesListCmd) filter(f *clientFlags) (string, error) {
	if _, err := enumValue("--state", c.State, deliveryv1.Delivery_State_value); err != nil {
		return "", err
	}
	var parts []string
	if c.State != "" {
		parts = append(parts, "state = "+strings.ToUpper(c.State))
	}
	if c.Destination != "" {
		parts = append(parts, "destination = "+strconv.Quote(f.name("destinations", c.Destination)))
	}
	if c.Filter != "" {
		parts = append(parts, c.Filter)
	}
	return strings.Join(parts, " AND "), nil
}

type deliveriesGetCmd struct {
	Delivery string `arg:"" help:"Id of the delivery, or its name projects/…/deliveries/…"`
}

// Run shows one delivery.
func (c *deliveriesGetCmd) Run(ctx context.Context, s *session, f *deliveriesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.deliveries.GetDelivery(ctx, &deliveryv1.GetDeliveryRequest{Name: f.name("deliveries", c.Delivery)})
	if err != nil {
		return err
	}
	return f.showDelivery(s, answer.GetDelivery())
}

type deliveriesRedriveCmd struct {
	Deliveries []string `arg:"" optional:"" name:"delivery" help:"Ids of deliveries, or names projects/…/deliveries/…"`
	Filter     *string  `help:"Instead of naming them: every DEAD delivery that the filter selects; an empty one selects all." placeholder:"FILTER"`
	Limit      int32    `default:"10000" help:"With --filter: at most so many, up to ${default}." placeholder:"N"`
	DryRun     bool     `help:"With --filter: only count them."`
	To         string   `help:"Send those that are named to this destination instead." placeholder:"DESTINATION"`
	Body       *string  `help:"Send this body instead." placeholder:"TEXT"`
	MergePatch string   `help:"Change the body by this JSON merge patch (RFC 7396)." placeholder:"JSON"`
}

// Run starts deliveries anew.
func (c *deliveriesRedriveCmd) Run(ctx context.Context, s *session, f *deliveriesCmd) error {
	switch {
	case (c.Filter != nil) == (len(c.Deliveries) > 0):
		return usagef("give either deliveries or --filter")
	case c.Filter != nil && (c.To != "" || c.Body != nil || c.MergePatch != ""):
		return usagef("--to, --body and --merge-patch go with named deliveries; freshet redrives sends many elsewhere")
	case c.Filter == nil && c.DryRun:
		return usagef("--dry-run goes with --filter")
	}
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	if c.Filter != nil {
		return c.many(ctx, s, f, cl)
	}
	redriven := []*deliveryv1.Delivery{}
	var failed error
	for _, delivery := range c.Deliveries {
		request := &deliveryv1.RedriveDeliveryRequest{Name: f.name("deliveries", delivery), Body: c.Body, MergePatch: c.MergePatch}
		if c.To != "" {
			request.Destination = f.name("destinations", c.To)
		}
		answer, err := cl.deliveries.RedriveDelivery(ctx, request)
		if err != nil {
			failed = fmt.Errorf("%s: %w", delivery, err)
			break
		}
		redriven = append(redriven, answer.GetDelivery())
	}
	if f.Output == "json" {
		if err := printJSONList(s.stdout, "deliveries", redriven); err != nil {
			return err
		}
		return failed
	}
	for _, d := range redriven {
		if _, err := fmt.Fprintf(s.stdout, "%s is %s\n", last(d.GetName()), d.GetState()); err != nil {
			return err
		}
	}
	return failed
}

func (c *deliveriesRedriveCmd) many(ctx context.Context, s *session, f *deliveriesCmd, cl *client) error {
	answer, err := cl.deliveries.RedriveDeliveries(ctx, &deliveryv1.RedriveDeliveriesRequest{
		Parent: f.parent(), Filter: *c.Filter, MaxCount: c.Limit, ValidateOnly: c.DryRun,
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, answer)
	}
	verb := "started anew"
	if c.DryRun {
		verb = "would be started anew"
	}
	text := plural(int(answer.GetRedrivenCount()), "delivery") + " " + verb
	if answer.GetRedrivenCount() == c.Limit {
		text += "; there may be more, repeat the command for them"
	}
	_, err = fmt.Fprintln(s.stdout, text)
	return err
}
