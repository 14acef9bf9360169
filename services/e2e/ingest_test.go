package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// send posts a body and returns the status and the event that it became.
func (r *rest) send(t *testing.T, path, body string, header http.Header) (status int, event string) {
	t.Helper()
	answered, err := r.open(t.Context(), http.MethodPost, path, body, header)
	require.NoError(t, err)
	defer answered.Body.Close()
	var result struct{ EventID string }
	require.NoError(t, json.NewDecoder(answered.Body).Decode(&result))
	return answered.StatusCode, result.EventID
}

// testIngest: a webhook's request from somebody without a key, and a CloudEvent, are delivered as any event.
func testIngest(t *testing.T, w World) {
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "shop", "crm", "/orders/*", nil)
	hook := secret()
	var created struct{ IngestPath string }
	s.ok(t, http.MethodPost, s.path()+"/buses/default/webhooks?webhookId=shop", map[string]any{
		"signature": map[string]any{"scheme": "GITHUB", "secret": hook}, "source": "shop",
	}, &created)

	outside := *s.rest
	outside.key = ""
	const body = `{"id":"7"}`
	mac := hmac.New(sha256.New, []byte(hook))
	_, _ = mac.Write([]byte(body))
	header := http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
	status, _ := outside.send(t, created.IngestPath, `{"id":"8"}`, header)
	require.Equal(t, http.StatusUnauthorized, status)
	status, event := outside.send(t, created.IngestPath, body, header)
	require.Equal(t, http.StatusAccepted, status)
	s.awaitDelivery(t, event, "SUCCEEDED")

	const cloudEvent = `{"specversion":"1.0","id":"c-9","source":"shop","type":"OrderCompleted","data":{"id":"9"}}`
	header = http.Header{"Content-Type": {"application/cloudevents+json"}}
	status, _ = outside.send(t, s.path()+"/buses/default/cloudevents", cloudEvent, header)
	require.Equal(t, http.StatusUnauthorized, status)
	status, event = s.send(t, s.path()+"/buses/default/cloudevents", cloudEvent, header)
	require.Equal(t, http.StatusAccepted, status)
	_, again := s.send(t, s.path()+"/buses/default/cloudevents", cloudEvent, header)
	require.Equal(t, event, again)
	s.awaitDelivery(t, event, "SUCCEEDED")
	require.Len(t, s.api.Delivered(), 2)
}
