package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// photos is one interface over two drives, whose APIs have nothing in common.
const photos = `{
	"operations": {
		"listPhotos": {"paged": true, "input": {"type": "object", "properties": {"album": {"type": "string"}}, "additionalProperties": false},
			"output": {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}},
		"getPhoto": {"input": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
			"output": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
		"downloadPhoto": {"raw": true, "input": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
		"spin": {}, "misfit": {"output": {"type": "integer"}}, "huge": {"paged": true}
	},
	"mappings": {
		"alpha": {"operations": {
			"listPhotos": {"path": "/files", "query": {"album": "{{.album}}"}, "output": ".files",
				"pagination": {"kind": "CURSOR", "parameter": "pageToken", "next": ".nextPageToken"}},
			"getPhoto": {"path": "/files/{{.id}}"},
			"downloadPhoto": {"path": "/files/{{.id}}", "query": {"alt": "media"}},
			"spin": {"path": "/files/1", "output": "until(false; .)"},
			"misfit": {"path": "/files/1", "output": ".name"},
			"huge": {"path": "/huge", "pagination": {"kind": "PAGE", "parameter": "page", "more": "true"}}
		}, "errors": [{"when": "$status >= 400", "message": ".error.message"}]},
		"beta": {"operations": {
			"listPhotos": {"path": "/photos", "output": "[.photos[] | {id: (.number | tostring), name: .title}]", "pagination": {"kind": "LINK"}},
			"getPhoto": {"method": "POST", "path": "/lookup", "body": "{number: (.id | tonumber)}", "output": "{id: (.number | tostring)}",
				"errors": [{"when": ".ok == false", "kind": "NOT_FOUND", "message": ".why"}]},
			"downloadPhoto": {"path": "/content/{{.id}}", "headers": {"Accept": "image/jpeg"}, "follow_redirects": true}
		}}
	}
}`

// alpha pages by tokens, two files a page, and beta by links.
func alpha(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/alpha/files")
	switch from, _ := strconv.Atoi(r.URL.Query().Get("pageToken")); {
	case r.Header.Get("X-Api-Key") != canary:
		http.Error(w, "{}", http.StatusUnauthorized)
	case r.URL.Path == "/alpha/huge":
		_, _ = fmt.Fprintf(w, `["%s"]`, strings.Repeat("x", 1<<20))
	case id == "" && from == 4:
		_, _ = fmt.Fprint(w, `{"files": [{"id": "a5", "name": "last"}]}`)
	case id == "":
		_, _ = fmt.Fprintf(w, `{"files": [{"id": "a%d", "name": "%s"}, {"id": "a%d", "name": "-"}], "nextPageToken": "%d"}`, from+1, r.URL.Query().Get("album"), from+2, from+2)
	case id == "/gone":
		w.Header().Set("Retry-After", "7")
		http.Error(w, `{"error": {"message": "no such file"}}`, http.StatusNotFound)
	case id == "/busy":
		http.Error(w, `<html>`, http.StatusTeapot)
	case r.URL.Query().Get("alt") == "media":
		_, _ = fmt.Fprint(w, "the photo")
	default:
		_, _ = fmt.Fprintf(w, `{"id": "%s", "name": "a name"}`, id[1:])
	}
}

func beta(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/beta/lookup":
		var asked struct{ Number int }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		if asked.Number == 7 {
			_, _ = fmt.Fprint(w, `{"ok": true, "number": 7}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"ok": false, "why": "unknown number"}`)
	case r.URL.Query().Get("from") == "2":
		_, _ = fmt.Fprint(w, `{"photos": [{"number": 8, "title": "second"}]}`)
	case r.URL.Query().Get("from") == "elsewhere":
		w.Header().Set("Link", `<https://evil.example/photos>; rel="next"`)
		_, _ = fmt.Fprint(w, `{"photos": []}`)
	default:
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/beta/photos?from=2>; rel="next"`, r.Host))
		_, _ = fmt.Fprint(w, `{"photos": [{"number": 7, "title": "first"}]}`)
	}
}

// calling is a suite with the interface photos and a connection to each drive.
func calling(t *testing.T) *through {
	t.Helper()
	drives := http.NewServeMux()
	drives.HandleFunc("/alpha/", alpha)
	drives.HandleFunc("/beta/", beta)
	api := httptest.NewServer(drives)
	t.Cleanup(api.Close)
	p := newThrough(t, func(http.ResponseWriter, *http.Request) {}, nil)
	for _, id := range []string{"alpha", "beta"} {
		p.connect(t, id, fmt.Sprintf(`{"apiKey":{"name":"X-Api-Key","value":"%s"},"apiBaseUrl":"%s/%s"}`, canary, api.URL, id))
	}
	body, err := json.Marshal(map[string]string{"definition": photos, "description": "two drives"})
	require.NoError(t, err)
	var created struct{ Mappings []string }
	require.NoError(t, json.Unmarshal([]byte(p.call(t, "POST", project+"/interfaces?interfaceId=photos", string(body))), &created))
	require.Equal(t, []string{"alpha", "beta"}, created.Mappings)
	return p
}

// called is an answer of Call.
type called struct {
	Output, NextPageToken string
	Pages                 int
	Download              struct {
		URI     string
		Headers map[string]string
	}
	Reason   string
	Detail   string
	Metadata map[string]string
}

// operation calls an operation; fields are further ones of the request, as JSON.
func (p *through) operation(t *testing.T, on, operation, input, fields string) (called, int) {
	t.Helper()
	quoted, err := json.Marshal(input)
	require.NoError(t, err)
	text, status := p.try(t, "POST", project+"/connections/"+on+":call", fmt.Sprintf(`{"interface":"photos","operation":"%s","input":%s%s}`, operation, quoted, fields))
	var out called
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	require.NotContains(t, text, canary)
	return out, status
}

// TestCall does the same operations on two drives.
func TestCall(t *testing.T) {
	p := calling(t)
	first, status := p.operation(t, "alpha", "listPhotos", `{"album": "sea & sun"}`, "")
	require.Equal(t, http.StatusOK, status, first.Detail)
	require.JSONEq(t, `[{"id":"a1","name":"sea & sun"},{"id":"a2","name":"-"}]`, first.Output)
	require.Equal(t, 1, first.Pages)
	rest, _ := p.operation(t, "alpha", "listPhotos", `{"album": "sea & sun"}`, `,"allPages":true,"pageToken":"`+first.NextPageToken+`"`)
	require.JSONEq(t, `[{"id":"a3","name":"sea & sun"},{"id":"a4","name":"-"},{"id":"a5","name":"last"}]`, rest.Output)
	require.Equal(t, 2, rest.Pages)
	require.Empty(t, rest.NextPageToken)
	other, status := p.operation(t, "alpha", "listPhotos", `{"album": "other"}`, `,"pageToken":"`+first.NextPageToken+`"`)
	require.Equal(t, "INVALID_PAGE_TOKEN", other.Reason)
	require.Equal(t, http.StatusBadRequest, status)

	// Bounds: so many pages, so many items, so many bytes.
	some, _ := p.operation(t, "alpha", "listPhotos", ``, `,"allPages":true,"maxPages":2`)
	require.Equal(t, 2, some.Pages)
	require.NotEmpty(t, some.NextPageToken)
	some, _ = p.operation(t, "alpha", "listPhotos", ``, `,"allPages":true,"maxItems":3`)
	require.Equal(t, 2, some.Pages)
	some, _ = p.operation(t, "alpha", "huge", ``, `,"allPages":true`)
	require.Equal(t, 2, some.Pages, "a third MiB would be too much")
	require.NotEmpty(t, some.NextPageToken)

	all, _ := p.operation(t, "beta", "listPhotos", `{}`, `,"allPages":true`)
	require.JSONEq(t, `[{"id":"7","name":"first"},{"id":"8","name":"second"}]`, all.Output)

	one, _ := p.operation(t, "alpha", "getPhoto", `{"id": "a b"}`, "")
	require.JSONEq(t, `{"id": "a b", "name": "a name"}`, one.Output)
	one, _ = p.operation(t, "beta", "getPhoto", `{"id": "7"}`, "")
	require.JSONEq(t, `{"id": "7"}`, one.Output)
	one, _ = p.operation(t, "beta", "getPhoto", `{"id": "a"}`, `,"mapping":"alpha"`)
	require.Equal(t, "MAPPING_FAILED", one.Reason, "the other drive's mapping does not fit this one")

	raw, _ := p.operation(t, "alpha", "downloadPhoto", `{"id": "a1"}`, "")
	require.Equal(t, "/proxy/v1/projects/default/connections/alpha/files/a1?alt=media", raw.Download.URI)
	response, text := p.do(t, "GET", strings.TrimPrefix(raw.Download.URI, "/proxy/v1/projects/default/connections/"), nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "the photo", text)
	raw, _ = p.operation(t, "beta", "downloadPhoto", `{"id": "7"}`, "")
	require.Equal(t, map[string]string{"Accept": "image/jpeg", "Freshet-Redirects": "follow"}, raw.Download.Headers)
}

// TestCallErrors: what an API's errors become, and what is refused before any call.
func TestCallErrors(t *testing.T) {
	p := calling(t)
	for _, c := range []struct {
		on, operation, input string
		status               int
		reason, detail       string
		metadata             map[string]string
	}{
		{"alpha", "getPhoto", `{"id": "gone"}`, 404, "UPSTREAM_ERROR", "no such file", map[string]string{"kind": "NOT_FOUND", "upstreamStatus": "404"}},
		{"alpha", "getPhoto", `{"id": "busy"}`, 500, "UPSTREAM_ERROR", "the API answered 418", map[string]string{"kind": "UNEXPECTED", "upstreamStatus": "418"}},
		{"beta", "getPhoto", `{"id": "9"}`, 404, "UPSTREAM_ERROR", "unknown number", map[string]string{"kind": "NOT_FOUND", "upstreamStatus": "200"}},
		{"alpha", "getPhoto", `{"id": "a/b"}`, 400, "MAPPING_FAILED", "path gives . or .., a slash or a backslash", nil},
		{"alpha", "getPhoto", `{}`, 400, "INVALID_FIELD", "input.id: is required", nil},
		{"alpha", "getPhoto", `{`, 400, "INVALID_FIELD", "input: is no JSON", nil},
		{"alpha", "spin", ``, 400, "MAPPING_FAILED", "output did not end within 1s", nil},
		{"alpha", "misfit", ``, 400, "MAPPING_FAILED", "output does not fit the operation's schema: got string, want integer", nil},
		{"alpha", "fly", ``, 404, "OPERATION_NOT_FOUND", "no operation fly", nil},
		{"beta", "spin", ``, 404, "OPERATION_NOT_FOUND", "the mapping beta does not have the operation spin", nil},
		{"crm", "getPhoto", `{"id": "1"}`, 404, "OPERATION_NOT_FOUND", "no mapping for the connection crm", nil},
		{"none", "getPhoto", `{"id": "1"}`, 404, "CONNECTION_NOT_FOUND", "", nil},
		{"alpha/grants/nobody", "getPhoto", `{"id": "1"}`, 404, "TOKEN_NOT_FOUND", "", nil},
	} {
		got, status := p.operation(t, c.on, c.operation, c.input, "")
		require.Equal(t, c.status, status, "%+v: %+v", c, got)
		require.Equal(t, c.reason, got.Reason, "%+v", c)
		require.Contains(t, got.Detail, c.detail)
		require.Equal(t, c.metadata, got.Metadata)
	}
	text, status := p.try(t, "POST", project+"/connections/alpha:call", `{"interface":"none","operation":"x"}`)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, text, "INTERFACE_NOT_FOUND")

	// A new definition counts at once, and ends the tokens of the one before.
	page, _ := p.operation(t, "alpha", "listPhotos", ``, "")
	body, err := json.Marshal(map[string]string{"definition": strings.Replace(photos, `"/files/{{.id}}"}`, `"/files/other"}`, 1)})
	require.NoError(t, err)
	p.call(t, "PATCH", project+"/interfaces/photos", string(body))
	one, _ := p.operation(t, "alpha", "getPhoto", `{"id": "1"}`, "")
	require.JSONEq(t, `{"id": "other", "name": "a name"}`, one.Output)
	page, _ = p.operation(t, "alpha", "listPhotos", ``, `,"pageToken":"`+page.NextPageToken+`"`)
	require.Equal(t, "INVALID_PAGE_TOKEN", page.Reason)
}
