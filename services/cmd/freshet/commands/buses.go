package commands

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type busesCmd struct {
	clientFlags
	List   busesListCmd   `cmd:"" help:"List the buses of the project, and what their events are."`
	Get    busesGetCmd    `cmd:"" help:"Show one bus."`
	Retain busesRetainCmd `cmd:"" help:"Say how long a bus keeps its history, and how much of it. What is not said is as the server is set to."`
}

// busArg names a bus.
type busArg struct {
	Bus string `arg:"" help:"Id of the bus, or its name projects/…/buses/…"`
}

// of is the bus's resource name.
func (a busArg) of(f *busesCmd) string { return f.name("buses", a.Bus) }

type busesListCmd struct{}

// Run lists buses.
func (c *busesListCmd) Run(ctx context.Context, s *session, f *busesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListBusesRequest{Parent: f.parent()}
	buses, err := pages(0, func(size int32, token string) ([]*deliveryv1.Bus, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.deliveries.ListBuses(ctx, request)
		return page.GetBuses(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "buses", buses)
	}
	t := newTable(s.stdout, "BUS", "BYTES", "AT MOST", "KEPT", "DEAD KEPT")
	for _, b := range buses {
		r := b.GetRetention()
		t.row(last(b.GetName()), strconv.FormatInt(b.GetSizeBytes(), 10), atMost(r), age(r.GetMaxAge()), age(r.GetDeadLetterMaxAge()))
	}
	return t.flush()
}

// atMost says what a bus's events may be together.
func atMost(r *deliveryv1.Retention) string {
	if n := r.GetMaxBytes(); n > 0 {
		return strconv.FormatInt(n, 10)
	}
	return "-"
}

// age says how long something is kept.
func age(d *durationpb.Duration) string {
	switch {
	case d == nil:
		return "as the server says"
	case d.AsDuration() == 0:
		return "for ever"
	}
	return d.AsDuration().String()
}

type busesGetCmd struct{ busArg }

// Run shows a bus.
func (c *busesGetCmd) Run(ctx context.Context, s *session, f *busesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.deliveries.GetBus(ctx, &deliveryv1.GetBusRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetBus())
}

func (f *busesCmd) show(s *session, b *deliveryv1.Bus) error {
	if f.Output == "json" {
		return printJSON(s.stdout, b)
	}
	r := b.GetRetention()
	t := newTable(s.stdout)
	t.property("Name", b.GetName())
	t.property("Description", b.GetDescription())
	t.property("Bytes", strconv.FormatInt(b.GetSizeBytes(), 10))
	t.property("At most", atMost(r))
	t.property("Kept", age(r.GetMaxAge()))
	t.property("Dead kept", age(r.GetDeadLetterMaxAge()))
	t.property("Changed", relative(b.GetUpdateTime(), s.now()))
	return t.flush()
}

type busesRetainCmd struct {
	busArg
	MaxAge        *time.Duration `help:"How long events are kept, and deliveries that SUCCEEDED or were CANCELLED; 0s for ever." placeholder:"TIME"`
	DeadLetterAge *time.Duration `name:"dead-letter-max-age" help:"The same for DEAD deliveries." placeholder:"TIME"`
	MaxBytes      int64          `help:"What the events may be together: beyond it the oldest go first. Default: no bound." placeholder:"N"`
}

// Run changes a bus's retention.
func (c *busesRetainCmd) Run(ctx context.Context, s *session, f *busesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	retention := &deliveryv1.Retention{MaxBytes: c.MaxBytes}
	if c.MaxAge != nil {
		retention.MaxAge = durationpb.New(*c.MaxAge)
	}
	if c.DeadLetterAge != nil {
		retention.DeadLetterMaxAge = durationpb.New(*c.DeadLetterAge)
	}
	answer, err := cl.deliveries.UpdateBus(ctx, &deliveryv1.UpdateBusRequest{
		Bus: &deliveryv1.Bus{Name: c.of(f), Retention: retention}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"retention"}},
	})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetBus())
}
