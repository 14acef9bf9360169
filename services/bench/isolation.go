package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/bench/sink"
)

const (
	// targetIsolation allows the troubles of one destination to lengthen the p99 of another by a fifth.
	targetIsolation = 0.8333
	// slowness is how long the slow destination takes to answer, limitedRate what the limited one allows in a second.
	slowness    = 2 * time.Second
	limitedRate = 50
	quietID     = "quiet"
)

// The states of the other destination, in the order in which they are measured. It is well before and after its troubles, so that a machine
// that becomes faster or slower meanwhile shows.
const (
	wellBefore = "well"
	slow       = "slow"
	dead       = "dead"
	limited    = "limited"
	wellAfter  = "well_again"
)

// isolationRun is what the phases of Isolation share.
type isolationRun struct {
	config    *IsolationConfig
	ids       spans
	sink      *sink.Client
	suite     *suite
	publisher *publisher
	slow      *http.Server
	slowURL   string
	deadURL   string
}

// Isolation measures the end-to-end latency of one destination while another, with deliveries queued, is well, slow, dead or limited. It
// returns ErrLost if an event of the one was not delivered. Missing the target is no error.
func Isolation(ctx context.Context, config IsolationConfig) (_ *IsolationResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(ctx, &config.Host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	run := &isolationRun{config: &config}
	result, err := run.measure(r)
	if err != nil {
		return nil, r.explain(err)
	}
	return result, nil
}

func (i *isolationRun) measure(r *run) (*IsolationResult, error) {
	sinkConfig := sink.Config{
		IDs: 5*(i.config.Events+i.config.Waiting) + 1, BodyBytes: i.config.BodyBytes, Addresses: 1,
		ClientID: "bench", ClientSecret: rand.Text(), APIKey: rand.Text(),
	}
	sinkProcess, client, err := r.startSink(sinkConfig)
	if err != nil {
		return nil, err
	}
	i.sink = client
	defer client.Close()
	server, err := r.startServer()
	if err != nil {
		return nil, err
	}
	if i.suite, err = openSuite(server); err != nil {
		return nil, err
	}
	defer func() { _ = i.suite.conn.Close() }() // nothing is under way
	if err := i.troubles(r.ctx); err != nil {
		return nil, err
	}
	defer func() { _ = i.slow.Close() }() // what it still answers is of no interest
	if err := i.subscribe(r.ctx, sinkConfig); err != nil {
		return nil, err
	}
	m, err := startMeter(sinkProcess, server.Process)
	if err != nil {
		return nil, err
	}
	result := &IsolationResult{
		Name: "isolation", Target: targetIsolation, Events: i.config.Events, PerSecond: pacedRate, Waiting: i.config.Waiting, BodyBytes: i.config.BodyBytes,
	}
	if err := i.phases(r.ctx, result); err != nil {
		return nil, err
	}
	used, err := m.stop()
	if err != nil {
		return nil, err
	}
	result.Machine, err = r.machine(used.foreignCores())
	return result, err
}

// troubles starts a server that takes its time, and finds an address where there is none.
func (i *isolationRun) troubles(ctx context.Context) error {
	var none net.ListenConfig
	listener, err := none.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	i.deadURL = "http://" + listener.Addr().String() + "/"
	if err := listener.Close(); err != nil {
		return err
	}
	if listener, err = none.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	i.slowURL = "http://" + listener.Addr().String() + "/"
	i.slow = &http.Server{Handler: http.HandlerFunc(answerSlowly), ReadHeaderTimeout: slowness}
	go func() { _ = i.slow.Serve(listener) }() // ends with an error in any case
	return nil
}

func answerSlowly(w http.ResponseWriter, request *http.Request) {
	select {
	case <-time.After(slowness):
	case <-request.Context().Done():
	}
	w.WriteHeader(http.StatusNoContent)
}

// subscribe makes a destination for each state of the other, and the one that is measured.
func (i *isolationRun) subscribe(ctx context.Context, config sink.Config) error {
	well := i.sink.PostURLs[0]
	i.publisher = &publisher{
		client: deliveryv1.NewDeliveryServiceClient(i.suite.conn), bus: i.suite.bus(), bodies: sink.NewBodies(config.BodyBytes), destinations: 1,
	}
	if err := i.suite.connect(ctx, config, ""); err != nil {
		return err
	}
	if err := i.suite.subscribe(ctx, nil); err != nil {
		return err
	}
	for id, url := range map[string]string{quietID: well, wellBefore: well, slow: i.slowURL, dead: i.deadURL, wellAfter: well} {
		if err := i.suite.target(ctx, id, url); err != nil {
			return err
		}
	}
	return i.suite.limitedTarget(ctx, limited, well, limitedRate)
}

// phases measures beside each state of the other destination.
func (i *isolationRun) phases(ctx context.Context, result *IsolationResult) error {
	if _, err := i.quiet(ctx, i.ids.take(1)); err != nil { // connections are open, the credential is there
		return err
	}
	for _, state := range []string{wellBefore, slow, dead, limited, wellAfter} {
		queued := *i.publisher
		queued.detailType = state
		waiting := i.ids.take(i.config.Waiting)
		if _, err := queued.flood(ctx, waiting, isolationPublishers); err != nil {
			return err
		}
		if state == wellBefore || state == wellAfter {
			if _, err := i.sink.Await(ctx, waiting.from, waiting.to, patience); err != nil {
				return err
			}
		}
		latencies, err := i.quiet(ctx, i.ids.take(i.config.Events))
		if err != nil {
			return fmt.Errorf("beside a destination that is %s: %w", state, err)
		}
		result.add(state, latencies)
	}
	return nil
}

// isolationPublishers put what is to wait.
const isolationPublishers = 32

// quiet puts a range for the measured destination at a steady rate and returns how long each event took to arrive.
func (i *isolationRun) quiet(ctx context.Context, ids span) ([]time.Duration, error) {
	mine := *i.publisher
	mine.detailType = quietID
	put, err := mine.pace(ctx, ids, pacedRate)
	if err != nil {
		return nil, err
	}
	report, err := i.sink.Await(ctx, ids.from, ids.to, patience)
	if err != nil {
		return nil, err
	}
	latencies := make([]time.Duration, 0, ids.size())
	for n, at := range report.FirstSeen {
		if at == 0 {
			return nil, ErrLost
		}
		latencies = append(latencies, time.Unix(0, at).Sub(put.calls[n]))
	}
	return latencies, nil
}

// IsolationResult is what Isolation measured. docs/benchmarks.md defines the figures.
type IsolationResult struct {
	Name string `json:"name"`
	// Ratio is the longer P99 of the two beside none to the longest beside trouble.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	Beside []Beside `json:"beside"`

	Events    int `json:"events"` // measured beside each state
	PerSecond int `json:"per_second"`
	Waiting   int `json:"waiting"` // deliveries of the other destination, queued before
	BodyBytes int `json:"body_bytes"`

	Machine
}

// Beside is how long events of the measured destination took from put to arrival beside a state of the other one.
type Beside struct {
	State string  `json:"state"`
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
}

func (r *IsolationResult) add(state string, latencies []time.Duration) {
	r.Beside = append(r.Beside, Beside{State: state, P50MS: ms(percentile(latencies, 50)), P99MS: ms(percentile(latencies, 99))})
	var base, worst float64
	for _, b := range r.Beside {
		if b.State == wellBefore || b.State == wellAfter {
			base = max(base, b.P99MS)
		} else {
			worst = max(worst, b.P99MS)
		}
	}
	r.Ratio = rounded(quotient(base, worst))
}
