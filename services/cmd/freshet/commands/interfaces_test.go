package commands

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInterfaces: a file is judged and tried without a server, and then called.
func TestInterfaces(t *testing.T) {
	const file = `{"operations": {"list": {"paged": true}, "fetch": {"raw": true}},
		"mappings": {"shop": {"operations": {
			"list": {"path": "/items", "output": ".items", "pagination": {"kind": "CURSOR", "parameter": "after", "next": ".next"}},
			"fetch": {"path": "/items/7", "headers": {"Accept": "image/png"}}}}}}`
	s := startSuite(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			_, _ = io.WriteString(w, `{"items": [1], "next": "n"}`)
			return
		}
		_, _ = io.WriteString(w, `{"items": [2]}`)
	}))
	t.Cleanup(api.Close)
	require.Contains(t, s.run(exitDone, file, "interfaces", "lint", "-"), "-: 2 operations, 1 mappings: no problems")
	require.Contains(t, s.run(exitFailed, "{}", "interfaces", "lint", "-"), "-:1:1: mappings: is required")
	require.Contains(t, s.run(exitDone, "", "interfaces", "schema"), "urn:freshet:interface")

	require.Contains(t, s.run(exitDone, file, "interfaces", "put", "stock", "-", "--description", "what there is"), "stock: fetch, list, etag ")
	require.Contains(t, s.run(exitDone, file, "interfaces", "put", "stock", "-"), "-1", "nothing changed")
	require.Contains(t, s.run(exitDone, "", "interfaces", "list"), "what there is")
	require.Contains(t, s.run(exitDone, "", "interfaces", "get", "stock"), `"paged": true`)

	dry := []string{"interfaces", "dry-run", "../../../../docs/interfaces/photos.json", "--mapping", "google-drive", "--operation", "listPhotos"}
	require.Contains(t, s.run(exitDone, "", dry...), "GET /files?fields=")
	printed := s.run(exitDone, `{"files": [{"id": "7", "name": "a.jpg"}], "nextPageToken": "n"}`, append(dry, "--answer", "-")...)
	require.Contains(t, printed, "next page: --cursor n")
	require.Contains(t, printed, `"id": "7"`)
	require.Contains(t, s.run(exitDone, `{"error": {"message": "no"}}`, append(dry, "--answer", "-", "--status", "404")...), "error: NOT_FOUND (404) no")
	require.Contains(t, s.run(exitFailed, `{"files": [{"id": 7}]}`, append(dry, "--answer", "-")...), "the mapping does not fit the answer: output[0]")

	s.run(exitDone, "kind: Connection\nid: shop\napiKey: {name: X-Api-Key, value: "+apiKeySecret+"}\napiBaseUrl: "+api.URL+"\n", "apply", "-f", "-", "--wait", "10s")
	require.Contains(t, s.run(exitDone, "", "call", "shop", "stock.list", "--all"), "[\n  1,\n  2\n]")
	require.Contains(t, s.run(exitDone, "", "call", "shop", "stock.list"), "--page-token ")
	require.Contains(t, s.run(exitDone, "", "call", "shop", "stock.fetch"), "/proxy/v1/projects/default/connections/shop/items/7")
	require.Contains(t, s.run(exitFailed, "{", "call", "shop", "stock.list", "--input", "-"), "INVALID_FIELD: input: is no JSON")
	require.Contains(t, s.run(exitUsage, "", "call", "shop", "list"), "interface.operation")
	s.run(exitDone, "", "interfaces", "delete", "stock")
	require.Contains(t, s.run(exitFailed, "", "call", "shop", "stock.list"), "INTERFACE_NOT_FOUND")
}
