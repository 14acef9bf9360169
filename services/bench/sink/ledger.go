package sink

import (
	"context"
	"sync/atomic"
	"time"
)

// look is how often a waiting ledger looks at what arrived. It says nothing about the times it notes.
const look = 2 * time.Millisecond

// Report is what became of a range of ids, and of everything that could not be counted.
type Report struct {
	// FirstSeen is when each id first arrived, in nanoseconds since 1970; 0 if it never did.
	FirstSeen []int64 `json:"first_seen"`
	// Duplicates counts arrivals of these ids after their first.
	Duplicates int `json:"duplicates"`
	// Unauthorized and Malformed count requests without the credential and with a body that is none of ours, since the start.
	Unauthorized int `json:"unauthorized"`
	Malformed    int `json:"malformed"`
}

// ledger notes arrivals.
type ledger struct {
	first        []atomic.Int64  // unix nanoseconds, by id
	times        []atomic.Uint32 // by id
	arrivals     atomic.Int64
	unauthorized atomic.Int64
	malformed    atomic.Int64
}

func newLedger(ids int) *ledger {
	return &ledger{first: make([]atomic.Int64, ids), times: make([]atomic.Uint32, ids)}
}

func (l *ledger) note(id int) bool {
	if id < 0 || id >= len(l.first) {
		l.malformed.Add(1)
		return false
	}
	if l.times[id].Add(1) == 1 {
		l.first[id].Store(time.Now().UnixNano())
	}
	l.arrivals.Add(1)
	return true
}

// await returns when every id of the range has arrived, or nothing has for the time of patience.
func (l *ledger) await(ctx context.Context, from, to int, patience time.Duration) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	seen, since := l.arrivals.Load(), time.Now()
	for missing := from; ; {
		for missing < to && l.first[missing].Load() != 0 {
			missing++
		}
		if missing == to {
			return nil
		}
		if now := l.arrivals.Load(); now != seen {
			seen, since = now, time.Now()
		} else if time.Since(since) >= patience {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (l *ledger) report(from, to int) Report {
	r := Report{
		FirstSeen:    make([]int64, to-from),
		Unauthorized: int(l.unauthorized.Load()),
		Malformed:    int(l.malformed.Load()),
	}
	for i := range r.FirstSeen {
		r.FirstSeen[i] = l.first[from+i].Load()
		r.Duplicates += max(0, int(l.times[from+i].Load())-1)
	}
	return r
}
