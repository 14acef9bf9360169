package quota

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxHold bounds how long an answer can keep calls from being made: what it says may be wrong, or for one of the API's parts only.
const MaxHold = 5 * time.Minute

// maxHolds bounds how many tokens' holds are remembered. Forgetting one costs a call that is refused.
const maxHolds = 10_000

// Rules are how an API speaks of its limits. The zero value: status 429 and Retry-After.
type Rules struct {
	Remaining  string // header with what is left; empty: none
	Reset      string // header that says when the limit is whole again; empty: none
	ResetKind  string // how it is written: SECONDS or empty, EPOCH, EPOCH_MILLISECONDS, RFC3339
	RetryAfter string // header that says when to come back; empty: Retry-After
	Statuses   []int  // that mean a limit, besides 429, where nothing is left or RetryAfter is given
}

// Limited reports whether an answer means that the limit is used up, and until when; zero if it does not say.
func (r Rules) Limited(status int, header http.Header, now time.Time) (until time.Time, limited bool) {
	if status != http.StatusTooManyRequests && !slices.Contains(r.Statuses, status) {
		return time.Time{}, false
	}
	spent := r.Remaining != "" && strings.TrimSpace(header.Get(r.Remaining)) == "0"
	after, told := After(header.Get(r.retryAfter()), now)
	if status != http.StatusTooManyRequests && !spent && !told {
		return time.Time{}, false
	}
	if told {
		return after, true
	}
	if r.Reset != "" && (spent || r.Remaining == "") {
		if at, ok := r.resetTime(header.Get(r.Reset), now); ok {
			return at, true
		}
	}
	return time.Time{}, true
}

func (r Rules) retryAfter() string {
	if r.RetryAfter == "" {
		return "Retry-After"
	}
	return r.RetryAfter
}

func (r Rules) resetTime(value string, now time.Time) (time.Time, bool) {
	value = strings.TrimSpace(value)
	if r.ResetKind == "RFC3339" {
		at, err := time.Parse(time.RFC3339, value)
		return at, err == nil
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(number) || number < 0 || number > 1e14 {
		return time.Time{}, false
	}
	switch r.ResetKind {
	case "EPOCH":
		return time.UnixMilli(int64(number * 1e3)), true
	case "EPOCH_MILLISECONDS":
		return time.UnixMilli(int64(number)), true
	default:
		return now.Add(time.Duration(math.Min(number, 1e9) * float64(time.Second))), true
	}
}

// After reads a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date.
func After(value string, now time.Time) (time.Time, bool) {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(seconds) && seconds >= 0 {
		return now.Add(time.Duration(math.Min(seconds, 1e9) * float64(time.Second))), true
	}
	date, err := http.ParseTime(value)
	return date, err == nil
}

// Holds are the tokens with which no call should be made, and until when. The zero value is empty and ready for use; it is safe for
// concurrent use.
type Holds struct {
	mu     sync.Mutex
	tokens map[string]time.Time
}

// Hold keeps a token back until a time, at most for [MaxHold].
func (h *Holds) Hold(token string, until, now time.Time) {
	if latest := now.Add(MaxHold); until.After(latest) {
		until = latest
	}
	if !until.After(now) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tokens == nil {
		h.tokens = map[string]time.Time{}
	}
	if len(h.tokens) >= maxHolds {
		for other := range h.tokens {
			delete(h.tokens, other)
			break
		}
	}
	h.tokens[token] = until
}

// Left returns for how long a token is still kept back; 0 if it is not.
func (h *Holds) Left(token string, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.tokens[token]
	if !ok {
		return 0
	}
	if !until.After(now) {
		delete(h.tokens, token)
		return 0
	}
	return until.Sub(now)
}
