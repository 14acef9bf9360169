package token

import (
	"errors"
	"time"
)

// Reason says why, for programs. The names are those of freshet.errors.v1.Reason.
type Reason string

// The reasons that tokens and rotations can have.
const (
	ReasonNotReady           Reason = "TOKEN_NOT_READY"
	ReasonExpired            Reason = "TOKEN_EXPIRED"
	ReasonDeauthorized       Reason = "DEAUTHORIZED"
	ReasonGrantDead          Reason = "GRANT_DEAD"
	ReasonClientBroken       Reason = "CLIENT_BROKEN"
	ReasonConfiguration      Reason = "CONFIGURATION"
	ReasonThrottled          Reason = "THROTTLED"
	ReasonAmbiguous          Reason = "AMBIGUOUS"
	ReasonNotSent            Reason = "NOT_SENT"
	ReasonTooEarly           Reason = "TOO_EARLY"
	ReasonRotationLost       Reason = "ROTATION_LOST"
	ReasonSecretUnreadable   Reason = "SECRET_UNREADABLE"
	ReasonEgressDenied       Reason = "EGRESS_DENIED"
	ReasonConnectionNotFound Reason = "CONNECTION_NOT_FOUND"
	ReasonProviderNotFound   Reason = "PROVIDER_NOT_FOUND"
	ReasonServiceUnavailable Reason = "SERVICE_UNAVAILABLE"
	ReasonStoreUnavailable   Reason = "STORE_UNAVAILABLE"
	ReasonInternalFault      Reason = "INTERNAL_FAULT"
	ReasonChallenged         Reason = "CHALLENGED"
	ReasonIDTokenRefused     Reason = "ID_TOKEN_REFUSED"
)

// Class sorts what can go wrong by what must follow from it. The names are those of freshet.token.v1.FailureClass.
type Class string

// The classes of failure.
const (
	// ClassGrantDead: the authorization server says that the grant is dead. Ends attempts.
	ClassGrantDead Class = "GRANT_DEAD"
	// ClassClientBroken: the client itself is refused. Ends attempts.
	ClassClientBroken Class = "CLIENT_BROKEN"
	// ClassConfiguration: cannot work as configured. Ends attempts.
	ClassConfiguration Class = "CONFIGURATION"
	// ClassThrottled: tried again when the server said.
	ClassThrottled Class = "THROTTLED"
	// ClassAmbiguous: sent, outcome unknown. Tried again where that is safe.
	ClassAmbiguous Class = "AMBIGUOUS"
	// ClassNotSent: never left. Tried again.
	ClassNotSent Class = "NOT_SENT"
	// ClassTooEarly: the server does not refresh yet. Tried later; not a failure of anything.
	ClassTooEarly Class = "TOO_EARLY"
	// ClassChallenged: the server asks for one nonce after the other (RFC 9449 section 8) and redeemed nothing. Tried again.
	ClassChallenged Class = "CHALLENGED"
	// ClassOurs: a fault of the suite. Tried again.
	ClassOurs Class = "OURS"
)

// EndsAttempts reports whether no further attempt can succeed before somebody repairs something.
func (c Class) EndsAttempts() bool {
	return c == ClassGrantDead || c == ClassClientBroken || c == ClassConfiguration
}

// Failure is what went wrong with an attempt to get the next generation. It is an error.
//
//nolint:errname // a fact that is stored and shown; being an error is the least of it
type Failure struct {
	Class  Class
	Reason Reason
	// Message is for people, with what the authorization server said. No secrets, at most MaxMessage bytes.
	Message string
	// Time is when it happened.
	Time time.Time
	// RetryAfter is how long the server asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// HTTPStatus of the answer; 0 without one.
	HTTPStatus int
	// Sent tells whether any part of the request may have left.
	Sent bool
	// Held means that nothing was asked because of what other requests met: it does not end attempts, nor count as one.
	Held bool
	// Simulated means that nothing failed: SimulateFailure asked for it.
	Simulated bool
}

// MaxMessage bounds the messages kept with tokens and rotations, in bytes. The API promises at most 512 characters.
const MaxMessage = 512

// Error implements error.
func (f *Failure) Error() string { return "token: " + string(f.Class) + ": " + f.Message }

// Errors of the use cases, besides those of the store and [*NotUsableError].
var (
	// ErrNotFound means that there is no token of that name.
	ErrNotFound = errors.New("token: not found")
	// ErrStateConflict means that the token's state does not allow the call. The message says which does.
	ErrStateConflict = errors.New("token: its state does not allow this")
	// ErrShuttingDown means that the process is stopping.
	ErrShuttingDown = errors.New("token: shutting down")
	// ErrSuperseded means that a credential is not the current one any more.
	ErrSuperseded = errors.New("token: the credential is not the current one any more")
	// ErrNotBound means that the token is not bound to a key.
	ErrNotBound = errors.New("token: not bound to a key")
	// ErrNotSigned means that requests with the token are not signed.
	ErrNotSigned = errors.New("token: not of OAuth 1.0a")
	// ErrUnsupported means that settings ask for something that cannot be done with them.
	ErrUnsupported = errors.New("token: not supported")
)

// NotUsableError means that there is no credential to hand out at the moment.
type NotUsableError struct {
	Key     Key
	State   State
	Reason  Reason
	Message string
	// NextAttempt is when the next attempt is made; zero if none is.
	NextAttempt time.Time
}

// Error implements error.
func (e *NotUsableError) Error() string {
	text := "token: " + e.Key.Name() + " is " + string(e.State)
	if e.Reason != "" {
		text += " (" + string(e.Reason) + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// clip shortens a text to at most limit bytes at a character's boundary.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xc0 == 0x80 { // inside a UTF-8 sequence
		limit--
	}
	return text[:limit]
}
