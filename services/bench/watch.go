package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"time"

	"github.com/freshet-io/freshet/services/bench/child"
	"github.com/freshet-io/freshet/services/bench/fanout"
	"github.com/freshet-io/freshet/services/bench/sink"
)

const targetWatch = 0.67

// side is one of the two servers that are compared.
type side struct {
	process *child.Process
	streams *streams
	before  child.Usage
	open    time.Duration
	pushes  []push
	cpu     time.Duration // of the server, over all rotations
	result  *FanOut
}

// Watch measures how soon every open stream has a new generation, next to a bare gRPC server with as many streams. It returns an error
// when the run failed; missing the target is none. What it does and measures is described in docs/benchmarks.md.
func Watch(ctx context.Context, config WatchConfig) (_ *WatchResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(ctx, &config.Host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	result := &WatchResult{
		Name: "watch", Target: targetWatch,
		Streams: config.Streams, Connections: config.Connections, Rotations: config.Rotations,
	}
	if err := watch(r, &config, result); err != nil {
		return nil, r.explain(err)
	}
	return result, nil
}

func watch(r *run, config *WatchConfig, result *WatchResult) (err error) {
	ours, err := openOurs(r, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.streams.close()) }()
	message, err := ours.streams.message()
	if err != nil {
		return err
	}
	result.MessageBytes = len(message)
	bare, err := openBare(r, config, message, ours.streams.token)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.streams.close()) }()
	ours.result, bare.result = &result.FanOut, &result.Raw

	var busy spent
	for i := range config.Rotations + 1 { // the first does not count: buffers and connections grow to their size
		for _, s := range []*side{ours, bare} { // in turn, so that what else the machine does meets both
			used, err := s.rotate(r.ctx, i > 0)
			if err != nil {
				return err
			}
			busy = busy.add(used)
		}
	}
	if err := errors.Join(ours.evaluate(config), bare.evaluate(config)); err != nil {
		return err
	}
	result.Ratio = rounded(quotient(bare.result.P99MS, ours.result.P99MS))
	result.Machine, err = r.machine(busy.foreignCores())
	return err
}

// openOurs starts the suite with one OAuth connection and opens the streams of its token.
func openOurs(r *run, config *WatchConfig) (*side, error) {
	c := sink.Config{BodyBytes: sink.MinBody, ClientID: "bench", ClientSecret: rand.Text()}
	_, client, err := r.startSink(c)
	if err != nil {
		return nil, err
	}
	server, err := r.startServer()
	if err != nil {
		return nil, err
	}
	s, err := openSuite(server)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.connect(r.ctx, c, client.TokenEndpoint), s.conn.Close()); err != nil {
		return nil, err
	}
	return openSide(r, config, server.Process, server.grpcAddr, server.key, s.token())
}

// openBare starts the bare server and opens as many streams.
func openBare(r *run, config *WatchConfig, message []byte, token string) (*side, error) {
	addrs := map[string]string{}
	p, err := r.start(child.Command{
		Name: "fanout", Args: []string{"bench", "fanout"}, Config: fanout.Config{Message: message}, Ready: child.Addresses(addrs),
	})
	if err != nil {
		return nil, err
	}
	return openSide(r, config, p, fanout.Addr(addrs), "", token)
}

func openSide(r *run, config *WatchConfig, p *child.Process, addr, key, token string) (*side, error) {
	s := &side{process: p}
	var err error
	if s.before, err = p.Usage(); err != nil {
		return nil, err
	}
	begin := time.Now()
	if s.streams, err = openStreams(r.ctx, addr, key, token, config.Streams, config.Connections); err != nil {
		return nil, err
	}
	s.open = time.Since(begin)
	return s, nil
}

// rotate makes and measures one rotation. The figures are kept if it counts.
func (s *side) rotate(ctx context.Context, counts bool) (spent, error) {
	if s.result.OpenRSSKiB == 0 {
		used, err := s.process.Usage()
		if err != nil {
			return spent{}, err
		}
		s.result.OpenRSSKiB = s.perStream(used)
	}
	runtime.GC() // ours to pay, not the rotation's
	m, err := startMeter(s.process)
	if err != nil {
		return spent{}, err
	}
	pushed, err := s.streams.rotate(ctx)
	if err != nil {
		return spent{}, err
	}
	used, err := m.stop()
	if err != nil || !counts {
		return spent{}, err
	}
	s.pushes = append(s.pushes, pushed)
	s.cpu += used.each[0]
	return used, nil
}

// perStream is what the memory grew by since before the streams, in KiB each.
func (s *side) perStream(now child.Usage) float64 {
	return rounded(quotient(float64(now.RSS-s.before.RSS)/1024, float64(s.streams.opened)))
}

func (s *side) evaluate(config *WatchConfig) error {
	used, err := s.process.Usage()
	if err != nil {
		return err
	}
	middle := func(of func(push) time.Duration) float64 {
		values := make([]float64, len(s.pushes))
		for i, p := range s.pushes {
			values[i] = ms(of(p))
		}
		return rounded(median(values))
	}
	f := s.result
	f.P50MS = middle(func(p push) time.Duration { return p.p50 })
	f.P99MS = middle(func(p push) time.Duration { return p.p99 })
	f.LastMS = middle(func(p push) time.Duration { return p.last })
	f.FromCallP99MS = middle(func(p push) time.Duration { return p.fromCall })
	f.OpenSeconds = rounded(s.open.Seconds())
	f.PushedRSSKiB = s.perStream(used)
	f.PeakRSSMiB = mib(used.PeakRSS)
	f.ServerCPUMicros = rounded(quotient(float64(s.cpu/time.Microsecond), float64(config.Streams*config.Rotations)))
	return nil
}
