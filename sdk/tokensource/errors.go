package tokensource

import (
	"errors"
	"fmt"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

var (
	// ErrClosed is returned by reads after [Source.Close].
	ErrClosed = errors.New("tokensource: closed")
	// ErrExpired is wrapped by the error of a read when the token at hand has
	// expired and no newer one has arrived.
	ErrExpired = errors.New("token expired")
	// ErrNotReceived is wrapped by the error of a read when no state of the
	// token has been received yet.
	ErrNotReceived = errors.New("no state received")
	// ErrNoAccessToken is wrapped by [Source.Token] and [Source.TokenContext]
	// when the connection's credential is no OAuth access token but an API key
	// or Basic: use [Source.RoundTripper] or [Source.PerRPCCredentials].
	ErrNoAccessToken = errors.New("credential is not an access token")
	// ErrInsecure is wrapped by the error of a request that would have sent a
	// credential over an unprotected connection.
	ErrInsecure = errors.New("refusing to send a credential over plain http to another host")
)

// StateError tells that the token service has no valid token at the moment, and
// why. It holds no secret.
type StateError struct {
	// Name is the token's resource name.
	Name string
	// State is AUTHORIZING, FAILED_CONNECTIVITY (both pass without anybody's
	// help) or DEAUTHORIZED (somebody must repair what Reason names).
	State tokenv1.Token_State
	// Reason is the stable, machine-readable cause.
	Reason errorsv1.Reason
	// Message is the same for people.
	Message string
}

// Error implements error.
func (e *StateError) Error() string {
	text := fmt.Sprintf("%s is %s", e.Name, e.State)
	if e.Reason != errorsv1.Reason_REASON_UNSPECIFIED {
		text += " (" + e.Reason.String() + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// stateError returns the error for a token that is not AUTHORIZED.
func stateError(token *tokenv1.Token) *StateError {
	return &StateError{
		Name:    token.GetName(),
		State:   token.GetState(),
		Reason:  token.GetStateReason(),
		Message: token.GetStateMessage(),
	}
}

// needsRepair reports whether err says that no token is to be had before
// somebody repairs something.
func needsRepair(err error) bool {
	var state *StateError
	return errors.As(err, &state) && state.State == tokenv1.Token_DEAUTHORIZED
}
