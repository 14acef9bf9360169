package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

const (
	matchTarget = 0.75
	matchEvents = 1024 // different events
	matchBatch  = 64   // events between two looks at the clock
)

// MatchConfig says what Match does.
type MatchConfig struct {
	// Round is how long each number of rules is measured in a round; 1 ms to 1 min.
	Round time.Duration
	// Rounds is how often; 1 to 100.
	Rounds int
}

// Validate returns what is wrong.
func (c *MatchConfig) Validate() error {
	if c.Round < time.Millisecond || c.Round > time.Minute {
		return fmt.Errorf("round: %v is not within 1ms to 1m", c.Round)
	}
	return within("rounds", c.Rounds, 1, 100)
}

// MatchResult is what Match measured. docs/benchmarks.md defines the figures.
type MatchResult struct {
	Name string `json:"name"`
	// Ratio is the rate with the most rules to that with one.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	Rates      []MatchRate `json:"rates"`
	EventBytes int         `json:"event_bytes"` // on average, with the most rules
	Cores      int         `json:"cores"`
}

// MatchRate is how fast events are matched against so many rules.
type MatchRate struct {
	Rules           int     `json:"rules"`
	EventsPerSecond float64 `json:"events_per_second_per_core"`
}

// matchRun is a number of rules with events for them.
type matchRun struct {
	index  *pattern.Index
	events [][]byte
	next   int
	best   float64
}

// Match measures on one core how fast events are matched against the rules of a bus. Each event matches exactly one, however many
// there are. Rounds of the numbers of rules alternate; of each, the best one counts, as other processes can only slow one down.
func Match(ctx context.Context, config MatchConfig) (*MatchResult, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sizes := []int{1, 100, 10_000}
	runs := make([]*matchRun, len(sizes))
	for i, n := range sizes {
		var err error
		if runs[i], err = newMatchRun(n); err != nil {
			return nil, err
		}
	}
	for range config.Rounds {
		for _, r := range runs {
			if err := r.measure(ctx, config.Round); err != nil {
				return nil, err
			}
		}
	}
	most := runs[len(runs)-1]
	result := &MatchResult{Name: "match", Target: matchTarget, Ratio: rounded(quotient(most.best, runs[0].best)), Cores: runtime.GOMAXPROCS(0)}
	for i, r := range runs {
		result.Rates = append(result.Rates, MatchRate{Rules: sizes[i], EventsPerSecond: rounded(r.best)})
	}
	for _, e := range most.events {
		result.EventBytes += len(e)
	}
	result.EventBytes /= len(most.events)
	return result, nil
}

func newMatchRun(rules int) (*matchRun, error) {
	entries := make([]pattern.Entry, rules)
	for i := range entries {
		p, err := pattern.Compile(fmt.Sprintf(
			`{"source":["shop.orders"],"detail-type":["OrderCompleted","OrderPaid"],"detail":{"customer":{"id":["customer-%05d"]}}}`, i))
		if err != nil {
			return nil, err
		}
		entries[i] = pattern.Entry{ID: pattern.RuleID(fmt.Sprintf("rule-%05d", i)), Pattern: p}
	}
	r := &matchRun{index: pattern.NewIndex(entries), events: make([][]byte, matchEvents)}
	random := rand.New(rand.NewPCG(1, uint64(rules)))
	for i := range r.events {
		r.events[i] = matchEvent(i, random.IntN(rules))
	}
	return r, nil
}

// matchEvent is an event of about 800 bytes, most of which no rule asks for.
func matchEvent(n, customer int) []byte {
	var lines []string
	for i := range 3 {
		lines = append(lines, fmt.Sprintf(`{"sku":"SKU-%06d","quantity":%d,"price":{"amount":%d.%02d,"currency":"EUR"}}`, n*7+i, i+1, 10+n%90, n%100))
	}
	return fmt.Appendf(nil, `{"version":"0","id":"01JNQ4Y5Z6A7B8C9D0E1%06d","detail-type":"OrderCompleted","source":"shop.orders","account":"default",`+
		`"time":"2026-03-01T12:00:%02dZ","region":"local","resources":["urn:shop:order:%d"],"detail":{"orderId":"order-%d","customer":{"id":"customer-%05d",`+
		`"email":"somebody@example.com","segment":"returning","newsletter":true},"lines":[%s],"shipping":{"method":"parcel","address":{"street":"Ringstrasse 1",`+
		`"city":"Wien","postalCode":"1010","country":"AT"}},"total":%d.5,"note":"please leave it with the neighbours if nobody is at home"}}`,
		n, n%60, n, n, customer, strings.Join(lines, ","), 30+n)
}

// measure matches events for so long.
func (r *matchRun) measure(ctx context.Context, round time.Duration) error {
	begin := time.Now()
	for n := matchBatch; ; n += matchBatch {
		for range matchBatch {
			if len(r.index.Match(r.events[r.next])) != 1 {
				return fmt.Errorf("an event matches another number of rules than one: %s", r.events[r.next])
			}
			r.next = (r.next + 1) % len(r.events)
		}
		if taken := time.Since(begin); taken >= round {
			r.best = max(r.best, perSecond(n, taken))
			return ctx.Err()
		}
	}
}
