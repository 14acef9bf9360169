package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/bench/issuer"
	"github.com/freshet-io/freshet/services/bench/stock"
)

const targetRefresh = 0.5

// ErrNotRefreshed means that tokens were not refreshed, or that one was redeemed twice.
var ErrNotRefreshed = errors.New("tokens were not refreshed as they should be")

// refreshRun is what the phases of Refresh share.
type refreshRun struct {
	*run
	config   *RefreshConfig
	issuer   issuer.Config
	client   *issuer.Client
	redeemer *redeemer
	name     string // of the connection
	grant    int    // the next that nobody redeems from
	result   *RefreshResult
	busy     spent
}

// Refresh measures how fast the suite refreshes tokens that are all due, next to redeeming as many refresh tokens directly. It returns
// ErrNotRefreshed together with the result, and other errors when the run failed; missing the target is no error. What it does and
// measures is described in docs/benchmarks.md.
func Refresh(ctx context.Context, config RefreshConfig) (_ *RefreshResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(ctx, &config.Host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	result := &RefreshResult{Name: "refresh", Target: targetRefresh, Tokens: config.Tokens, Kept: config.Kept}
	run := &refreshRun{run: r, config: &config, result: result}
	if err := run.measure(); err != nil {
		return nil, r.explain(err)
	}
	if result.NotRefreshed > 0 || result.Refused > 0 {
		return result, fmt.Errorf("%w: %d left, %d requests refused", ErrNotRefreshed, result.NotRefreshed, result.Refused)
	}
	return result, nil
}

func (r *refreshRun) measure() error {
	r.grant = r.config.Tokens + 1 // 0 is the connection's own
	r.issuer = issuer.Config{
		Grants: r.grant + workersBefore + workersAfter + workersBefore, ClientID: "bench", ClientSecret: rand.Text(),
	}
	var err error
	if r.client, err = r.startIssuer(r.issuer); err != nil {
		return err
	}
	defer r.client.Close()
	r.redeemer = &redeemer{client: r.client, config: r.issuer}
	if r.name, err = r.settle(r.issuer, r.client.TokenEndpoint, r.config.Kept); err != nil {
		return err
	}
	for _, phase := range []func() error{
		func() error { return r.raw(workersBefore, r.config.Kept) },
		r.refresh,
		func() error { return r.raw(workersAfter, r.config.Kept) },
		func() error { return r.raw(workersBefore, true) },
	} {
		if err := phase(); err != nil {
			return err
		}
	}
	r.result.Ratio = rounded(quotient(r.result.RefreshesPerSecond, r.result.RawPostsPerSecond))
	r.result.Machine, err = r.machine(r.busy.foreignCores())
	return err
}

// raw redeems directly, with the connections of the suite or with kept ones, and keeps the rate if it is better than that of before.
func (r *refreshRun) raw(workers int, kept bool) error {
	m, err := startMeter()
	if err != nil {
		return err
	}
	took, err := r.redeemer.flood(r.ctx, r.config.Tokens, workers, r.grant, kept)
	if err != nil {
		return err
	}
	r.grant += workers
	used, err := m.stop()
	if err != nil {
		return err
	}
	rate := perSecond(r.config.Tokens, took)
	if kept {
		r.result.KeptPostsPerSecond = max(r.result.KeptPostsPerSecond, rate)
	}
	if kept == r.config.Kept && rate > r.result.RawPostsPerSecond {
		r.result.RawPostsPerSecond, r.result.RawWorkers = rate, workers
		r.result.RawCPU = perThousand(used.total, r.config.Tokens)
	}
	return nil
}

// refresh fills the stock, starts the suite and waits until every token is refreshed.
func (r *refreshRun) refresh() error {
	due, err := r.fill()
	if err != nil {
		return err
	}
	b, err := r.burst(r.client, due, issuer.Range{From: 1, Step: 1, N: r.config.Tokens})
	if err != nil {
		return err
	}
	r.busy = b.used
	r.result.ServerCPU = perThousand(b.used.each[0], b.made)
	r.result.PeakRSSMiB = mib(b.memory.PeakRSS)
	stocked, err := stock.Open(r.ctx, r.stock(r.name))
	if err != nil {
		return err
	}
	state, err := stocked.Look(r.ctx, 1, r.config.Tokens+1)
	if err := errors.Join(err, stocked.Close()); err != nil {
		return err
	}
	r.result.NotRefreshed = r.config.Tokens - state.Refreshed + state.Failed
	r.result.Refused = b.report.Refused
	duration := state.Last.Sub(time.Unix(0, b.report.First))
	r.result.DurationSeconds = rounded(duration.Seconds())
	r.result.RefreshesPerSecond = perSecond(state.Refreshed, duration)
	return nil
}

func (r *refreshRun) fill() (due time.Time, err error) {
	stocked, err := stock.Open(r.ctx, r.stock(r.name))
	if err != nil {
		return time.Time{}, err
	}
	begin := time.Now()
	due = dueAfterFilling(begin, r.config.Tokens)
	err = stocked.Fill(r.ctx, 1, r.config.Tokens+1, func(number int) (stock.Copy, bool) {
		return stock.Copy{RefreshToken: issuer.Grant(number, 0), IssueTime: begin, RefreshAt: due}, true
	})
	r.result.FilledPerSecond = perSecond(r.config.Tokens, time.Since(begin))
	return due, errors.Join(err, stocked.Close())
}
