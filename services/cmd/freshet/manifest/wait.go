package manifest

import (
	"context"
	"errors"
	"fmt"
	"time"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// pollEvery is how often a connection's state is read. A first token usually takes a few hundred milliseconds.
const pollEvery = 200 * time.Millisecond

// ErrNotAuthorized means that a connection was not AUTHORIZED in time, or never will be without somebody repairing something.
var ErrNotAuthorized = errors.New("the connection is not authorized")

// wait waits until the connections among objects are AUTHORIZED, and returns an error for each that is not within limit.
func wait(ctx context.Context, clients Clients, objects []Object, limit time.Duration) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	late := false
	var errs []error
	for _, object := range objects {
		if object.Kind != "Connection" {
			continue
		}
		if err := waitFor(ctx, clients, object.Name, deadline.C, &late); err != nil {
			errs = append(errs, &ObjectError{Object: object, Err: err})
		}
	}
	return errors.Join(errs...)
}

// waitFor waits for one connection. Once the deadline has struck, late is true, and states are read but no longer waited for.
func waitFor(ctx context.Context, clients Clients, name string, deadline <-chan time.Time, late *bool) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		answer, err := clients.Connection.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: name})
		if err != nil {
			return err
		}
		connection := answer.GetConnection()
		switch {
		case connection.GetState() == connectionv1.Connection_AUTHORIZED:
			return nil
		case ended(connection):
			return fmt.Errorf("%w: %s", ErrNotAuthorized, describe(connection))
		case *late:
			return fmt.Errorf("%w in time: %s", ErrNotAuthorized, describe(connection))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			*late = true
		case <-ticker.C:
		}
	}
}

// ended reports whether nothing will change by itself: there is no token, or the one that is wanted instead of a former one, which is still
// in use, cannot be obtained.
func ended(c *connectionv1.Connection) bool {
	switch c.GetState() {
	case connectionv1.Connection_DEAUTHORIZED, connectionv1.Connection_DEAUTHORIZING, connectionv1.Connection_DELETING:
		return true
	case connectionv1.Connection_AUTHORIZING, connectionv1.Connection_UPDATING:
		return endsAttempts(c.GetStateReason())
	default:
		return false
	}
}

// endsAttempts reports whether no further attempt is made after a failure for this reason.
func endsAttempts(reason errorsv1.Reason) bool {
	switch reason {
	case errorsv1.Reason_CLIENT_BROKEN, errorsv1.Reason_GRANT_DEAD, errorsv1.Reason_ROTATION_LOST, errorsv1.Reason_CONFIGURATION,
		errorsv1.Reason_EGRESS_DENIED:
		return true
	default:
		return false
	}
}

func describe(c *connectionv1.Connection) string {
	text := "it is " + c.GetState().String()
	if c.GetStateReason() != 0 {
		text += ", " + c.GetStateReason().String()
	}
	if c.GetStateMessage() != "" {
		text += ": " + c.GetStateMessage()
	}
	return text
}
