package rpcserver

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// StreamLimits bound the streams of a server. Services of the suite are not
// bound: their streams are few, and everything else depends on them.
type StreamLimits struct {
	// Open is how many may be open at once. Default 100,000.
	Open int
	// PerCaller is how many of them one caller may have. Default 50,000.
	PerCaller int
	// OpenRate is how many may be opened in a second, on average; as many at once
	// as in OpenBurst seconds. Default 2,000. Those above it wait, so that the
	// clients of a server that comes back do not trample it down; those that would
	// wait longer than OpenWait are refused.
	OpenRate int
}

const (
	// OpenBurst is for how long the rate of opening may be saved up.
	OpenBurst = 2 * time.Second
	// OpenWait is the longest time that opening a stream is held back.
	OpenWait = 5 * time.Second

	defaultOpen      = 100_000
	defaultPerCaller = 50_000
	defaultOpenRate  = 2_000
)

func (l StreamLimits) withDefaults() StreamLimits {
	orDefault := func(value, fallback int) int {
		if value <= 0 {
			return fallback
		}
		return value
	}
	l.Open = orDefault(l.Open, defaultOpen)
	l.PerCaller = orDefault(l.PerCaller, defaultPerCaller)
	l.OpenRate = orDefault(l.OpenRate, defaultOpenRate)
	return l
}

// streams counts what is open.
type streams struct {
	limits  StreamLimits
	opening *rate.Limiter

	mu       sync.Mutex
	open     int
	byCaller map[string]int
}

// limitStreams holds callers to the limits. It comes after the caller is known.
func limitStreams(limits StreamLimits) stage {
	limits = limits.withDefaults()
	s := &streams{
		limits:   limits,
		opening:  rate.NewLimiter(rate.Limit(limits.OpenRate), int(OpenBurst.Seconds())*limits.OpenRate),
		byCaller: map[string]int{},
	}
	return stage{around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		if !c.streaming || c.standard() || c.internal {
			return next(ctx)
		}
		if err := s.enter(c.caller); err != nil {
			return err
		}
		defer s.leave(c.caller)
		if err := s.wait(ctx); err != nil {
			return err
		}
		return next(ctx)
	}}
}

func (s *streams) enter(caller string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.limits.Open {
		return rpcerr.Exhausted(OpenWait, "this server has its %d streams open (streams.open)", s.limits.Open)
	}
	if s.byCaller[caller] >= s.limits.PerCaller {
		return rpcerr.Exhausted(OpenWait, "the caller has its %d streams open (streams.per_caller); one stream of WatchTokens carries many tokens",
			s.limits.PerCaller)
	}
	s.open++
	s.byCaller[caller]++
	return nil
}

func (s *streams) leave(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.byCaller[caller]--; s.byCaller[caller] == 0 {
		delete(s.byCaller, caller)
	}
}

// wait lets a stream in when it is its turn.
func (s *streams) wait(ctx context.Context) error {
	turn := s.opening.Reserve()
	delay := turn.Delay()
	if delay == 0 {
		return nil
	}
	if delay > OpenWait {
		turn.Cancel()
		return rpcerr.Exhausted(delay, "more than %d streams a second are opened (streams.open_rate)", s.limits.OpenRate)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.Cancel()
		return context.Cause(ctx)
	}
}
