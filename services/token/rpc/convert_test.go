package rpc

import (
	"testing"

	"github.com/stretchr/testify/require"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/token"
)

// TestStatusOfAChangedRevision: while an older generation is in use, the status says what becomes of the revision that is wanted.
func TestStatusOfAChangedRevision(t *testing.T) {
	t.Parallel()
	of := token.Token{State: token.StateAuthorized, Generation: 4, GenerationRevision: 1, Revision: 1}
	failure := &token.Failure{Class: token.ClassClientBroken, Reason: token.ReasonClientBroken, Message: "invalid_client"}

	of.LastFailure = failure
	status := statusProto(&of) // of refreshing: nothing else is wanted
	require.Zero(t, status.GetWantedRevision())
	require.Zero(t, status.GetWantedReason())
	require.Empty(t, status.GetWantedMessage())

	of.Revision, of.LastFailure = 2, nil
	status = statusProto(&of)
	require.EqualValues(t, 1, status.GetRevision())
	require.EqualValues(t, 2, status.GetWantedRevision())
	require.Zero(t, status.GetWantedReason())

	of.LastFailure = failure
	status = statusProto(&of)
	require.EqualValues(t, 2, status.GetWantedRevision())
	require.Equal(t, errorsv1.Reason_CLIENT_BROKEN, status.GetWantedReason())
	require.Equal(t, "invalid_client", status.GetWantedMessage())

	of.State, of.Reason, of.Message = token.StateDeauthorized, failure.Reason, failure.Message // the older one ended
	status = statusProto(&of)
	require.EqualValues(t, 2, status.GetRevision())
	require.Equal(t, errorsv1.Reason_CLIENT_BROKEN, status.GetStateReason())
	require.Zero(t, status.GetWantedRevision())
	require.Zero(t, status.GetWantedReason())
}
