package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/bench/child"
	"github.com/freshet-io/freshet/services/bench/sink"
)

const (
	targetSQLite   = 0.5
	targetPostgres = 0.35

	// Bodies are posted directly by so many workers before the suite is measured, and by so many afterwards. The better of both is the
	// raw limit.
	workersBefore, workersAfter, rawPhases = 64, 128, 2

	pacedRate  = 100
	steadyRate = 1000
	// patience is how long nothing may arrive before what is missing counts as lost: more than a few retries.
	patience = 60 * time.Second
)

// ErrLost means that an acknowledged event was not delivered.
var ErrLost = errors.New("acknowledged events were not delivered")

// deliveryRun is what the phases of Delivery share.
type deliveryRun struct {
	config    *DeliveryConfig
	ids       spans
	sink      *sink.Client
	sinkProc  *child.Process
	server    *server
	publisher *publisher
	poster    *poster
	result    *DeliveryResult
	busy      spent // all measured phases together
}

// Delivery measures deliveries next to raw posts. It returns ErrLost together with the result, and other errors when the run failed;
// missing the target is no error. What it does and measures is described in docs/benchmarks.md.
func Delivery(ctx context.Context, config DeliveryConfig) (_ *DeliveryResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(ctx, &config.Host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	d := &deliveryRun{config: &config, result: newDeliveryResult(&config)}
	if err := d.measure(r); err != nil {
		return nil, r.explain(err)
	}
	if d.result.Lost > 0 {
		return d.result, fmt.Errorf("%w: %d", ErrLost, d.result.Lost)
	}
	return d.result, nil
}

func newDeliveryResult(c *DeliveryConfig) *DeliveryResult {
	result := &DeliveryResult{
		Name: "delivery", Target: targetSQLite,
		Events: c.Events, Publishers: c.Publishers, EntriesPerCall: entriesPerCall, BodyBytes: c.BodyBytes,
		Destinations: c.Destinations, AuthorizationBy: "api_key",
		PacedPerSecond: pacedRate, PacedEvents: c.PacedEvents, SteadyPerSecond: steadyRate, SteadyEvents: c.SteadyEvents,
		Backlog: c.Backlog,
	}
	if c.Database != "" {
		result.Target = targetPostgres
	}
	if c.OAuth {
		result.AuthorizationBy = "oauth2"
	}
	return result
}

func (d *deliveryRun) measure(r *run) error {
	closeClients, err := d.prepare(r)
	if err != nil {
		return err
	}
	defer closeClients()
	if err := d.raw(r.ctx, workersBefore); err != nil {
		return err
	}
	// Every destination is used once before time counts: connections are open, the credential is there.
	if _, err := d.publisher.flood(r.ctx, d.ids.take(d.config.Destinations), 1); err != nil {
		return err
	}
	if _, err := d.arrived(r.ctx, span{d.ids.next - d.config.Destinations, d.ids.next}); err != nil {
		return err
	}
	for _, phase := range []func(context.Context) error{d.flood, d.pace, d.steady, d.behind} {
		if err := phase(r.ctx); err != nil {
			return err
		}
	}
	if err := d.raw(r.ctx, workersAfter); err != nil {
		return err
	}
	used, err := d.server.Usage()
	if err != nil {
		return err
	}
	d.result.PeakRSSMiB = mib(used.PeakRSS)
	d.result.Ratio = rounded(quotient(d.result.DeliveredPerSecond, d.result.RawPostsPerSecond))
	d.result.Machine, err = r.machine(d.busy.foreignCores())
	return err
}

// prepare starts the processes and makes what the suite needs.
func (d *deliveryRun) prepare(r *run) (closeClients func(), err error) {
	c := d.config
	config := sink.Config{
		IDs:       rawPhases*c.Events + c.Destinations + c.Events + c.PacedEvents + c.SteadyEvents + c.queued(),
		BodyBytes: c.BodyBytes, Addresses: c.Destinations, ClientID: "bench", ClientSecret: rand.Text(),
	}
	if !c.OAuth {
		config.APIKey = rand.Text()
	}
	if d.sinkProc, d.sink, err = r.startSink(config); err != nil {
		return nil, err
	}
	if d.server, err = r.startServer(); err != nil {
		return nil, err
	}
	s, err := openSuite(d.server)
	if err != nil {
		return nil, err
	}
	closeClients = func() {
		_ = s.conn.Close() // nothing is under way
		d.sink.Close()
	}
	bodies := sink.NewBodies(c.BodyBytes)
	d.poster = &poster{url: d.sink.PostURLs[0], key: config.APIKey, bodies: bodies}
	d.publisher = &publisher{
		client: deliveryv1.NewDeliveryServiceClient(s.conn), bus: s.bus(), bodies: bodies, destinations: c.Destinations,
	}
	if err = s.connect(r.ctx, config, d.sink.TokenEndpoint); err == nil {
		err = s.subscribe(r.ctx, d.sink.PostURLs)
	}
	if err == nil && c.Backlog > 0 {
		err = s.subscribePaused(r.ctx, d.sink.PostURLs[0])
	}
	if err != nil {
		closeClients()
		return nil, err
	}
	return closeClients, nil
}

// arrived waits for a range and books what was lost and duplicated.
func (d *deliveryRun) arrived(ctx context.Context, ids span) (sink.Report, error) {
	report, err := d.sink.Await(ctx, ids.from, ids.to, patience)
	if err != nil {
		return report, err
	}
	d.result.Lost += ids.size() - delivered(report)
	d.result.Duplicates += report.Duplicates
	d.result.Unauthorized = report.Unauthorized
	if report.Malformed > 0 {
		return report, fmt.Errorf("the sink received %d bodies that were never sent", report.Malformed)
	}
	return report, nil
}

// raw posts the same number of bodies as there are events, and keeps the better of its results.
func (d *deliveryRun) raw(ctx context.Context, workers int) error {
	m, err := startMeter(d.sinkProc)
	if err != nil {
		return err
	}
	ids := d.ids.take(d.config.Events)
	begin, err := d.poster.flood(ctx, ids, workers)
	if err != nil {
		return err
	}
	used, err := m.stop()
	if err != nil {
		return err
	}
	report, err := d.arrived(ctx, ids)
	if err != nil {
		return err
	}
	d.busy = d.busy.add(used)
	if rate := perSecond(ids.size(), lastOf(report).Sub(begin)); rate > d.result.RawPostsPerSecond {
		d.result.RawPostsPerSecond, d.result.RawWorkers = rate, workers
		d.result.RawCPUSeconds = perThousand(used.total, ids.size())
	}
	return nil
}

// flood measures throughput.
func (d *deliveryRun) flood(ctx context.Context) error {
	m, err := startMeter(d.sinkProc, d.server.Process)
	if err != nil {
		return err
	}
	ids := d.ids.take(d.config.Events)
	put, err := d.publisher.flood(ctx, ids, d.config.Publishers)
	if err != nil {
		return err
	}
	report, err := d.arrived(ctx, ids)
	if err != nil {
		return err
	}
	used, err := m.stop()
	if err != nil {
		return err
	}
	d.busy = d.busy.add(used)
	duration := lastOf(report).Sub(put.begin)
	d.result.DurationSeconds = rounded(duration.Seconds())
	d.result.DeliveredPerSecond = perSecond(delivered(report), duration)
	d.result.AcceptedPerSecond = perSecond(ids.size(), put.end.Sub(put.begin))
	d.result.AckP50MS, d.result.AckP99MS = ms(percentile(put.acks, 50)), ms(percentile(put.acks, 99))
	d.result.CPUSeconds = perThousand(used.total, ids.size())
	d.result.ServerCPU = perThousand(used.each[1], ids.size())
	return nil
}

// pace measures latency without a queue.
func (d *deliveryRun) pace(ctx context.Context) error {
	ids := d.ids.take(d.config.PacedEvents)
	put, err := d.publisher.pace(ctx, ids, pacedRate)
	if err != nil {
		return err
	}
	report, err := d.arrived(ctx, ids)
	if err != nil {
		return err
	}
	var latencies []time.Duration
	for i, at := range report.FirstSeen {
		if at != 0 {
			latencies = append(latencies, time.Unix(0, at).Sub(put.calls[i]))
		}
	}
	d.result.PacedAckP50MS, d.result.PacedAckP99MS = ms(percentile(put.acks, 50)), ms(percentile(put.acks, 99))
	d.result.EndToEndP50MS, d.result.EndToEndP99MS = ms(percentile(latencies, 50)), ms(percentile(latencies, 99))
	return nil
}

// steady measures acknowledgements at a rate that is far from the limit.
func (d *deliveryRun) steady(ctx context.Context) error {
	ids := d.ids.take(d.config.SteadyEvents)
	put, err := d.publisher.pace(ctx, ids, steadyRate)
	if err != nil {
		return err
	}
	d.result.SteadyAckP50MS, d.result.SteadyAckP99MS = ms(percentile(put.acks, 50)), ms(percentile(put.acks, 99))
	_, err = d.arrived(ctx, ids)
	return err
}

// behind measures throughput once more, next to a destination whose deliveries wait.
func (d *deliveryRun) behind(ctx context.Context) error {
	if d.config.Backlog == 0 {
		return nil
	}
	waiting := *d.publisher
	waiting.detailType = pausedID
	if _, err := waiting.flood(ctx, d.ids.take(d.config.Backlog), d.config.Publishers); err != nil {
		return err
	}
	ids := d.ids.take(d.config.Events)
	put, err := d.publisher.flood(ctx, ids, d.config.Publishers)
	if err != nil {
		return err
	}
	report, err := d.arrived(ctx, ids)
	if err != nil {
		return err
	}
	d.result.BacklogPerSecond = perSecond(delivered(report), lastOf(report).Sub(put.begin))
	d.result.BacklogRatio = rounded(quotient(d.result.BacklogPerSecond, d.result.DeliveredPerSecond))
	return nil
}

// queued is how many events the phase with a backlog puts.
func (c *DeliveryConfig) queued() int {
	if c.Backlog == 0 {
		return 0
	}
	return c.Backlog + c.Events
}

// lastOf is when the last of a report's ids arrived.
func lastOf(r sink.Report) time.Time { return time.Unix(0, slices.Max(r.FirstSeen)) }

// delivered is how many of a report's ids arrived.
func delivered(r sink.Report) int {
	var n int
	for _, at := range r.FirstSeen {
		if at != 0 {
			n++
		}
	}
	return n
}
