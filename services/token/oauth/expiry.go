package oauth

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/token"
)

// maxLifetime bounds lifetimes, against overflow and against numbers that are none.
const maxLifetime = 10 * 366 * 24 * time.Hour

// expiry infers when a token expires: from expires_in, else from expires_at, from the token's own claim exp if it is a JWT,
// from the connection's default lifetime. There is always an end: a token that names none is not taken for eternal.
//
// If the answer and exp name different times the earlier counts: an API that checks the claim would refuse the token
// from then on. A lifetime counts from the beginning of the request, which is not after the token was made.
func (d *document) expiry(start, end time.Time, access string, fallback time.Duration) (time.Time, token.ExpirySource) {
	var expire time.Time
	var source token.ExpirySource
	lifetime, ok := duration(d.fields.lookup(orDefault(d.dialect.ExpiresInPath, "expires_in")), d.dialect.ExpiresInUnit)
	if ok {
		expire, source = start.Add(lifetime), token.ExpiryExpiresIn
	} else if at, ok := moment(d.fields.lookup(orDefault(d.dialect.ExpiresAtPath, "expires_at"))); ok && at.After(end) {
		expire, source = earlier(at, start.Add(maxLifetime)), token.ExpiryExpiresAt
	}
	if exp, ok := jwtExpiry(access, start, end); ok && (source == "" || exp.Before(expire)) {
		expire, source = exp, token.ExpiryJWT
	}
	if source != "" {
		return expire, source
	}
	if fallback <= 0 {
		fallback = token.DefaultLifetime
	}
	return start.Add(fallback), token.ExpiryDefaultLifetime
}

// duration reads a lifetime in the given unit, 0 for seconds: a JSON number with or without fraction or exponent, or a string of
// one, or of one with a unit of its own, such as 3600s. Absent, 0, negative, and what is no number say nothing.
func duration(value any, unit time.Duration) (time.Duration, bool) {
	if unit <= 0 {
		unit = time.Second
	}
	number := text(value)
	count, err := strconv.ParseFloat(number, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		lifetime, err := time.ParseDuration(number)
		return min(lifetime, maxLifetime), err == nil && lifetime > 0
	}
	if math.IsNaN(count) || math.IsInf(count, 0) && err == nil || count <= 0 { // the text of an infinity says nothing; what is too large is
		return 0, false
	}
	if count >= float64(maxLifetime)/float64(unit) {
		return maxLifetime, true
	}
	lifetime := time.Duration(count * float64(unit))
	return lifetime, lifetime > 0
}

// maxEpochSeconds is the year 5138 in seconds and 1973 in milliseconds since 1970: what is more counts milliseconds.
const maxEpochSeconds = 1e11

// moment reads a time: seconds or milliseconds since 1970, or RFC 3339, also without a zone, which then is UTC.
func moment(value any) (time.Time, bool) {
	spelled := text(value)
	if count, err := strconv.ParseFloat(spelled, 64); err == nil {
		if count > maxEpochSeconds {
			count /= 1000
		}
		return epochTime(count)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", time.DateTime} {
		if at, err := time.Parse(layout, spelled); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// jwtExpiry reads the claim exp (RFC 7519 section 4.1.4) of a token that is a JWT. The signature is not checked: the claim
// only decides when to ask for the next token. If exp has passed by our clock, the clocks differ, and the claim's distance
// from iat is taken instead.
func jwtExpiry(access string, start, end time.Time) (time.Time, bool) {
	claims, ok := claimsOf(access)
	if !ok {
		return time.Time{}, false
	}
	exp, ok := epoch(claims["exp"])
	if !ok {
		return time.Time{}, false
	}
	if exp.After(end) {
		return earlier(exp, start.Add(maxLifetime)), true
	}
	iat, ok := epoch(claims["iat"])
	if !ok || !exp.After(iat) {
		return time.Time{}, false
	}
	return start.Add(min(exp.Sub(iat), maxLifetime)), true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// maxEpoch is the year 9999, beyond which a NumericDate is taken for nonsense.
const maxEpoch = 253402300799

// epoch reads a NumericDate (RFC 7519 section 2), which may have a fraction; also one that was written as a string.
func epoch(value any) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(text(value), 64)
	if err != nil {
		return time.Time{}, false
	}
	return epochTime(seconds)
}

func epochTime(seconds float64) (time.Time, bool) {
	if math.IsNaN(seconds) || seconds <= 0 || seconds > maxEpoch {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))).UTC(), true
}
