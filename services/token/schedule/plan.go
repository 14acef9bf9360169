package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
	"time"
)

// Window returns how long before its expiry a token of the given lifetime may be refreshed at the earliest: 5 min for
// lifetimes up to 20 min, 15 min below 90 min, else 60 min, or the given override if that is positive. Never more than
// half the lifetime, so that every token is used for longer than it is waited on.
//
// The table is that of the AWS SDKs' advisory refresh (aws-sdk-go-v2, aws/credential_cache.go).
func Window(lifetime, override time.Duration) time.Duration {
	window := override
	switch {
	case window > 0:
	case lifetime <= 20*time.Minute:
		window = 5 * time.Minute
	case lifetime < 90*time.Minute:
		window = 15 * time.Minute
	default:
		window = 60 * time.Minute
	}
	return min(window, max(lifetime, 0)/2)
}

// mandatory is how long before expiry callers begin to wait for the next generation, at most.
const mandatory = time.Minute

// Plan returns when a generation that lives from issue to expire shall be refreshed, and when it must be.
//
// The time is spread over the last quarter before the window opens fully, by a number that is drawn once for the
// generation: tokens that were obtained in the same second are not refreshed in the same second. Drawing again at every
// look would let the earliest draw win and undo the spread.
func Plan(name string, generation int64, issue, expire time.Time, override time.Duration) (refreshAt, mustRefreshAt time.Time) {
	window := Window(expire.Sub(issue), override)
	lead := time.Duration(float64(window) * (0.75 + 0.25*Jitter(name, generation)))
	return expire.Add(-lead), expire.Add(-min(mandatory, window/4))
}

// Late returns when a generation is refreshed that must have some age before: from then on, spread over a quarter of what is left of its
// life.
func Late(name string, generation int64, notBefore, expire time.Time) time.Time {
	left := max(expire.Sub(notBefore), 0)
	return notBefore.Add(time.Duration(float64(left/4) * Jitter(name, generation)))
}

// KeepAlive returns after how long at the latest a generation is refreshed that must be at least every so often: in the last tenth.
func KeepAlive(name string, generation int64, every time.Duration) time.Duration {
	return every - time.Duration(float64(every/10)*Jitter(name, generation))
}

// Jitter returns a number in [0, 1) that is the same for a name and generation in every process, and unrelated for others.
func Jitter(name string, generation int64) float64 {
	sum := sha256.Sum256([]byte(name + "#" + strconv.FormatInt(generation, 10)))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// Bounds of Backoff.
const (
	firstBackoff = time.Second
	minBackoff   = 100 * time.Millisecond
	maxBackoff   = 5 * time.Minute
	// maxFloor bounds what is waited at least when the limit is drawn from the time to or since expiry.
	maxFloor = 10 * time.Second
)

// Backoff returns how long to wait after so many failures in a row: a random part of a limit that doubles from 1 s with
// every failure up to 5 min.
//
// A token that expires bounds the limit: before its expiry by a quarter of the life that remains, so that several attempts
// are left, after it by half of the time since, so that a consumer that stands still does not wait for the backoff of an
// outage that was over in time. Neither goes below a floor by the lifetime, or a server that is down would be asked ever
// faster. remaining is negative after the expiry; lifetime is 0 where there is none. random returns numbers in [0, 1).
func Backoff(failures int, remaining, lifetime time.Duration, random func() float64) time.Duration {
	limit := maxBackoff
	if exponent := failures - 1; exponent < 16 { // beyond, the limit is reached and the shift might overflow
		limit = min(limit, firstBackoff<<max(exponent, 0))
	}
	if lifetime > 0 {
		bound := remaining / 4
		if remaining < 0 {
			bound = -remaining / 2
		}
		limit = min(limit, max(bound, min(lifetime/200, maxFloor)))
	}
	limit = max(limit, minBackoff)
	return minBackoff + time.Duration(math.Floor(random()*float64(limit-minBackoff+1)))
}
