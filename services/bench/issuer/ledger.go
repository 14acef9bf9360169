package issuer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// look is how often a waiting ledger looks at what was redeemed. It says nothing about the times it notes.
const look = 2 * time.Millisecond

// Grant is the text of a grant's refresh token: that of its serial-th successor, 0 being the one it begins with.
func Grant(number, serial int) string { return fmt.Sprintf("rt.%d.%d", number, serial) }

// parse is the inverse of [Grant].
func parse(text string) (number, serial int, ok bool) {
	text, ours := strings.CutPrefix(text, "rt.")
	first, second, two := strings.Cut(text, ".")
	number, err1 := strconv.Atoi(first)
	serial, err2 := strconv.Atoi(second)
	return number, serial, ours && two && err1 == nil && err2 == nil && number >= 0 && serial >= 0
}

// Range is N grants with the numbers From, From+Step, From+2*Step and so on.
type Range struct{ From, Step, N int }

func (r Range) number(i int) int { return r.From + i*r.Step }

// in reports whether there are such grants among as many.
func (r Range) in(grants int) bool {
	return r.From >= 0 && r.Step >= 1 && r.N >= 0 && (r.N == 0 || r.number(r.N-1) < grants)
}

// Report is what became of a range of grants.
type Report struct {
	// Redeemed counts redemptions, the first and last of them at First and Last, nanoseconds since 1970.
	Redeemed int   `json:"redeemed"`
	First    int64 `json:"first"`
	Last     int64 `json:"last"`
	// Missing counts grants that were not redeemed.
	Missing int `json:"missing"`
	// Total counts redemptions of all grants since the start.
	Total int `json:"total"`
	// Refused counts requests since the start that were none of the client's, or redeemed what was redeemed before.
	Refused int `json:"refused"`
}

// ledger notes redemptions, by the number of the grant.
type ledger struct {
	serials  []atomic.Int64 // the next to be redeemed
	first    []atomic.Int64 // unix nanoseconds
	last     []atomic.Int64
	redeemed atomic.Int64
	refused  atomic.Int64
}

func newLedger(grants int) *ledger {
	return &ledger{serials: make([]atomic.Int64, grants), first: make([]atomic.Int64, grants), last: make([]atomic.Int64, grants)}
}

// redeem takes a refresh token and returns its successor, or false: it is not the one that is due.
func (l *ledger) redeem(text string) (string, bool) {
	number, serial, ok := parse(text)
	if !ok || number >= len(l.serials) || !l.serials[number].CompareAndSwap(int64(serial), int64(serial)+1) {
		l.refused.Add(1)
		return "", false
	}
	now := time.Now().UnixNano()
	l.first[number].CompareAndSwap(0, now)
	l.last[number].Store(now)
	l.redeemed.Add(1)
	return Grant(number, serial+1), true
}

// await returns when every grant of the range has been redeemed, or nothing has for the time of patience.
func (l *ledger) await(ctx context.Context, of Range, patience time.Duration) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	seen, since := l.redeemed.Load(), time.Now()
	for missing := 0; ; {
		for missing < of.N && l.serials[of.number(missing)].Load() > 0 {
			missing++
		}
		if missing == of.N {
			return nil
		}
		if now := l.redeemed.Load(); now != seen {
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

func (l *ledger) report(of Range) Report {
	r := Report{Total: int(l.redeemed.Load()), Refused: int(l.refused.Load())}
	for i := range of.N {
		i = of.number(i)
		n := int(l.serials[i].Load())
		if n == 0 {
			r.Missing++
			continue
		}
		r.Redeemed += n
		if first := l.first[i].Load(); r.First == 0 || first < r.First {
			r.First = first
		}
		r.Last = max(r.Last, l.last[i].Load())
	}
	return r
}
