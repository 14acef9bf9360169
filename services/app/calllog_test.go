package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCallLog: each call through the proxy can be looked up, without what may be secret.
func TestCallLog(t *testing.T) {
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/gone") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprintf(w, "saw %s", canary)
	}, nil)
	response, _ := p.do(t, "POST", "crm/items/7?token="+canary, strings.NewReader("hello "+canary))
	require.Equal(t, http.StatusOK, response.StatusCode)
	response, _ = p.do(t, "GET", "crm/gone", nil)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	response, text := p.do(t, "GET", "crm/x", nil, "Freshet-Host", "elsewhere.example")
	requireRefused(t, response, text, http.StatusBadRequest, "PROXY_REQUEST_REFUSED")

	p.until(t, project+"/calls?resource="+strings.TrimPrefix(project, "/v1/")+"/connections/crm", "PROXY_REQUEST_REFUSED")
	all := p.call(t, "GET", project+"/calls", "")
	require.NotContains(t, all, canary)
	var list struct {
		Calls []struct {
			Method, Path, Host, StatusClass, Reason, RequestBytes, ResponseBytes, TraceID string
			StatusCode                                                                    int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(all), &list))
	require.Len(t, list.Calls, 3)
	refused, gone, made := list.Calls[0], list.Calls[1], list.Calls[2]
	require.Equal(t, "PROXY_REQUEST_REFUSED", refused.Reason)
	require.Equal(t, "NO_ANSWER", refused.StatusClass)
	require.Equal(t, "CLIENT_ERROR", gone.StatusClass)
	require.Equal(t, "POST", made.Method)
	require.Equal(t, "/v2/items/7", made.Path)
	require.Equal(t, strings.TrimPrefix(p.api.URL, "http://"), made.Host)
	require.Equal(t, http.StatusOK, made.StatusCode)
	require.Equal(t, fmt.Sprint(len("hello "+canary)), made.RequestBytes)
	require.Equal(t, fmt.Sprint(len("saw "+canary)), made.ResponseBytes)
}
