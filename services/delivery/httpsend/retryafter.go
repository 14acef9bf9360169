package httpsend

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a destination can ask for; no delivery lives that long.
const maxRetryAfter = 10 * 365 * 24 * time.Hour

// retryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date. Seconds may be negative, which to EventBridge means
// not to try again. A date that is past is 0. Nil: there is none, or it cannot be read.
func retryAfter(value string, now time.Time) *time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return nil
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(seconds) {
		limit := maxRetryAfter.Seconds()
		after := time.Duration(math.Max(-limit, math.Min(limit, seconds)) * float64(time.Second))
		return &after
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return nil
	}
	after := min(max(0, date.Sub(now)), maxRetryAfter)
	return &after
}
