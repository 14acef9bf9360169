package calllog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"golang.org/x/sync/errgroup"
)

// scope is the name of our instruments.
const scope = "github.com/freshet-io/freshet/services/calllog"

const (
	// queued is how many calls wait to be written; more are dropped.
	queued = 4096
	// batch is how many are written at once; lingering is what the first of them waits for others.
	batch     = 500
	lingering = 100 * time.Millisecond
	// firstRetry doubles up to lastRetry while the store does not take them.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	// endTimeout bounds what is written once the process is ending.
	endTimeout = 5 * time.Second
	// trimEvery is how often calls are removed that are too old or too many, trimmed at a time.
	trimEvery = 5 * time.Minute
	trimmed   = 1000

	maxPath   = 1024 // bytes
	maxMethod = 32
	maxHost   = 256
)

// Params are what a [Log] is made of.
type Params struct {
	Store Store // required
	// Retention is how long calls are kept; 0: for ever.
	Retention time.Duration
	// MaxCount is how many are kept, the newest.
	MaxCount int

	Logger        *slog.Logger         // default: discard
	MeterProvider metric.MeterProvider // default: none
	Now           func() time.Time     // default: time.Now
}

// Log keeps calls. It is safe for concurrent use.
type Log struct {
	params           Params
	queue            chan Call
	calls            metric.Int64Counter
	written, dropped metric.MeasurementOption
}

// NewLog returns a log, or an error that names what is missing. It writes during Run.
func NewLog(p Params) (*Log, error) {
	if p.Store == nil {
		return nil, errors.New("calllog: Store is required")
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.MeterProvider == nil {
		p.MeterProvider = metricnoop.NewMeterProvider()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	calls, err := p.MeterProvider.Meter(scope).Int64Counter("freshet.calls.logged",
		metric.WithDescription("Calls through the API proxy that were written to the call log, or dropped because it could not keep up."))
	if err != nil {
		return nil, fmt.Errorf("calllog: %w", err)
	}
	l := &Log{params: p, queue: make(chan Call, queued), calls: calls}
	l.written = metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", "written")))
	l.dropped = metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", "dropped")))
	for _, outcome := range []metric.MeasurementOption{l.written, l.dropped} { // so that the series are there before anything happens
		calls.Add(context.Background(), 0, outcome)
	}
	return l, nil
}

// Add has a call written soon, or drops it if too many wait for that. It never waits. The call's ID is given by it.
func (l *Log) Add(c Call) {
	c.StartTime = c.StartTime.UTC().Truncate(time.Microsecond)
	c.Path, c.Method, c.Host = bounded(c.Path, maxPath), bounded(c.Method, maxMethod), bounded(c.Host, maxHost)
	select {
	case l.queue <- c:
	default:
		l.calls.Add(context.Background(), 1, l.dropped)
	}
}

// bounded cuts a text off, and makes it one that every engine stores.
func bounded(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
	}
	return text
}

// List returns calls of a project, the newest first.
func (l *Log) List(ctx context.Context, project string, q Query) ([]Call, error) {
	return l.params.Store.ListCalls(ctx, project, q)
}

// Run writes calls and removes old ones until ctx ends, and then writes those that wait.
func (l *Log) Run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { return l.write(ctx) })
	group.Go(func() error { return l.trim(ctx) })
	return group.Wait()
}

func (l *Log) write(ctx context.Context) error {
	for {
		select {
		case first := <-l.queue:
			l.store(ctx, l.gather(ctx, first))
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
			defer cancel()
			for len(l.queue) > 0 && ending.Err() == nil {
				l.store(ending, l.waiting([]Call{<-l.queue}))
			}
			return ctx.Err()
		}
	}
}

// gather returns a call with those that come soon after it.
func (l *Log) gather(ctx context.Context, first Call) []Call {
	calls := append(make([]Call, 0, min(len(l.queue)+1, batch)), first)
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	for len(calls) < batch {
		select {
		case next := <-l.queue:
			calls = append(calls, next)
		case <-timer.C:
			return calls
		case <-ctx.Done():
			return l.waiting(calls)
		}
	}
	return calls
}

// waiting adds what waits already.
func (l *Log) waiting(calls []Call) []Call {
	for len(calls) < batch {
		select {
		case next := <-l.queue:
			calls = append(calls, next)
		default:
			return calls
		}
	}
	return calls
}

// store writes calls, and tries again until the store takes them or ctx ends. When that has ended already, it tries once.
func (l *Log) store(ctx context.Context, calls []Call) {
	for i := range calls {
		calls[i].ID = newID(calls[i].StartTime)
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := l.add(ctx, calls)
		if err == nil {
			l.calls.Add(ctx, int64(len(calls)), l.written)
			return
		}
		l.params.Logger.WarnContext(ctx, "calls are not in the call log yet", "calls", len(calls), "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if l.add(ctx, calls) == nil {
				l.calls.Add(ctx, int64(len(calls)), l.written)
				return
			}
			l.calls.Add(ctx, int64(len(calls)), l.dropped)
			return
		}
	}
}

// newID is an id that orders calls by the microsecond.
func newID(start time.Time) string {
	id := ulid.Make()
	if us := start.UnixMicro(); us > 0 {
		_ = id.SetTime(uint64(us / 1000))
		id[6], id[7] = byte(us%1000>>8), byte(us%1000) // the first bytes after the time
	}
	return id.String()
}

// add makes an attempt, also when ctx has ended.
func (l *Log) add(ctx context.Context, calls []Call) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return l.params.Store.AddCalls(ctx, calls)
}

// trim removes calls that are too old or too many, at once and from time to time.
func (l *Log) trim(ctx context.Context) error {
	for {
		if err := l.trimOnce(ctx); err != nil && ctx.Err() == nil {
			l.params.Logger.WarnContext(ctx, "old calls are not removed yet", "error", err)
		}
		timer := time.NewTimer(trimEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (l *Log) trimOnce(ctx context.Context) error {
	below := beyond
	if l.params.MaxCount > 0 {
		var err error
		if below, err = l.params.Store.NewestCalls(ctx, l.params.MaxCount); err != nil {
			return err
		}
	}
	if l.params.Retention > 0 {
		below = max(below, Edge(l.params.Now().Add(-l.params.Retention)))
	}
	for below != "" {
		n, err := l.params.Store.TrimCalls(ctx, below, trimmed)
		if err != nil || n < trimmed {
			return err
		}
	}
	return nil
}
