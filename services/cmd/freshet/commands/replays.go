package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type replaysCmd struct {
	clientFlags
	List   replaysListCmd   `cmd:"" help:"List replays."`
	Get    replaysGetCmd    `cmd:"" help:"Show one replay and its progress."`
	Create replaysCreateCmd `cmd:"" help:"Put events of an archive, or of a bus's history, on their bus again."`
	Cancel replaysCancelCmd `cmd:"" help:"End a replay before its time."`
	Delete replaysDeleteCmd `cmd:"" help:"Forget a replay that has ended."`
}

// replayArg names a replay.
type replayArg struct {
	Replay string `arg:"" help:"Id of the replay, or its name projects/…/replays/…"`
}

type replaysListCmd struct{}

// Run lists replays.
func (c *replaysListCmd) Run(ctx context.Context, s *session, f *replaysCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListReplaysRequest{Parent: f.parent()}
	replays, err := pages(0, func(size int32, token string) ([]*deliveryv1.Replay, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.replays.ListReplays(ctx, request)
		return page.GetReplays(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "replays", replays)
	}
	t := newTable(s.stdout, "REPLAY", "STATE", "DONE", "EVENTS", "DELIVERIES", "SOURCE")
	for _, r := range replays {
		t.row(last(r.GetName()), r.GetState().String(), percent(r.GetProgressPercent()), strconv.FormatInt(r.GetReplayedEventCount(), 10),
			strconv.FormatInt(r.GetDeliveryCount(), 10), r.GetSource())
	}
	return t.flush()
}

func percent(n int32) string { return strconv.Itoa(int(n)) + " %" }

type replaysGetCmd struct {
	replayArg
	Follow bool `help:"Print its progress every second until it has ended."`
}

// Run shows a replay.
func (c *replaysGetCmd) Run(ctx context.Context, s *session, f *replaysCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("replays", c.Replay)
	if c.Follow {
		return f.follow(ctx, s, cl, name)
	}
	answer, err := cl.replays.GetReplay(ctx, &deliveryv1.GetReplayRequest{Name: name})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetReplay())
}

// follow prints a line each second, and the whole at the end.
func (f *replaysCmd) follow(ctx context.Context, s *session, cl *client, name string) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer, err := cl.replays.GetReplay(ctx, &deliveryv1.GetReplayRequest{Name: name})
		if err != nil {
			return err
		}
		r := answer.GetReplay()
		if r.GetFinishTime() != nil {
			return f.show(s, r)
		}
		if _, err := fmt.Fprintf(s.stderr, "%s %s, %s, through %s\n", r.GetState(), percent(r.GetProgressPercent()),
			plural(int(r.GetReplayedEventCount()), "event"), orDash(relative(r.GetEstimatedFinishTime(), s.now()))); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (f *replaysCmd) show(s *session, r *deliveryv1.Replay) error {
	if f.Output == "json" {
		return printJSON(s.stdout, r)
	}
	t := newTable(s.stdout)
	t.property("Name", r.GetName())
	t.property("Description", r.GetDescription())
	t.property("Kind", r.GetKind().String())
	t.property("State", r.GetState().String())
	t.property("Reason", r.GetStateReason())
	t.property("Source", r.GetSource())
	t.property("Rules", strings.Join(r.GetRules(), ", "))
	t.property("From", clockTime(r.GetStartTime()))
	t.property("Until", clockTime(r.GetEndTime()))
	t.property("Rate", strconv.Itoa(int(r.GetEventsPerSecond()))+"/s")
	t.property("Done", percent(r.GetProgressPercent()))
	t.property("Events", strconv.FormatInt(r.GetReplayedEventCount(), 10))
	t.property("Deliveries", strconv.FormatInt(r.GetDeliveryCount(), 10))
	t.property("Last event", clockTime(r.GetLastEventTime()))
	t.property("Through", relative(r.GetEstimatedFinishTime(), s.now()))
	t.property("Created", relative(r.GetCreateTime(), s.now()))
	t.property("Ended", relative(r.GetFinishTime(), s.now()))
	return t.flush()
}

type replaysCreateCmd struct {
	Replay      string    `arg:"" help:"Id of the new replay; its events carry it as replay-name."`
	Bus         string    `default:"default" help:"Bus whose events are put again. Default: ${default}." placeholder:"BUS"`
	Archive     string    `help:"Archive of the bus to take them from. Default: the bus's own history." placeholder:"ARCHIVE"`
	Start       time.Time `required:"" help:"Events from this time on (RFC 3339)." placeholder:"TIME"`
	End         time.Time `required:"" help:"Events before this time (RFC 3339)." placeholder:"TIME"`
	Rule        []string  `help:"Only for this rule; may be repeated. Default: all rules of the bus." placeholder:"RULE"`
	Rate        int32     `help:"At most so many events in a second. Default: 100." placeholder:"N"`
	Description string    `help:"For people." placeholder:"TEXT"`
	Follow      bool      `help:"Print its progress every second until it has ended."`
}

// Run starts a replay.
func (c *replaysCreateCmd) Run(ctx context.Context, s *session, f *replaysCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	source := f.name("buses", c.Bus)
	replay := &deliveryv1.Replay{
		Description: c.Description, Source: source, StartTime: givenTime(c.Start), EndTime: givenTime(c.End), EventsPerSecond: c.Rate,
	}
	if c.Archive != "" {
		replay.Source = f.name("buses/"+last(source)+"/archives", c.Archive)
	}
	for _, rule := range c.Rule {
		replay.Rules = append(replay.Rules, f.name("buses/"+last(source)+"/rules", rule))
	}
	answer, err := cl.replays.CreateReplay(ctx, &deliveryv1.CreateReplayRequest{Parent: f.parent(), ReplayId: c.Replay, Replay: replay})
	if err != nil {
		return err
	}
	if c.Follow {
		return f.follow(ctx, s, cl, answer.GetReplay().GetName())
	}
	return f.show(s, answer.GetReplay())
}

type replaysCancelCmd struct{ replayArg }

// Run cancels a replay.
func (c *replaysCancelCmd) Run(ctx context.Context, s *session, f *replaysCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.replays.CancelReplay(ctx, &deliveryv1.CancelReplayRequest{Name: f.name("replays", c.Replay)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetReplay())
}

type replaysDeleteCmd struct{ replayArg }

// Run forgets a replay.
func (c *replaysDeleteCmd) Run(ctx context.Context, s *session, f *replaysCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("replays", c.Replay)
	if _, err := cl.replays.DeleteReplay(ctx, &deliveryv1.DeleteReplayRequest{Name: name}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", last(name))
	return err
}
