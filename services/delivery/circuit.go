package delivery

import (
	"context"
	"time"
)

// Defaults of a [Breaker].
const (
	DefaultFailures     = 100
	DefaultFailingTime  = time.Minute
	DefaultProbe        = 10 * time.Second
	DefaultLongestProbe = 5 * time.Minute
)

// maxProbeWait bounds how far a destination's Retry-After puts off the next probe.
const maxProbeWait = time.Hour

// Breaker says when the attempts at a destination that keeps failing are held. Unset fields have their defaults.
type Breaker struct {
	Disabled bool
	// Failures in a row after which the circuit opens. Default DefaultFailures.
	Failures int
	// FailingTime is how long nothing but failures must have come. Where Failures is not given: DefaultFailingTime.
	FailingTime time.Duration
	// Probe is the time to the first probe, which doubles up to LongestProbe. Default DefaultProbe and DefaultLongestProbe.
	Probe, LongestProbe time.Duration
}

func (b Breaker) withDefaults() Breaker {
	if b.Failures == 0 {
		b.Failures = DefaultFailures
		if b.FailingTime == 0 {
			b.FailingTime = DefaultFailingTime
		}
	}
	if b.Probe == 0 {
		b.Probe = DefaultProbe
	}
	if b.LongestProbe == 0 {
		b.LongestProbe = DefaultLongestProbe
	}
	b.LongestProbe = max(b.LongestProbe, b.Probe)
	return b
}

// wait is the time to the next probe after so many that failed.
func (b Breaker) wait(failed int, a *Attempt) time.Duration {
	wait := min(b.Probe<<min(failed, 20), b.LongestProbe)
	if a.RetryAfter != nil {
		wait = max(wait, min(*a.RetryAfter, maxProbeWait))
	}
	return wait
}

// Circuit holds the attempts at a destination while it is open. The zero value is closed.
type Circuit struct {
	OpenTime  time.Time // zero: closed
	Reason    string    // the last failure; no secrets
	Code      ErrorCode // of the same
	NextProbe time.Time // from then on it is half open: one attempt at a time
	Failed    int       // probes that failed
}

// IsOpen reports whether the circuit holds attempts, all or all but one at a time.
func (c *Circuit) IsOpen() bool { return !c.OpenTime.IsZero() }

// HalfOpen reports whether one attempt at a time may be made.
func (c *Circuit) HalfOpen(now time.Time) bool { return c.IsOpen() && !now.Before(c.NextProbe) }

// failing tells whether an outcome shows that the destination does not work, rather than that it does, or nothing at all.
func (a *Attempt) failing() (failing, known bool) {
	switch a.Class {
	case NoFailure, PermanentStatus, Unauthorized:
		return false, true
	case RetryableStatus:
		return a.StatusCode >= 500, true
	case TimedOut, ConnectFailed, ConnectionBroken:
		return true, true
	case NoCredential, InvalidRequest, Denied:
	}
	return false, false
}

// circuit returns the lane's circuit as it is now.
func (l *laneState) circuit() Circuit {
	if !l.troubled.Load() {
		return Circuit{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// holds says until when the lane holds everything; the zero time if it does not.
func (l *laneState) holds(now time.Time) time.Time {
	if c := l.circuit(); c.IsOpen() && now.Before(c.NextProbe) {
		return c.NextProbe
	}
	return time.Time{}
}

// A destination of which nothing but failures comes is tried at this rate at most until it answers: what fails at once would otherwise be
// tried as fast as the machine can, at the cost of all others.
const (
	failuresToSlow = 20
	slowedRate     = 20
)

// slowed reports whether the lane's destination is tried slowly because it keeps failing.
func (l *laneState) slowed() bool {
	if !l.troubled.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failures >= failuresToSlow
}

// judge counts an outcome, and returns the circuit if it changed by it. An attempt that fails while the circuit is open is not charged.
func (l *laneState) judge(a *Attempt, now time.Time) (changed *Circuit) {
	failing, known := a.failing()
	if !known || !failing && !l.troubled.Load() {
		return nil
	}
	breaker := l.destination.Breaker.withDefaults()
	l.mu.Lock()
	defer l.mu.Unlock()
	wasOpen := l.open.IsOpen()
	switch {
	case !failing:
		l.troubled.Store(false)
		l.open, l.failures = Circuit{}, 0
		if !wasOpen {
			return nil
		}
		return &Circuit{}
	case !wasOpen:
		if l.failures++; l.failures == 1 {
			l.failingSince = now
			l.troubled.Store(true)
		}
		if breaker.Disabled || l.failures < breaker.Failures || now.Sub(l.failingSince) < breaker.FailingTime {
			return nil
		}
		l.open = Circuit{OpenTime: now, NextProbe: now.Add(breaker.wait(0, a))}
	default:
		a.Free = true
		if !l.open.HalfOpen(now) { // was under way when the circuit opened
			return nil
		}
		l.open.Failed++
		l.open.NextProbe = now.Add(breaker.wait(l.open.Failed, a))
	}
	l.open.Reason, l.open.Code = clip(a.Message), a.code()
	circuit := l.open
	return &circuit
}

// judge lets an outcome change the destination's circuit.
func (s *Service) judge(ctx context.Context, lane *laneState, a *Attempt) {
	now := s.stamp()
	changed := lane.judge(a, now)
	if changed == nil {
		return
	}
	name := lane.destination.Name
	if changed.Failed == 0 {
		s.logger.WarnContext(ctx, "the circuit of a destination changed", "destination", name.String(), "open", changed.IsOpen(),
			"reason", changed.Reason)
	}
	if err := s.store.SetCircuit(ctx, name, *changed); err != nil { // it is in force here all the same
		s.logger.WarnContext(ctx, "the circuit of a destination cannot be recorded", "destination", name.String(), "error", err)
	}
	s.dispatcher.Remind(name)
}
