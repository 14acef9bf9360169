package dispatch

import "time"

const (
	// lateness is how far the pace may catch up after a timer that fired late.
	lateness = 10 * time.Millisecond
	second   = time.Second
)

// pace spaces the starts of a lane evenly, and keeps to the limit exactly: of any limit+1 starts in a row, the last is at least a
// second after the first.
type pace struct {
	limit    int
	interval time.Duration
	slot     time.Time   // the next evenly spaced one
	starts   []time.Time // the last limit starts, as a ring
	oldest   int
}

// set changes the limit. Starts of the last second stay counted as well as the new limit allows.
func (p *pace) set(limit int) {
	if limit == p.limit {
		return
	}
	past := append(append([]time.Time(nil), p.starts[p.oldest:]...), p.starts[:p.oldest]...)
	p.limit, p.oldest = limit, 0
	if limit == 0 {
		p.interval, p.starts = 0, nil
		return
	}
	p.interval = second / time.Duration(limit)
	p.starts = make([]time.Time, limit)
	past = past[max(0, len(past)-limit):]
	copy(p.starts[limit-len(past):], past)
}

// next returns the earliest time of the next start.
func (p *pace) next() time.Time {
	if p.limit == 0 {
		return time.Time{}
	}
	next := p.slot
	if first := p.starts[p.oldest]; !first.IsZero() && first.Add(second).After(next) {
		next = first.Add(second)
	}
	return next
}

// take counts a start.
func (p *pace) take(now time.Time) {
	if p.limit == 0 {
		return
	}
	if floor := now.Add(-min(lateness, p.interval)); p.slot.Before(floor) {
		p.slot = floor
	}
	p.slot = p.slot.Add(p.interval)
	p.starts[p.oldest] = now
	p.oldest = (p.oldest + 1) % p.limit
}

// grant is a run of starts reserved among all processes.
type grant struct {
	at       time.Time
	left     int
	interval time.Duration
}

// next returns the first start that is not past, and whether there is one.
func (g *grant) next(now time.Time) (time.Time, bool) {
	for g.left > 0 && now.Sub(g.at) > lateness {
		g.take()
	}
	return g.at, g.left > 0
}

func (g *grant) take() {
	g.at = g.at.Add(g.interval)
	g.left--
}
