package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type eventsCmd struct {
	clientFlags
	Put eventsPutCmd `cmd:"" help:"Put one event, or a file of them; print their ids."`
}

type eventsPutCmd struct {
	Bus        string    `default:"default" help:"Id of the bus, or its name projects/…/buses/… Default: ${default}." placeholder:"BUS"`
	Source     string    `help:"Who sends the event." placeholder:"TEXT"`
	DetailType string    `help:"What it is about." placeholder:"TEXT"`
	Detail     string    `help:"Its content: a JSON object, @FILE to read it from a file, - from standard input." placeholder:"JSON"`
	Resources  []string  `name:"resource" help:"What it concerns; may be repeated." sep:"none" placeholder:"TEXT"`
	Time       time.Time `help:"When it happened, RFC 3339. Default: now." format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME"`
	DedupID    string    `name:"deduplication-id" help:"An event of this id that was put less than 5 minutes ago makes this one a duplicate." placeholder:"TEXT"`
	GroupID    string    `name:"message-group-id" help:"Deliveries of events of this group keep their order." placeholder:"TEXT"`
	File       string    `short:"f" help:"Put the events of a file, - for standard input: one JSON object a line with source, detailType, detail (an object, or its JSON text), resources, time, deduplicationId, messageGroupId." placeholder:"FILE"`
}

// Run puts the events; one that is refused fails the command, the others are put.
func (c *eventsPutCmd) Run(ctx context.Context, s *session, f *eventsCmd) error {
	next, done, err := c.entries(s)
	if err != nil {
		return err
	}
	defer done()
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	p := &putter{
		session: s, deliveries: cl.deliveries, bus: f.name("buses", c.Bus), json: f.Output == "json", many: c.File != "",
		total: &deliveryv1.PutEventsResponse{FailedEntryCount: proto.Int32(0)}, told: s.now(),
	}
	return p.run(ctx, next)
}

// entries returns what yields the events, io.EOF after the last, and what is to be called at the end.
func (c *eventsPutCmd) entries(s *session) (next func() (line, error), done func(), err error) {
	single := c.Source != "" || c.DetailType != "" || c.Detail != "" || len(c.Resources) > 0 || !c.Time.IsZero() || c.DedupID != "" || c.GroupID != ""
	switch {
	case c.File != "" && single:
		return nil, nil, usagef("--file goes without the flags of a single event")
	case c.File == "-":
		return newLines(s.stdin).next, func() {}, nil
	case c.File != "":
		file, err := os.Open(c.File)
		if err != nil {
			return nil, nil, &usageError{err: err}
		}
		return newLines(file).next, func() { _ = file.Close() }, nil
	case c.Source == "" || c.DetailType == "" || c.Detail == "":
		return nil, nil, usagef("an event needs --source, --detail-type and --detail; --file puts many")
	}
	detail, err := given(s, "--detail", c.Detail)
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	entry := &deliveryv1.PutEventsRequestEntry{Source: c.Source, DetailType: c.DetailType, Detail: strings.TrimSpace(string(detail)), Resources: c.Resources, DeduplicationId: c.DedupID, MessageGroupId: c.GroupID}
	if !c.Time.IsZero() {
		entry.Time = timestamppb.New(c.Time)
	}
	given := false
	return func() (line, error) {
		if given {
			return line{}, io.EOF
		}
		given = true
		return line{entry: entry}, nil
	}, func() {}, nil
}

const (
	// maxBatch is the default limit of a server; maxBatchBytes stays below the limit of a request.
	maxBatch      = 10
	maxBatchBytes = 1 << 20
	// tellEvery is how often progress is told.
	tellEvery = time.Second
)

// putter puts events in batches.
type putter struct {
	session    *session
	deliveries deliveryv1.DeliveryServiceClient
	bus        string
	json, many bool

	batch []line
	bytes int
	put   int
	total *deliveryv1.PutEventsResponse // of all batches
	told  time.Time
}

func (p *putter) run(ctx context.Context, next func() (line, error)) error {
	err := p.all(ctx, next)
	if p.json {
		if err := printJSON(p.session.stdout, p.total); err != nil {
			return err
		}
	}
	if p.many {
		p.tell()
	}
	if err == nil && p.total.GetFailedEntryCount() > 0 {
		return errReported
	}
	return err
}

func (p *putter) all(ctx context.Context, next func() (line, error)) error {
	for {
		l, err := next()
		if err == io.EOF { //nolint:errorlint // ours
			return p.flush(ctx)
		}
		if err != nil {
			// What came before it is good.
			if flushErr := p.flush(ctx); flushErr != nil {
				return flushErr
			}
			return &usageError{err: err}
		}
		if len(p.batch) == maxBatch || p.bytes+l.size() > maxBatchBytes {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
		p.batch, p.bytes = append(p.batch, l), p.bytes+l.size()
	}
}

// flush puts the batch. If the call fails, nothing is known of its events; nothing after them was put.
func (p *putter) flush(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	request := &deliveryv1.PutEventsRequest{Bus: p.bus}
	for _, l := range p.batch {
		request.Entries = append(request.Entries, l.entry)
	}
	answer, err := p.deliveries.PutEvents(ctx, request)
	if err != nil {
		if p.many {
			_, _ = fmt.Fprintf(p.session.stderr, "stopped at line %d\n", p.batch[0].number)
		}
		return err
	}
	for i, result := range answer.GetEntries() {
		p.result(p.batch[i], result)
	}
	p.batch, p.bytes = nil, 0
	if p.many && p.session.now().Sub(p.told) >= tellEvery {
		p.told = p.session.now()
		p.tell()
	}
	return nil
}

func (p *putter) result(l line, result *deliveryv1.PutEventsResultEntry) {
	p.total.Entries = append(p.total.Entries, result)
	if result.GetErrorCode() != "" {
		p.total.FailedEntryCount = new(p.total.GetFailedEntryCount() + 1)
		where := ""
		if l.number > 0 {
			where = fmt.Sprintf("line %d: ", l.number)
		}
		_, _ = fmt.Fprintf(p.session.stderr, "error: %s%s: %s\n", where, result.GetErrorCode(), printable(result.GetErrorMessage()))
		return
	}
	p.put++
	if !p.json {
		_, _ = fmt.Fprintln(p.session.stdout, result.GetEventId())
	}
}

func (p *putter) tell() {
	_, _ = fmt.Fprintf(p.session.stderr, "%s put, %d refused\n", plural(p.put, "event"), p.total.GetFailedEntryCount())
}
