package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stateEvent is an event of source freshet.connection as a target gets it.
type stateEvent struct {
	Source     string
	DetailType string `json:"detail-type"`
	Detail     struct{ Connection, State, StateReason, PreviousState string }
}

// testStateEvents lets a rule deliver the changes of a connection's state like any other event.
func testStateEvents(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.connect(t, "sink", s.apiKey())
	s.destine(t, "freshet.connection", "sink", "/apikey/state", map[string]any{"pathParameterValues": nil, "inputPath": nil})

	s.connect(t, "crm", s.oauth2())
	s.awaitEvent(t, "Connection Creation Started")
	require.Equal(t, "AUTHORIZED", s.awaitEvent(t, "Connection Authorized").Detail.State)
	s.ok(t, http.MethodPost, s.connection("crm")+":deauthorize", nil, nil)
	event := s.awaitEvent(t, "Connection Deauthorized")
	require.Equal(t, "DEAUTHORIZED", event.Detail.State)
	require.Equal(t, "DEAUTHORIZED", event.Detail.StateReason)
	watched := s.watchToken(t.Context(), t, s.token("crm"), false)
	s.ok(t, http.MethodDelete, s.connection("crm"), nil, nil)
	s.awaitEvent(t, "Connection Deletion Started")
	var end message
	for end.Problem == nil {
		var err error
		end, err = watched.next()
		require.NoError(t, err)
	}
	require.Equal(t, "TOKEN_NOT_FOUND", end.Problem.Reason)
	require.Equal(t, http.StatusNotFound, end.Problem.Status)

	// Nobody else can speak for the suite.
	var result putResult
	s.ok(t, http.MethodPost, s.path()+"/buses/default:putEvents", entry("freshet.connection", "forged"), &result)
	require.Equal(t, 1, result.FailedEntryCount)
	require.Equal(t, "NotAuthorizedForSourceException", result.Entries[0].ErrorCode)
	require.Zero(t, s.api.Stats().Unauthorized)
}

// awaitEvent waits until the API got an event of this type about the connection crm.
func (s *scene) awaitEvent(t testing.TB, detailType string) stateEvent {
	t.Helper()
	var found stateEvent
	eventually(t, detailType, patience, func() error {
		var types []string
		for _, call := range s.api.Received() {
			var event stateEvent
			require.NoError(t, json.Unmarshal(call.Body, &event))
			require.Equal(t, "freshet.connection", event.Source)
			if event.Detail.Connection == s.project+"/connections/crm" {
				types = append(types, event.DetailType)
			}
			if event.DetailType == detailType {
				found = event
			}
		}
		return on(slices.Contains(types, detailType), "%q", types)
	})
	return found
}
