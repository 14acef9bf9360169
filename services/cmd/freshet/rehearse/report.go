package rehearse

import (
	"strconv"
	"time"
)

// Step is what one part of a rehearsal showed.
type Step struct {
	Name     string        `json:"name"` // EXPIRY, or the failure class
	Start    time.Time     `json:"start"`
	Took     Seconds       `json:"tookSeconds"`
	From     int64         `json:"fromGeneration"`
	To       int64         `json:"toGeneration"` // the same if no next one came
	Lead     Seconds       `json:"leadSeconds"`  // validity that the former generation had left when the next arrived; negative: it had expired
	Without  Seconds       `json:"withoutTokenSeconds"`
	Held     Seconds       `json:"heldSeconds"` // requests were to be held back, because the refresh ends the old token
	Refusals int           `json:"failedAttempts"`
	Restored bool          `json:"restored"` // the generation got its own expiry back, because no next one came
	Problem  string        `json:"problem,omitempty"`
	Saw      []Observation `json:"saw"`
}

// OK reports whether consumers had a valid token all the time, and the next one in the end.
func (s Step) OK() bool { return s.Problem == "" && s.Without == 0 && s.To > s.From }

// Report is what a rehearsal showed.
type Report struct {
	Token       string  `json:"token"`
	Steps       []Step  `json:"steps"`
	Without     Seconds `json:"withoutTokenSeconds"`
	Interrupted bool    `json:"interrupted"`
	// Clean says that nothing simulated is left.
	Clean bool `json:"clean"`
}

// OK reports whether the rehearsal went to its end and consumers had a valid token all the time.
func (r *Report) OK() bool {
	for _, s := range r.Steps {
		if !s.OK() {
			return false
		}
	}
	return !r.Interrupted && r.Clean
}

// Seconds is a duration that is written as a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', 3, 64), nil
}
