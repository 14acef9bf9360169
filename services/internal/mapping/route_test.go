package mapping_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/mapping"
)

// only returns the one route of a file.
func only(t *testing.T, text string) *mapping.Route {
	t.Helper()
	parsed, err := mapping.Parse("", []byte(text))
	require.NoError(t, err)
	route, err := parsed.Route("acme", parsed.Operations()[0].Name)
	require.NoError(t, err)
	return route
}

func request(t *testing.T, route *mapping.Route, input string) (mapping.Request, error) {
	t.Helper()
	value, err := route.Operation.Input([]byte(input))
	require.NoError(t, err)
	return route.Request(t.Context(), value, "")
}

func TestRequest(t *testing.T) {
	route := only(t, file(`{
		"method": "POST", "path": "/v2/items/{{.id}}:{{.tags[0]}}/x%20y", "host": "files.example.com",
		"query": {"all": "{{.tags}}", "none": "{{.nothing}}", "n": "{{.tags | length}}", "mixed": "a {{.id}} b", "flag": "{{true}}", "braces": "{{ {a:{b:1}} | tojson }}"},
		"headers": {"Accept": "application/json", "X-Id": "{{.id}}", "X-None": "{{null}}"},
		"body": "{id, n: 12345678901234567890}"}`))
	got, err := request(t, route, `{"id": 9007199254740993, "tags": ["t ?#%", "u"]}`)
	require.NoError(t, err)
	require.Equal(t, mapping.Request{
		Method: "POST", Host: "files.example.com", Path: "v2/items/9007199254740993:t%20%3F%23%25/x%20y",
		Query:  "all=t+%3F%23%25&all=u&braces=%7B%22a%22%3A%7B%22b%22%3A1%7D%7D&flag=true&mixed=a+9007199254740993+b&n=2",
		Header: map[string]string{"Accept": "application/json", "X-Id": "9007199254740993", "Content-Type": "application/json"},
		Body:   []byte(`{"id":9007199254740993,"n":12345678901234567890}`),
	}, got)

	form := only(t, file(`{"method": "POST", "path": "/x", "form": {"id": "{{.id}}", "tag": "{{.tags}}"}}`))
	got, err = request(t, form, `{"id": "a&b", "tags": ["c", "d"]}`)
	require.NoError(t, err)
	require.Equal(t, "id=a%26b&tag=c&tag=d", string(got.Body))
	require.Equal(t, "application/x-www-form-urlencoded", got.Header["Content-Type"])
}

func TestRefusedValues(t *testing.T) {
	for name, c := range map[string]struct{ route, input, want string }{
		"slash":          {`{"path": "/x/{{.id}}"}`, `{"id": "a/b"}`, "path gives . or .., a slash or a backslash"},
		"dots":           {`{"path": "/x/{{.id}}"}`, `{"id": ".."}`, "path gives . or .."},
		"dots together":  {`{"path": "/x/.{{.id}}"}`, `{"id": "."}`, "path gives . or .."},
		"dot and text":   {`{"path": "/x/{{.id}}{{.tags}}"}`, `{"id": "a", "tags": []}`, "path gives array, where a text"},
		"nothing":        {`{"path": "/x/{{.id}}"}`, `{"id": ""}`, "path gives an empty text"},
		"null in path":   {`{"path": "/x/{{.tags}}"}`, `{"id": "1"}`, "path gives null, where a text"},
		"object":         {`{"path": "/x", "query": {"q": "{{.tags}}"}}`, `{"id": "1", "tags": {"a": 1}}`, "query.q gives object"},
		"header":         {`{"path": "/x", "headers": {"X-Id": "{{.id}}"}}`, `{"id": "a\r\nEvil: 1"}`, "headers.X-Id gives a control character"},
		"jq fails":       {`{"path": "/x", "query": {"q": "{{.id | keys}}"}}`, `{"id": "1"}`, "query.q fails: "},
		"two values":     {`{"path": "/x", "method": "POST", "body": ".id, .id"}`, `{"id": "1"}`, "body gives more than one value"},
		"no value":       {`{"path": "/x", "method": "POST", "body": "empty"}`, `{"id": "1"}`, "body gives no value"},
		"large":          {`{"path": "/x", "method": "POST", "body": "\"x\" * 4000000"}`, `{"id": "1"}`, "body gives more than 3 MiB"},
		"error by jq":    {`{"path": "/x", "method": "POST", "body": "error(\"not so\")"}`, `{"id": "1"}`, "body fails: error: not so"},
		"two dots by jq": {`{"path": "/x/{{\".\"}}{{\".\"}}"}`, `{"id": "1"}`, "path gives . or .."},
	} {
		_, err := request(t, only(t, file(c.route)), c.input)
		failed := &mapping.FailedError{}
		require.ErrorAs(t, err, &failed, name)
		require.ErrorContains(t, err, c.want, name)
	}
}

// TestEndlessExpressions: whatever runs on is ended, also where nothing is ever given. A loop never waits, so its time is real.
func TestEndlessExpressions(t *testing.T) {
	for _, body := range []string{"def f: f; f", "until(false; .)", "[limit(10; repeat(empty))]"} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			_, err := request(t, only(t, file(`{"path": "/x", "method": "POST", "body": `+strconv.Quote(body)+`}`)), `{"id": "1"}`)
			require.ErrorContains(t, err, "body did not end within 1s")
		})
	}
}

func TestCallerLeaves(t *testing.T) {
	route := only(t, file(`{"path": "/x", "method": "POST", "body": "until(false; .)"}`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := route.Request(ctx, map[string]any{"id": "1"}, "")
	require.ErrorIs(t, err, context.Canceled)
}

func TestInput(t *testing.T) {
	route := only(t, file(`{"path": "/x"}`))
	for input, want := range map[string]mapping.Violation{
		"":           {Field: "id", Description: "is required"},
		"{":          {Description: "is no JSON: unexpected EOF"},
		"[]":         {Description: "got array, want object"},
		`{"id": []}`: {Field: "id", Description: "got array, want integer or string"},
	} {
		_, err := route.Operation.Input([]byte(input))
		wrong := &mapping.InputError{}
		require.ErrorAs(t, err, &wrong, input)
		require.Equal(t, []mapping.Violation{want}, wrong.Violations)
	}
	none := only(t, `{"operations": {"a": {}}, "mappings": {"acme": {"operations": {"a": {"path": "/"}}}}}`)
	_, err := none.Operation.Input([]byte(`{"x": 1}`))
	require.ErrorContains(t, err, "x: there is no such field")
}

func TestOutput(t *testing.T) {
	route := only(t, `{"operations": {"a": {"output": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}}},
		"mappings": {"acme": {"operations": {"a": {"path": "/", "output": "{id: .n, s: $status, h: $headers[\"x-y\"], i: $input}"}}}}}`)
	output, err := route.Answer(t.Context(), mapping.Exchange{
		Input: map[string]any{}, Status: 201, Header: map[string]string{"x-y": "z"}, Body: []byte(`{"n": 123456789012345678901}`),
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"id": 123456789012345678901, "s": 201, "h": "z", "i": {}}`, string(output.Value))
	for body, want := range map[string]string{
		`{"n": "7"}`: "output does not fit the operation's schema: id: got string, want integer",
		`<html>`:     "output cannot be had: the body of the answer is no JSON",
		`[]`:         "output fails: expected an object but got: array",
	} {
		_, err := route.Answer(t.Context(), mapping.Exchange{Status: 200, Body: []byte(body)})
		failed := &mapping.FailedError{}
		require.ErrorAs(t, err, &failed, body)
		require.ErrorContains(t, err, want)
	}
	bare := only(t, file(`{"path": "/x"}`))
	output, err = bare.Answer(t.Context(), mapping.Exchange{Status: 204})
	require.NoError(t, err)
	require.Equal(t, "null", string(output.Value))
}

func TestErrorsOfTheAPI(t *testing.T) {
	route := only(t, file(`{"path": "/x", "errors": [
		{"status": 200, "when": ".ok == false", "kind": "NOT_FOUND", "message": ".why"},
		{"status": 403, "when": ".why == \"quota\"", "kind": "RATE_LIMITED"},
		{"when": "$headers[\"x-down\"]", "kind": "UNAVAILABLE", "message": "\"it is down\""}]}`))
	for _, c := range []struct {
		status int
		body   string
		header map[string]string
		want   mapping.APIError
	}{
		{200, `{"ok": false, "why": "gone\u0007"}`, nil, mapping.APIError{Kind: mapping.KindNotFound, Status: 200, Message: "gone "}},
		{403, `{"why": "quota"}`, nil, mapping.APIError{Kind: mapping.KindRateLimited, Status: 403}},
		{403, `{}`, nil, mapping.APIError{Kind: mapping.KindPermissionDenied, Status: 403}},
		{200, `{}`, map[string]string{"x-down": "1"}, mapping.APIError{Kind: mapping.KindUnavailable, Status: 200, Message: "it is down"}},
		{400, ``, nil, mapping.APIError{Kind: mapping.KindInvalid, Status: 400}},
		{401, ``, nil, mapping.APIError{Kind: mapping.KindUnauthenticated, Status: 401}},
		{410, ``, nil, mapping.APIError{Kind: mapping.KindNotFound, Status: 410}},
		{412, ``, nil, mapping.APIError{Kind: mapping.KindConflict, Status: 412}},
		{429, ``, nil, mapping.APIError{Kind: mapping.KindRateLimited, Status: 429}},
		{503, `nonsense`, nil, mapping.APIError{Kind: mapping.KindUnavailable, Status: 503}},
		{302, ``, nil, mapping.APIError{Kind: mapping.KindUnexpected, Status: 302}},
		{418, ``, nil, mapping.APIError{Kind: mapping.KindUnexpected, Status: 418}},
	} {
		_, err := route.Answer(t.Context(), mapping.Exchange{Status: c.status, Header: c.header, Body: []byte(c.body)})
		refused := &mapping.APIError{}
		require.ErrorAs(t, err, &refused, "%+v", c)
		require.Equal(t, c.want, *refused)
	}
	long, err := route.Answer(t.Context(), mapping.Exchange{Status: 200, Body: []byte(`{"ok": false, "why": "` + strings.Repeat("é", 2000) + `"}`)})
	require.Empty(t, long)
	refused := &mapping.APIError{}
	require.ErrorAs(t, err, &refused)
	require.Equal(t, strings.Repeat("é", 512)+"…", refused.Message)
}

const base = "https://api.example.com/v2"

// page answers a page of a route and returns the request that was made for it and the cursor of the next.
func page(t *testing.T, route *mapping.Route, cursor, body string, header map[string]string) (mapping.Request, string, error) {
	t.Helper()
	made, err := route.Request(t.Context(), map[string]any{}, cursor)
	require.NoError(t, err)
	output, err := route.Answer(t.Context(), mapping.Exchange{
		Input: map[string]any{}, Cursor: cursor, Request: made, Base: base, Status: 200, Header: header, Body: []byte(body),
	})
	return made, output.Next, err
}

func TestPages(t *testing.T) {
	offset := only(t, paged(`{"path": "/x", "pagination": {"kind": "OFFSET", "parameter": "o", "size": 2, "size_parameter": "l"}}`))
	made, next, err := page(t, offset, "", `[1, 2]`, nil)
	require.NoError(t, err)
	require.Equal(t, "l=2&o=0", made.Query)
	require.Equal(t, "2", next)
	made, next, err = page(t, offset, "2", `[3]`, nil)
	require.NoError(t, err)
	require.Equal(t, "l=2&o=2", made.Query)
	require.Empty(t, next, "a short page is the last")

	unsized := only(t, paged(`{"path": "/x", "pagination": {"kind": "OFFSET", "parameter": "o"}}`))
	_, next, err = page(t, unsized, "5", `[1, 2, 3]`, nil)
	require.NoError(t, err)
	require.Equal(t, "8", next)
	_, next, err = page(t, unsized, "8", `[]`, nil)
	require.NoError(t, err)
	require.Empty(t, next)

	numbered := only(t, paged(`{"path": "/x/{{$page.number}}", "output": ".items",
		"pagination": {"kind": "PAGE", "parameter": "p", "first": 0, "more": ".more"}}`))
	made, next, err = page(t, numbered, "", `{"items": [], "more": true}`, nil)
	require.NoError(t, err)
	require.Equal(t, "x/0", made.Path)
	require.Equal(t, "p=0", made.Query)
	require.Equal(t, "1", next)
	_, next, err = page(t, numbered, "1", `{"items": [1]}`, nil)
	require.NoError(t, err)
	require.Empty(t, next)

	_, err = offset.Request(t.Context(), map[string]any{}, "-3")
	require.ErrorContains(t, err, "pagination has a cursor that is no number")
	_, err = only(t, paged(`{"path": "/x"}`)).Request(t.Context(), map[string]any{}, "3")
	require.ErrorContains(t, err, "there is one page")
	_, _, err = page(t, offset, "", `{"a": 1}`, nil)
	require.ErrorContains(t, err, "output gives object, where a list is needed")
}

func TestCursors(t *testing.T) {
	route := only(t, paged(`{"path": "/x", "query": {"q": "1", "c": "{{$page.cursor}}"}, "output": ".items", "pagination": {"kind": "CURSOR", "next": ".next"}}`))
	made, next, err := page(t, route, "", `{"items": [], "next": 7}`, nil)
	require.NoError(t, err)
	require.Equal(t, "q=1", made.Query)
	require.Equal(t, "7", next)
	made, next, err = page(t, route, "7", `{"items": [], "next": ""}`, nil)
	require.NoError(t, err)
	require.Equal(t, "c=7&q=1", made.Query)
	require.Empty(t, next)
	_, _, err = page(t, route, "7", `{"items": [], "next": "7"}`, nil)
	require.ErrorContains(t, err, "pagination names the same page again")
	_, _, err = page(t, route, "7", `{"items": [], "next": ["7"]}`, nil)
	require.ErrorContains(t, err, "pagination gives array")
}

func TestLinks(t *testing.T) {
	route := only(t, paged(`{"path": "/x/y", "query": {"q": "1"}, "pagination": {"kind": "LINK"}}`))
	for header, want := range map[string]string{
		``: "",
		`<https://api.example.com/v2/x/y?page=2&q=1>; rel="next", <https://api.example.com/v2/x/y?page=9>; rel="last"`: "x/y?page=2&q=1",
		`<https://api.example.com/v2/x/y?page=9>; rel="last",<z?page=3>; title="a"; REL="first NEXT"`:                  "x/z?page=3",
		`</v2/all?after=a%2Fb>; rel=next`:                   "all?after=a%2Fb",
		`<https://api.example.com/v2/x/y?page=1>; rel=prev`: "",
		`<https://api.example.com/v2/x`:                     "",
	} {
		_, next, err := page(t, route, "", `[]`, map[string]string{"link": header})
		require.NoError(t, err, header)
		require.Equal(t, want, next, header)
	}
	made, err := route.Request(t.Context(), map[string]any{}, "all?after=a%2Fb")
	require.NoError(t, err)
	require.Equal(t, "all", made.Path)
	require.Equal(t, "after=a%2Fb", made.Query)

	urls := only(t, paged(`{"path": "/x/y", "output": ".items", "pagination": {"kind": "NEXT_URL", "next": ".next"}}`))
	_, next, err := page(t, urls, "", `{"items": [], "next": "https://API.example.com/v2/x?p=2"}`, nil)
	require.NoError(t, err)
	require.Equal(t, "x?p=2", next)
	for _, elsewhere := range []string{
		"https://evil.example/v2/x", "//evil.example/v2/x", "http://api.example.com/v2/x", "https://api.example.com/admin", "https://api.example.com/v2/../admin",
		"/v20/x", "https://u@api.example.com/v2/x", "https://api.example.com:444/v2/x",
	} {
		_, _, err := page(t, urls, "", `{"items": [], "next": "`+elsewhere+`"}`, nil)
		require.ErrorContains(t, err, "leads out of the connection's API", elsewhere)
	}
}
