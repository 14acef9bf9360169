package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/token"
)

// maxLifetime bounds lifetimes, against overflow and against numbers that are none.
const maxLifetime = 10 * 366 * 24 * time.Hour

// expiry infers when a token expires: from expires_in, from the token's own claim exp if it is a JWT, from the connection's
// default lifetime. There is always an end: a token that names none is not taken for eternal.
//
// If both expires_in and exp are there the earlier counts: an API that checks the claim would refuse the token
// from then on. A lifetime counts from the beginning of the request, which is not after the token was made.
func expiry(start, end time.Time, expiresIn any, access string, fallback time.Duration) (time.Time, token.ExpirySource) {
	var expire time.Time
	var source token.ExpirySource
	if lifetime, ok := duration(expiresIn); ok {
		expire, source = start.Add(lifetime), token.ExpiryExpiresIn
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

// duration reads a number of seconds: a JSON number with or without fraction or exponent, or a string of one. Absent, 0,
// negative, and what is no number say nothing about the lifetime.
func duration(value any) (time.Duration, bool) {
	var text string
	switch v := value.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	default:
		return 0, false
	}
	seconds, err := strconv.ParseFloat(text, 64)
	outOfRange := errors.Is(err, strconv.ErrRange) && seconds > 0
	if err != nil && !outOfRange || err == nil && math.IsInf(seconds, 0) || math.IsNaN(seconds) || seconds <= 0 {
		return 0, false
	}
	if seconds >= maxLifetime.Seconds() {
		return maxLifetime, true
	}
	lifetime := time.Duration(seconds * float64(time.Second))
	return lifetime, lifetime > 0
}

// jwtExpiry reads the claim exp (RFC 7519 section 4.1.4) of a token that is a JWT. The signature is not checked: the claim
// only decides when to ask for the next token. If exp has passed by our clock, the clocks differ, and the claim's distance
// from iat is taken instead.
func jwtExpiry(access string, start, end time.Time) (time.Time, bool) {
	parts := strings.Split(access, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var claims struct {
		Expires json.Number `json:"exp"`
		Issued  json.Number `json:"iat"`
	}
	if decoder.Decode(&claims) != nil {
		return time.Time{}, false
	}
	exp, ok := epoch(claims.Expires)
	if !ok {
		return time.Time{}, false
	}
	if exp.After(end) {
		return earlier(exp, start.Add(maxLifetime)), true
	}
	iat, ok := epoch(claims.Issued)
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

// epoch reads a NumericDate (RFC 7519 section 2), which may have a fraction.
func epoch(number json.Number) (time.Time, bool) {
	seconds, err := number.Float64()
	if err != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > maxEpoch {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))).UTC(), true
}
