package demo

import (
	"errors"
	"fmt"
	"time"
)

// ErrFailed is wrapped by the error of a demo that ran to its end and did not show what it should.
var ErrFailed = errors.New("the demo failed")

// Summary is what a demo came to.
type Summary struct {
	// Rotations are the generations obtained beyond the first of each OAuth connection, by the token service's history.
	Rotations int `json:"rotations"`
	// Pushes are the generations that arrived at the demo's watchers after the first of each connection, a changed API key's included.
	Pushes int `json:"pushes"`
	// MinLeadMS is the least validity, in milliseconds, that a token had left when the next one arrived at its watcher; negative if it
	// had expired, 0 if there was no rotation.
	MinLeadMS int64 `json:"min_lead_ms"`
	// Events are those that were accepted.
	Events int `json:"events"`
	// Delivered are those of them that every API received that should.
	Delivered int `json:"delivered"`
	// Unauthorized are the 401s that the APIs answered.
	Unauthorized int `json:"unauthorized"`
	// Lost are the events that were accepted and not delivered within 30 s after the last was put.
	Lost int `json:"lost"`
	// Duplicates are deliveries that an API received more than once.
	Duplicates int `json:"duplicates"`
	// Attempts are the calls that reached the APIs.
	Attempts int `json:"attempts"`
	// ServedExpired are the tokens that the suite handed out and that had expired then, by its metric freshet.token.served_expired.
	ServedExpired int `json:"served_expired"`
	// Refused are the events that could not be put.
	Refused int `json:"refused"`
}

// verdict returns what is wrong with the summary of a run of the given length.
func (s *Summary) verdict(ran, lifetime time.Duration) error {
	var errs []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: %s", ErrFailed, fmt.Sprintf(format, args...)))
		}
	}
	must(s.Lost == 0, "%d of %d accepted events did not arrive", s.Lost, s.Events)
	must(s.Unauthorized == 0, "%d calls were answered 401", s.Unauthorized)
	must(s.ServedExpired == 0, "%d expired tokens were handed out", s.ServedExpired)
	must(s.Refused == 0, "%d events could not be put", s.Refused)
	if ran > 2*lifetime {
		must(s.Rotations > 0, "no token was rotated in %s", ran.Round(time.Second))
		must(s.Events > 0, "no event was accepted in %s", ran.Round(time.Second))
	}
	return errors.Join(errs...)
}
