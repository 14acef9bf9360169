package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/freshet-io/freshet/services/bench/sink"
)

const (
	targetProxyRatio = 0.4
	targetProxyP50MS = 0.3
	proxyRounds      = 3
	// proxyWarmUp is how many calls go before those that count.
	proxyWarmUp = 200
)

// ProxyConfig says what Proxy does.
type ProxyConfig struct {
	Host
	// Calls is how many calls are made one after the other, and in each round of the throughput; 100 to 1,000,000.
	Calls int
	// Callers call at the same time where throughput is measured; 1 to 1024.
	Callers int
	// BodyBytes is the size of each body; 64 to 65,536.
	BodyBytes int
}

// Validate returns what is wrong.
func (c *ProxyConfig) Validate() error {
	return errors.Join(
		c.validateHost(), within("calls", c.Calls, 100, maxEvents), within("callers", c.Callers, 1, maxPublishers),
		within("body", c.BodyBytes, 64, maxBody),
	)
}

// ProxyResult is what Proxy measured. docs/benchmarks.md defines the figures.
type ProxyResult struct {
	Name string `json:"name"`
	// Ratio is CallsPerSecond to DirectPerSecond.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	AddedP50MS       float64 `json:"added_p50_ms"`
	AddedP50TargetMS float64 `json:"added_p50_target_ms"`
	AddedP99MS       float64 `json:"added_p99_ms"`
	DirectP50MS      float64 `json:"direct_p50_ms"`
	DirectP99MS      float64 `json:"direct_p99_ms"`
	CallsPerSecond   float64 `json:"calls_per_second"`
	DirectPerSecond  float64 `json:"direct_per_second"`
	Calls            int     `json:"calls"`
	Callers          int     `json:"callers"`
	BodyBytes        int     `json:"body_bytes"`
	Machine
}

// proxyRun is what the phases of Proxy share.
type proxyRun struct {
	config          *ProxyConfig
	direct, through *poster
	ids             spans
	result          *ProxyResult
}

// Proxy measures calls of an API through the proxy next to the same calls made directly. What it does is described in docs/benchmarks.md.
func Proxy(ctx context.Context, config ProxyConfig) (_ *ProxyResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(ctx, &config.Host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	p := &proxyRun{config: &config, result: &ProxyResult{
		Name: "proxy", Target: targetProxyRatio, AddedP50TargetMS: targetProxyP50MS,
		Calls: config.Calls, Callers: config.Callers, BodyBytes: config.BodyBytes,
	}}
	if err := p.measure(r); err != nil {
		return nil, r.explain(err)
	}
	return p.result, nil
}

func (p *proxyRun) measure(r *run) error {
	c := p.config
	config := sink.Config{
		IDs: 2*(proxyWarmUp+c.Calls) + 2*proxyRounds*c.Calls, BodyBytes: c.BodyBytes, Addresses: 1,
		APIKey: rand.Text(), ClientID: "bench", ClientSecret: rand.Text(),
	}
	sinkProcess, client, err := r.startSink(config)
	if err != nil {
		return err
	}
	defer client.Close()
	server, err := r.startServer()
	if err != nil {
		return err
	}
	s, err := openSuite(server)
	if err != nil {
		return err
	}
	defer func() { _ = s.conn.Close() }() // nothing is under way
	if err := s.connectAPI(r.ctx, config.APIKey, client.PostURLs[0]); err != nil {
		return err
	}
	bodies := sink.NewBodies(c.BodyBytes)
	p.direct = &poster{url: client.PostURLs[0], key: config.APIKey, bodies: bodies}
	p.through = &poster{url: server.httpURL + "/proxy/v1/" + s.connection() + "/", bearer: server.key, bodies: bodies}
	m, err := startMeter(sinkProcess, server.Process)
	if err != nil {
		return err
	}
	if err := errors.Join(p.latency(r.ctx), p.throughput(r.ctx)); err != nil {
		return err
	}
	used, err := m.stop()
	if err != nil {
		return err
	}
	p.result.Machine, err = r.machine(used.foreignCores())
	return err
}

// latency makes calls one after the other, directly and through the proxy in turn.
func (p *proxyRun) latency(ctx context.Context) error {
	posters := []*poster{p.direct, p.through}
	times := make([][]time.Duration, len(posters))
	client := &http.Client{Transport: &http.Transport{}} // not the default one, which asks the environment for a proxy
	defer client.CloseIdleConnections()
	for i := range proxyWarmUp + p.config.Calls {
		for side, by := range posters {
			body := by.bodies.Append(nil, p.ids.take(1).from)
			begin := time.Now()
			if err := by.post(ctx, client, body); err != nil {
				return err
			}
			if took := time.Since(begin); i >= proxyWarmUp {
				times[side] = append(times[side], took)
			}
		}
	}
	p50, p99 := percentile(times[0], 50), percentile(times[0], 99)
	p.result.DirectP50MS, p.result.DirectP99MS = ms(p50), ms(p99)
	p.result.AddedP50MS = ms(percentile(times[1], 50) - p50)
	p.result.AddedP99MS = ms(percentile(times[1], 99) - p99)
	return nil
}

// throughput makes calls as fast as they are answered, in turn, and keeps the best round of each side.
func (p *proxyRun) throughput(ctx context.Context) error {
	for range proxyRounds {
		for by, best := range map[*poster]*float64{p.direct: &p.result.DirectPerSecond, p.through: &p.result.CallsPerSecond} {
			begin, err := by.flood(ctx, p.ids.take(p.config.Calls), p.config.Callers)
			if err != nil {
				return err
			}
			*best = max(*best, perSecond(p.config.Calls, time.Since(begin)))
		}
	}
	p.result.Ratio = rounded(quotient(p.result.CallsPerSecond, p.result.DirectPerSecond))
	return nil
}
