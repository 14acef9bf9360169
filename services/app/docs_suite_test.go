package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/app"
)

// suite is a running suite that has done everything that leaves a trace in its metrics.
type suite struct{ addrs app.Addrs }

const project = "/v1/projects/default"

// call makes a REST call with the admin key and returns the body of its answer, which must be a success.
func (s suite) call(t *testing.T, method, path, body string) string {
	t.Helper()
	text, status := s.try(t, method, path, body)
	require.Equal(t, http.StatusOK, status, text)
	return text
}

func (s suite) try(t *testing.T, method, path, body string) (string, int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addrs.HTTP+path, strings.NewReader(body))
	require.NoError(t, err)
	key, err := os.ReadFile(s.addrs.AdminKeyFile)
	require.NoError(t, err)
	request.Header.Set("X-Api-Key", strings.TrimSpace(string(key)))
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	return string(text), response.StatusCode
}

// until looks until the answer to GET path has the text.
func (s suite) until(t *testing.T, path, want string) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for {
		text, _ := s.try(t, "GET", path, "")
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-again.C:
		case <-timeout.C:
			require.FailNow(t, "not in time", "%s: want %q, got %s", path, want, text)
		}
	}
}

// worked returns a suite that has obtained tokens and delivered an event.
func worked(t *testing.T) suite {
	t.Helper()
	var issued atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, issued.Add(1))
	}))
	t.Cleanup(other.Close)
	addrs, _ := run(t, func(c *app.Config) { c.Egress.Allow, c.Egress.AllowHTTP = []string{"loopback"}, true })
	s := suite{addrs}
	s.call(t, "POST", project+"/connections?connectionId=crm", fmt.Sprintf(
		`{"oauth2":{"grantType":"CLIENT_CREDENTIALS","tokenEndpoint":"%[1]s/token","clientId":"c","clientSecret":"s"},"apiBaseUrl":"%[1]s/api"}`, other.URL))
	s.call(t, "POST", project+"/destinations?destinationId=orders", fmt.Sprintf(
		`{"connection":"projects/default/connections/crm","endpoint":"%s/orders"}`, other.URL))
	s.call(t, "POST", project+"/buses/default/rules?ruleId=all",
		`{"eventPattern":"{\"source\":[\"shop\"]}","targets":[{"id":"t","destination":"projects/default/destinations/orders"}]}`)
	s.until(t, project+"/connections/crm/token", `"AUTHORIZED"`)
	s.call(t, "POST", project+"/connections/crm/token:refresh", "")
	s.call(t, "GET", "/proxy"+project+"/connections/crm/items", "")
	s.call(t, "POST", project+"/buses/default:putEvents", `{"entries":[{"source":"shop","detailType":"Order","detail":"{}"}]}`)
	s.until(t, project+"/deliveries", `"SUCCEEDED"`)
	s.call(t, "POST", project+"/buses/default/schedules?scheduleId=daily",
		`{"expression":"rate(1 day)","event":{"source":"clock","detailType":"Day"}}`)
	s.until(t, project+"/buses/default/schedules/daily", `"lastRunTime"`)
	s.until(t, "/metrics", "freshet_token_push_duration_seconds_count")
	return s
}
