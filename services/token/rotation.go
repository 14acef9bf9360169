package token

import "time"

// RotationState says how far a rotation got. The names are those of the API.
type RotationState string

// The states of a rotation. Each is durable before the next step is taken.
const (
	// RotationIntent: recorded; the request may or may not have left.
	RotationIntent RotationState = "INTENT"
	// RotationResponded: the answer is stored, sealed, and not yet applied.
	RotationResponded RotationState = "RESPONDED"
	// RotationCommitted: the new generation is in force.
	RotationCommitted RotationState = "COMMITTED"
	// RotationFailed: it failed, as FailureClass says.
	RotationFailed RotationState = "FAILED"
	// RotationAbandoned: its process ended before the outcome was known; the request could be repeated.
	RotationAbandoned RotationState = "ABANDONED"
	// RotationLost: its process ended, or the answer was lost, and the request cannot be repeated.
	RotationLost RotationState = "LOST"
)

// Open reports whether the rotation has no outcome yet.
func (s RotationState) Open() bool { return s == RotationIntent || s == RotationResponded }

// Trigger is what set a rotation off. The names are those of the API.
type Trigger string

// The triggers.
const (
	TriggerAuthorize  Trigger = "AUTHORIZE"
	TriggerSchedule   Trigger = "SCHEDULE"
	TriggerCaller     Trigger = "CALLER"
	TriggerMinTTL     Trigger = "MIN_TTL"
	TriggerRejected   Trigger = "REJECTED"
	TriggerSimulation Trigger = "SIMULATION"
	TriggerRecovery   Trigger = "RECOVERY"
)

// Rotation is the journal entry of one attempt to get a token's next generation.
type Rotation struct {
	Key Key
	// ID is a ULID: later rotations of a token sort after earlier ones.
	ID string
	// Generation it was to make.
	Generation int64
	// Revision of the settings that its request was made with; 0 before they are known.
	Revision int64
	// Kind of grant; empty before the settings are known.
	Kind    Kind
	State   RotationState
	Trigger Trigger
	// Fence of the lease under which it was begun.
	Fence int64

	StartTime, SentTime, RespondedTime, EndTime time.Time
	// RequestSent tells whether any part of the request may have left. For a grant that cannot be repeated it is stored
	// before the request is made.
	RequestSent bool
	// Repeatable tells whether the request can be made again without harm. False only for single-use refresh tokens.
	Repeatable bool
	// RefreshTokenFingerprint names the refresh token that was redeemed, if any.
	RefreshTokenFingerprint string
	// KeyThumbprint names the key that the request proves possession of (RFC 9449); empty: none.
	KeyThumbprint string
	// Challenges is how often the server asked for another nonce instead of processing the request. What was sent before the last challenge was
	// not redeemed.
	Challenges int

	// HasLead tells whether there was a former generation that expires; Lead is the validity that it had left.
	HasLead bool
	Lead    time.Duration

	FailureClass   Class
	FailureMessage string
	HTTPStatus     int
	TraceID        string
}

// end closes the entry.
func (r *Rotation) end(state RotationState, now time.Time) {
	r.State, r.EndTime = state, now
}

// resolution is what becomes of an open journal entry whose process is gone.
type resolution int

const (
	// resolveNone: there is nothing to resolve.
	resolveNone resolution = iota
	// resolveApply: its answer is stored; apply that.
	resolveApply
	// resolveRepeat: it is abandoned; make another request.
	resolveRepeat
	// resolveLost: the request may have been made and cannot be repeated.
	resolveLost
)

// resolve decides by what the journal knows, never by a guess.
func (r *Rotation) resolve() resolution {
	switch {
	case r == nil || !r.State.Open():
		return resolveNone
	case r.State == RotationResponded:
		return resolveApply
	case r.RequestSent && !r.Repeatable:
		return resolveLost
	default:
		return resolveRepeat
	}
}
