package commands

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProxy: an API is called from the command line, and never shows its credential.
func TestProxy(t *testing.T) {
	s := startSuite(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != apiKeySecret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Kind", r.Header.Get("X-Kind"))
		if r.URL.Path == "/v2/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	}))
	t.Cleanup(api.Close)
	s.run(exitDone, "kind: Connection\nid: shop\napiKey: {name: X-Api-Key, value: "+apiKeySecret+"}\napiBaseUrl: "+api.URL+"/v2\n", "apply", "-f", "-", "--wait", "10s")
	require.Contains(t, s.run(exitDone, "", "proxy", "shop", "items/7?fields=name"), "GET /v2/items/7?fields=name ")
	require.Contains(t, s.run(exitDone, "hello", "proxy", "shop", "/items", "-d", "-", "-H", "X-Kind: test", "-i"), "POST /v2/items hello")
	require.Contains(t, s.run(exitFailed, "", "proxy", "shop", "missing"), "the API answered 404 Not Found")
	require.Contains(t, s.run(exitFailed, "", "proxy", "none", "x"), "CONNECTION_NOT_FOUND")
	require.Contains(t, s.run(exitUsage, "", "proxy", "shop", "-H", "wrong"), "--header")
}
