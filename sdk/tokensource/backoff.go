package tokensource

import (
	"math/rand/v2"
	"time"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// backoff spaces attempts: each ceiling is twice the one before, from
// minBackoff to maxBackoff. The zero value is ready.
type backoff struct {
	ceiling time.Duration
}

// reset starts again at minBackoff.
func (b *backoff) reset() { b.ceiling = 0 }

// next returns the delay before the next attempt: random between half and all
// of the ceiling, which limit lowers, though not below minBackoff. The limit
// comes before the jitter, so that clients with the same limit still spread.
func (b *backoff) next(limit time.Duration) time.Duration {
	b.ceiling = min(max(2*b.ceiling, minBackoff), maxBackoff)
	ceiling := min(b.ceiling, max(limit, minBackoff))
	return ceiling/2 + rand.N(ceiling/2+1)
}
