package gateway

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/gen/openapi"
)

func servedRoutes(t *testing.T) routes {
	all, err := newRoutes(contracts()...)
	require.NoError(t, err)
	return all
}

// TestRoutesAreTheDocument compares what is served with what the OpenAPI document says is served, both ways: methods and paths, query
// parameters, bodies.
func TestRoutesAreTheDocument(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters  []struct{ Name, In string }
			RequestBody *struct{} `json:"requestBody"`
		}
	}
	require.NoError(t, json.Unmarshal(openapi.Document, &doc))
	var described []string
	for path, operations := range doc.Paths {
		for method, operation := range operations {
			var query []string
			for _, parameter := range operation.Parameters {
				if parameter.In == "query" {
					query = append(query, parameter.Name)
				}
			}
			slices.Sort(query)
			wild := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "*")
			described = append(described, line(strings.ToUpper(method), wild, query, operation.RequestBody != nil))
		}
	}
	var served []string
	for _, r := range servedRoutes(t) {
		var query []string
		for name, field := range r.query {
			if name == field.JSONName() {
				query = append(query, name)
			}
		}
		slices.Sort(query)
		path := "/" + strings.Join(r.segments, "/")
		if r.verb != "" {
			path += ":" + r.verb
		}
		served = append(served, line(r.method, path, query, r.body != ""))
	}
	require.ElementsMatch(t, described, served)
}

func line(method, path string, query []string, body bool) string {
	text := method + " " + path + "?" + strings.Join(query, "&")
	if body {
		text += " with a body"
	}
	return text
}

func TestFind(t *testing.T) {
	all := servedRoutes(t)
	for path, want := range map[string]struct {
		rpc     string
		allowed []string
	}{
		"/v1/projects/p/connections/c":              {rpc: "GetConnection"},
		"/v1/projects/p/connections/c%2Ftoken":      {rpc: "GetConnection"},
		"/v1/projects/p/connections/c%3Aauth":       {rpc: "GetConnection"},
		"/v1/projects/p/connections/c/token":        {rpc: "GetToken"},
		"/v1/projects/p/connections/c/token:watch":  {rpc: "WatchToken"},
		"/v1/projects/p/connections/c:authorize":    {allowed: []string{http.MethodPost}},
		"/v1/projects/p/deliveries:redrive":         {allowed: []string{http.MethodPost}},
		"/v1/projects/p/connections/c:":             {},
		"/v1/projects/p/connections/c:nosuch":       {},
		"/v1/projects/p/connections/:authorize":     {},
		"/v1/projects/p/connections/":               {},
		"/v1/projects//connections":                 {},
		"/v1/projects/./connections":                {},
		"/v1/projects/../connections":               {},
		"//v1/projects/p/connections":               {},
		"/v1/projects/p/connections/c/token:watch/": {},
		"/v1": {},
		"/":   {},
		"":    {},
		"*":   {},
	} {
		found, allowed := all.find(http.MethodGet, path)
		require.Equal(t, want.allowed, allowed, path)
		if want.rpc == "" {
			require.Nil(t, found, path)
			continue
		}
		require.NotNil(t, found, path)
		require.Equal(t, want.rpc, string(found.rpc.Name()), path)
	}
}

func TestStreamType(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                   mimeNDJSON,
		"*/*":                                mimeNDJSON,
		"application/json":                   mimeNDJSON,
		"application/x-ndjson":               mimeNDJSON,
		"image/png":                          mimeNDJSON,
		"text/event-stream":                  mimeEventStream,
		"TEXT/Event-Stream":                  mimeEventStream,
		"text/*":                             mimeEventStream,
		"text/event-stream, */*":             mimeEventStream,
		"*/*, text/event-stream":             mimeEventStream,
		"text/event-stream; charset=utf-8":   mimeEventStream,
		"text/event-stream;q=0.5, */*;q=0.9": mimeNDJSON,
		"text/event-stream;q=0.5, application/x-ndjson":      mimeNDJSON,
		"text/event-stream, application/x-ndjson;q=0.9":      mimeEventStream,
		"text/event-stream, application/x-ndjson":            mimeNDJSON,
		"text/event-stream;q=0":                              mimeNDJSON,
		"text/event-stream;q=0, */*":                         mimeNDJSON,
		"text/event-stream;q=high":                           mimeNDJSON,
		"text/event-stream;q=0.1, application/json;q=0, */*": mimeEventStream,
		",;,": mimeNDJSON,
	} {
		require.Equal(t, want, streamType([]string{accept}), accept)
	}
	require.Equal(t, mimeEventStream, streamType([]string{"*/*;q=0.1", "text/event-stream"}))
}

func TestPaths(t *testing.T) {
	require.Equal(t, "description,oauth2.client_secret", snakePaths("description,oauth2.clientSecret"))
	require.Equal(t, "invocation_parameters", snakePaths("invocation_parameters"))
	require.Equal(t, `connection.oauth2.tokenEndpoint`, camelPath(`connection.oauth2.token_endpoint`))
	require.Equal(t, `rule.targets[2].headerParameters["x_y"].maxLen`, camelPath(`rule.targets[2].header_parameters["x_y"].max_len`))
}

// TestReadable pins the messages of protojson that hold a value of the request, which could be a secret in the wrong place.
func TestReadable(t *testing.T) {
	for body, want := range map[string]string{
		`{"apiKey":"s3cret"}`:                        `(line 1:11): unexpected token`,
		`{"apiKey":{"name":["s3cret"]}}`:             `(line 1:19): invalid value for string field name`,
		`{"apiKey":{"name":12345}}`:                  `(line 1:19): invalid value for string field name`,
		`{"oauth2":{"grantType":"s3cret"}}`:          `(line 1:24): invalid value for enum field grantType`,
		`{"stateTime":"s3cret"}`:                     `(line 1:14): invalid google.protobuf.Timestamp value`,
		`{"nme":"s3cret"}`:                           `(line 1:2): unknown field "nme"`,
		"{\n \"name\":\"a\",\n \"name\":\"s3cret\"}": `(line 3:2): duplicate field "name"`,
		`null`:       `unexpected token`,
		`["s3cret"]`: `unexpected token`,
	} {
		err := newJSON().NewDecoder(strings.NewReader(body)).Decode(&connectionv1.Connection{})
		require.ErrorContains(t, err, want, body)
		require.NotContains(t, err.Error(), "s3cret", body)
		require.NotContains(t, err.Error(), "12345", body)
	}
}
