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

const (
	targetSchedule = 0.8
	// horizon is the time over which the tokens that are not measured are due, evenly: the lifetime of a token.
	horizon = issuer.Lifetime
)

// scheduleRun is what the two parts of Schedule share.
type scheduleRun struct {
	*run
	config *ScheduleConfig
	client *issuer.Client
	name   string        // of the connection
	rate   time.Duration // that it took to write a token; 0 before
	busy   spent
	failed int
}

// Schedule measures what a refresh costs, how long a start takes and how much memory it needs with few stored tokens and with many. It
// returns ErrNotRefreshed together with the result, and other errors when the run failed; missing the target is no error. What it does
// and measures is described in docs/benchmarks.md.
func Schedule(ctx context.Context, config ScheduleConfig) (_ *ScheduleResult, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(ctx, &config.Host)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	result := &ScheduleResult{Name: "schedule", Target: targetSchedule, Refreshes: config.Refreshes}
	s := &scheduleRun{run: r, config: &config}
	if err := s.measure(result); err != nil {
		return nil, r.explain(err)
	}
	if s.failed > 0 {
		return result, fmt.Errorf("%w: %d", ErrNotRefreshed, s.failed)
	}
	return result, nil
}

func (s *scheduleRun) measure(result *ScheduleResult) error {
	c := issuer.Config{Grants: s.config.Tokens + 1, ClientID: "bench", ClientSecret: rand.Text()}
	var err error
	if s.client, err = s.startIssuer(c); err != nil {
		return err
	}
	defer s.client.Close()
	if s.name, err = s.settle(c, s.client.TokenEndpoint, true); err != nil {
		return err
	}
	if result.Few, err = s.with(1, s.config.Few+1); err != nil {
		return err
	}
	if result.Many, err = s.with(s.config.Few+1, s.config.Tokens+1); err != nil {
		return err
	}
	result.Ratio = rounded(quotient(result.Few.ServerCPU, result.Many.ServerCPU))
	result.Machine, err = s.machine(s.busy.foreignCores())
	return err
}

// with adds the tokens with the numbers from from up to, but not including, to, and measures refreshing some of them, which lie evenly
// among those that were added.
func (s *scheduleRun) with(from, to int) (Stocked, error) {
	measured := every{from: from, step: (to - from) / s.config.Refreshes, n: s.config.Refreshes}
	result := Stocked{Tokens: to - 1}
	due, err := s.fill(from, to, measured, &result)
	if err != nil {
		return result, err
	}
	b, err := s.burst(s.client, due, issuer.Range{From: from, Step: measured.step, N: measured.n})
	if err != nil {
		return result, err
	}
	s.busy = s.busy.add(b.used)
	result.ReadySeconds = rounded(b.start.Seconds())
	result.IdleRSSMiB, result.PeakRSSMiB = mib(b.idle.RSS), mib(b.memory.PeakRSS)
	result.ServerCPU = perThousand(b.used.each[0], b.made)
	result.RefreshesPerSecond = perSecond(b.report.Redeemed, time.Duration(b.report.Last-b.report.First))
	s.failed += b.report.Missing + b.report.Refused
	return result, nil
}

// fill writes the tokens: those that are measured last, due when the suite will have been started.
func (s *scheduleRun) fill(from, to int, measured every, result *Stocked) (due time.Time, err error) {
	stocked, err := stock.Open(s.ctx, s.stock(s.name))
	if err != nil {
		return time.Time{}, err
	}
	defer func() { err = errors.Join(err, stocked.Close()) }()
	begin := time.Now()
	// The others are due as near as those of many are, but hardly before the measurement, which counts them all the same.
	first := begin.Add(time.Minute + 2*s.rate*time.Duration(to-from))
	err = stocked.Fill(s.ctx, from, to, func(number int) (stock.Copy, bool) {
		at := first.Add(horizon / time.Duration(s.config.Tokens) * time.Duration(number))
		return stock.Copy{RefreshToken: issuer.Grant(number, 0), IssueTime: at.Add(-issuer.Lifetime * 3 / 4), RefreshAt: at}, !measured.has(number)
	})
	if err != nil {
		return time.Time{}, err
	}
	took := time.Since(begin)
	s.rate = took / time.Duration(to-from)
	result.FillSeconds = rounded(took.Seconds())
	now := time.Now()
	due = dueAfterFilling(now, measured.n)
	return due, stocked.Fill(s.ctx, from, to, func(number int) (stock.Copy, bool) {
		return stock.Copy{RefreshToken: issuer.Grant(number, 0), IssueTime: now, RefreshAt: due}, measured.has(number)
	})
}

// every is n numbers at equal distances.
type every struct{ from, step, n int }

func (e every) has(number int) bool {
	offset := number - e.from
	return offset%e.step == 0 && offset/e.step < e.n
}
