package token

import "time"

// admit is asked before a request leaves. A failure means that it does not.
func (r *rotation) admit(now time.Time) error {
	if failure := r.simulated(now); failure != nil {
		return failure
	}
	return nil
}
