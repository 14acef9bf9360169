package commands

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery/schedule"
)

type schedulesCmd struct {
	clientFlags
	Bus     string              `default:"default" help:"Bus of the schedules. Default: ${default}." placeholder:"BUS"`
	Next    schedulesNextCmd    `cmd:"" help:"Tell when an expression comes due, without a server."`
	List    schedulesListCmd    `cmd:"" help:"List the schedules of a bus."`
	Get     schedulesGetCmd     `cmd:"" help:"Show one schedule."`
	Create  schedulesCreateCmd  `cmd:"" help:"Create a schedule: an event that is put on the bus when its time comes."`
	Enable  schedulesEnableCmd  `cmd:"" help:"Let a schedule work again, from now on."`
	Disable schedulesDisableCmd `cmd:"" help:"Stop a schedule until it is enabled."`
	Delete  schedulesDeleteCmd  `cmd:"" help:"Delete a schedule."`
}

// scheduleArg names a schedule.
type scheduleArg struct {
	Schedule string `arg:"" help:"Id of the schedule, or its name projects/…/buses/…/schedules/…"`
}

// of is the schedule's resource name.
func (a scheduleArg) of(f *schedulesCmd) string {
	return f.name("buses/"+f.Bus+"/schedules", a.Schedule)
}

type schedulesNextCmd struct {
	Expression string    `arg:"" help:"rate(5 minutes), cron(0 9 ? * MON-FRI *) or at(2027-01-31T09:00:00)."`
	TimeZone   string    `help:"Where cron and at are read, Europe/Berlin for instance. Default: UTC." placeholder:"ZONE"`
	After      time.Time `help:"Times after this one (RFC 3339), at which a rate begins. Default: now." placeholder:"TIME"`
	Count      int       `default:"5" help:"So many times. Default: ${default}." placeholder:"N"`
}

// Run prints times, a line each.
func (c *schedulesNextCmd) Run(s *session) error {
	expression, err := schedule.Parse(c.Expression)
	if err != nil {
		return &usageError{err: err}
	}
	zone, err := schedule.Zone(c.TimeZone)
	if err != nil {
		return &usageError{err: err}
	}
	at := c.After
	if at.IsZero() {
		at = s.now().Truncate(time.Second)
	}
	anchor := at
	for range c.Count {
		next, ok := expression.Next(at, anchor, zone)
		if !ok {
			break
		}
		if _, err := fmt.Fprintln(s.stdout, next.In(zone).Format(time.RFC3339)); err != nil {
			return err
		}
		at = next
	}
	return nil
}

type schedulesListCmd struct{}

// Run lists schedules.
func (c *schedulesListCmd) Run(ctx context.Context, s *session, f *schedulesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListSchedulesRequest{Parent: f.name("buses", f.Bus)}
	schedules, err := pages(0, func(size int32, token string) ([]*deliveryv1.Schedule, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.schedules.ListSchedules(ctx, request)
		return page.GetSchedules(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "schedules", schedules)
	}
	t := newTable(s.stdout, "SCHEDULE", "STATE", "EXPRESSION", "TIME ZONE", "LAST", "NEXT")
	for _, x := range schedules {
		t.row(last(x.GetName()), x.GetState().String(), x.GetExpression(), x.GetTimeZone(), relative(x.GetLastRunTime(), s.now()),
			relative(x.GetNextRunTime(), s.now()))
	}
	return t.flush()
}

type schedulesGetCmd struct{ scheduleArg }

// Run shows a schedule.
func (c *schedulesGetCmd) Run(ctx context.Context, s *session, f *schedulesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.schedules.GetSchedule(ctx, &deliveryv1.GetScheduleRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetSchedule())
}

func (f *schedulesCmd) show(s *session, x *deliveryv1.Schedule) error {
	if f.Output == "json" {
		return printJSON(s.stdout, x)
	}
	t := newTable(s.stdout)
	t.property("Name", x.GetName())
	t.property("Description", x.GetDescription())
	t.property("State", x.GetState().String())
	t.property("Expression", x.GetExpression())
	t.property("Time zone", x.GetTimeZone())
	t.property("Start", clockTime(x.GetStartTime()))
	t.property("End", clockTime(x.GetEndTime()))
	t.property("Missed runs", x.GetMissedRuns().String())
	t.property("Event", x.GetEvent().GetSource()+" "+x.GetEvent().GetDetailType())
	t.property("Detail", x.GetEvent().GetDetail())
	t.property("Last run", clockTime(x.GetLastRunTime()))
	t.property("Next run", clockTime(x.GetNextRunTime()))
	return t.flush()
}

// clockTime is a time in RFC 3339; empty for none.
func clockTime(at *timestamppb.Timestamp) string {
	if at == nil {
		return ""
	}
	return at.AsTime().Format(time.RFC3339)
}

type schedulesCreateCmd struct {
	Schedule    string    `arg:"" help:"Id of the new schedule."`
	Expression  string    `arg:"" help:"rate(5 minutes), cron(0 9 ? * MON-FRI *) or at(2027-01-31T09:00:00)."`
	Source      string    `required:"" help:"Source of the event." placeholder:"SOURCE"`
	DetailType  string    `required:"" help:"Detail type of the event." placeholder:"TYPE"`
	Detail      string    `default:"{}" help:"Detail of the event, a JSON object; may hold <scheduled-time>, <execution-id> and <schedule-name>. Default: ${default}." placeholder:"JSON"`
	TimeZone    string    `help:"Where cron and at are read, Europe/Berlin for instance. Default: UTC." placeholder:"ZONE"`
	Start       time.Time `help:"Nothing comes due before (RFC 3339)." placeholder:"TIME"`
	End         time.Time `help:"Nothing comes due after (RFC 3339)." placeholder:"TIME"`
	MissedRuns  string    `help:"What happens to times that pass while nothing runs: SKIP, FIRE_ONCE (default) or FIRE_ALL." placeholder:"POLICY"`
	Description string    `help:"For people." placeholder:"TEXT"`
}

// Run creates a schedule.
func (c *schedulesCreateCmd) Run(ctx context.Context, s *session, f *schedulesCmd) error {
	missed, err := enumValue("--missed-runs", c.MissedRuns, deliveryv1.Schedule_MissedRuns_value)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.schedules.CreateSchedule(ctx, &deliveryv1.CreateScheduleRequest{
		Parent: f.name("buses", f.Bus), ScheduleId: c.Schedule, Schedule: &deliveryv1.Schedule{
			Description: c.Description, Expression: c.Expression, TimeZone: c.TimeZone, StartTime: givenTime(c.Start), EndTime: givenTime(c.End),
			MissedRuns: deliveryv1.Schedule_MissedRuns(missed),
			Event:      &deliveryv1.ScheduledEvent{Source: c.Source, DetailType: c.DetailType, Detail: c.Detail},
		},
	})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetSchedule())
}

func givenTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

type schedulesEnableCmd struct{ scheduleArg }

// Run enables a schedule.
func (c *schedulesEnableCmd) Run(ctx context.Context, s *session, f *schedulesCmd) error {
	return f.setState(ctx, s, c.of(f), deliveryv1.Schedule_ENABLED)
}

type schedulesDisableCmd struct{ scheduleArg }

// Run disables a schedule.
func (c *schedulesDisableCmd) Run(ctx context.Context, s *session, f *schedulesCmd) error {
	return f.setState(ctx, s, c.of(f), deliveryv1.Schedule_DISABLED)
}

// setState changes a schedule's state.
func (f *schedulesCmd) setState(ctx context.Context, s *session, name string, state deliveryv1.Schedule_State) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.schedules.UpdateSchedule(ctx, &deliveryv1.UpdateScheduleRequest{
		Schedule: &deliveryv1.Schedule{Name: name, State: state}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
	})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetSchedule())
}

type schedulesDeleteCmd struct {
	scheduleArg
	Etag string `help:"Delete it only if its etag is still this one." placeholder:"ETAG"`
}

// Run deletes a schedule.
func (c *schedulesDeleteCmd) Run(ctx context.Context, s *session, f *schedulesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	if _, err := cl.schedules.DeleteSchedule(ctx, &deliveryv1.DeleteScheduleRequest{Name: c.of(f), Etag: c.Etag}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", c.Schedule)
	return err
}
