package delivery

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Retries are spaced by exponential backoff with full jitter: after the n-th charged attempt, a random part of backoffBase × 2^(n-1), at
// most backoffCap, and not less than backoffFloor. At the cap, 185 retries take about a day, which is what EventBridge allows.
const (
	backoffBase  = time.Second
	backoffCap   = 15 * time.Minute
	backoffFloor = 50 * time.Millisecond
)

// maxMessage bounds error messages, in characters.
const maxMessage = 1024

// Statuses are what a destination means by statuses, where that differs from EventBridge. No status is in two lists.
type Statuses struct {
	Unauthorized []int // as 401
	Retryable    []int
	Permanent    []int
}

// classify says what a status means, as EventBridge does: 401, 407, 409, 429 and 5xx are tried again, other failures are not.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
func (s *Statuses) classify(status int) ErrorClass {
	switch {
	case status >= 200 && status <= 299:
		return NoFailure
	case slices.Contains(s.Unauthorized, status):
		return Unauthorized
	case slices.Contains(s.Retryable, status):
		return RetryableStatus
	case slices.Contains(s.Permanent, status):
		return PermanentStatus
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired:
		return Unauthorized
	case status == http.StatusConflict, status == http.StatusTooManyRequests, status >= 500 && status <= 599:
		return RetryableStatus
	}
	return PermanentStatus
}

// overlap returns a violation for a status in two lists.
func (s *Statuses) overlap() *Violation {
	seen := map[int]bool{}
	for _, list := range []struct {
		field    string
		statuses []int
	}{{"extra_unauthorized_statuses", s.Unauthorized}, {"retryable_statuses", s.Retryable}, {"permanent_statuses", s.Permanent}} {
		for _, status := range list.statuses {
			if seen[status] {
				return &Violation{"destination." + list.field, fmt.Sprintf("%d is in another list, too; a status means one thing", status)}
			}
			seen[status] = true
		}
	}
	return nil
}

// retryable tells whether another attempt may help.
func (c ErrorClass) retryable() bool {
	switch c {
	case RetryableStatus, Unauthorized, TimedOut, ConnectFailed, ConnectionBroken:
		return true
	case NoFailure, PermanentStatus, NoCredential, InvalidRequest, Denied:
	}
	return false
}

// code is the dead-letter code of a failure.
func (a *Attempt) code() ErrorCode {
	switch a.Class {
	case NoFailure:
		return NoError
	case RetryableStatus:
		if a.StatusCode == http.StatusTooManyRequests {
			return Throttling
		}
		return ErrorFromTarget
	case PermanentStatus:
		return ErrorFromTarget
	case Unauthorized, NoCredential:
		return NoPermissions
	case TimedOut:
		return Timeout
	case ConnectFailed, ConnectionBroken:
		return ConnectionFailure
	case InvalidRequest:
		if a.NoJSON {
			return InvalidJSON
		}
		return InvalidParameter
	case Denied:
		return EgressDenied
	}
	return InternalError
}

// after applies an attempt to its delivery: it ends, or the next attempt has a time.
func (d *Delivery) after(a *Attempt, payload string, now time.Time) {
	d.charge(a)
	var delay time.Duration
	if a.Class != NoFailure {
		delay = d.delay(a)
	}
	d.settle(a, payload, now, delay)
}

// charge counts an attempt.
func (d *Delivery) charge(a *Attempt) {
	d.Attempts = a.Number
	switch {
	case a.Class == Unauthorized && !d.AuthForgiven:
		d.AuthForgiven = true // the credential is renewed; that was not the destination's failure
	case !a.Free:
		d.Charged++
	}
}

// settle says what follows from an attempt that was counted. delay is the time to the next one, if there is to be one.
func (d *Delivery) settle(a *Attempt, payload string, now time.Time, delay time.Duration) {
	d.ErrorCode, d.ErrorMessage = a.code(), clip(a.Message)
	switch {
	case a.Class == NoFailure:
		d.State, d.EndTime = Succeeded, now
		d.ErrorCode, d.ErrorMessage = NoError, ""
	case !a.Class.retryable(), a.RetryAfter != nil && *a.RetryAfter < 0:
		d.bury(NotExhausted, payload, now)
	case d.Retries() >= d.Target.Retry.MaxRetries() && d.Charged > 0:
		d.bury(RetriesExhausted, payload, now)
	default:
		d.NextAttempt = now.Add(delay)
		if !d.NextAttempt.Before(d.ExpireTime) {
			d.bury(EventAgeExhausted, payload, now)
		}
	}
}

// delay is the time to the next attempt: the longer of the policy's and of what the destination asked for.
func (d *Delivery) delay(a *Attempt) time.Duration {
	var delay time.Duration
	if d.Charged > 0 {
		bound := min(backoffBase<<min(d.Charged-1, 20), backoffCap)
		delay = max(rand.N(bound), backoffFloor)
	}
	if a.Free {
		delay = max(delay, backoffFloor) // so that another one is the next probe
	}
	if a.RetryAfter != nil {
		delay = max(delay, *a.RetryAfter)
	}
	return delay
}

// bury ends a delivery as Dead.
func (d *Delivery) bury(condition Condition, payload string, now time.Time) {
	d.State, d.EndTime, d.Condition, d.Payload = Dead, now, condition, payload
}

// expire ends a delivery whose time is over, with the reason of its last failure, if it had one.
func (d *Delivery) expire(payload, why string, code ErrorCode, now time.Time) {
	if d.ErrorCode == NoError || code == NoPermissions {
		d.ErrorCode, d.ErrorMessage = code, clip(why)
	}
	d.bury(EventAgeExhausted, payload, now)
}

// statusMessage describes an answer that is a failure.
func statusMessage(status int, excerpt string) string {
	text := fmt.Sprintf("the destination answered %d %s", status, http.StatusText(status))
	if excerpt == "" {
		return strings.TrimSpace(text)
	}
	return strings.TrimSpace(text) + ": " + excerpt
}

// clip cuts a message to the characters it may have.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxMessage {
		return s
	}
	return string([]rune(s)[:maxMessage])
}
