package quota

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimits bounds how many tokens' calls are counted. Forgetting one gives it its burst again.
const maxLimits = 10_000

// Limits count the calls that are made with each token. The zero value is ready for use; it is safe for concurrent use.
type Limits struct {
	mu     sync.Mutex
	tokens map[string]*rate.Limiter
}

// Take counts a call with a token of which so many may be made in a second, and so many at once after a pause. It returns for how long the
// call has to wait instead; 0 if it may be made.
func (l *Limits) Take(token string, perSecond float64, burst int, now time.Time) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.tokens[token]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
		l.remember(token, limiter, now)
	}
	if limiter.Limit() != rate.Limit(perSecond) {
		limiter.SetLimitAt(now, rate.Limit(perSecond))
	}
	if limiter.Burst() != burst {
		limiter.SetBurstAt(now, burst)
	}
	reservation := limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// remember makes room where there is none, by those that have their burst again if it meets one. l.mu is held.
func (l *Limits) remember(token string, limiter *rate.Limiter, now time.Time) {
	if l.tokens == nil {
		l.tokens = map[string]*rate.Limiter{}
	}
	if len(l.tokens) >= maxLimits {
		looked, chosen := 0, ""
		for other, of := range l.tokens { // in no order
			chosen = other
			if looked++; looked == looks || of.TokensAt(now) >= float64(of.Burst()) {
				break
			}
		}
		delete(l.tokens, chosen)
	}
	l.tokens[token] = limiter
}

// looks is how many of them are looked at for one to make room.
const looks = 50
