package gateway_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/gateway"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// TestOnlyTheCredentialReachesTheServices: what a caller writes into other headers has no effect.
func TestOnlyTheCredentialReachesTheServices(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		var bounded bool
		f.unary["ConnectionService.GetConnection"] = func(ctx context.Context, _ proto.Message) (proto.Message, error) {
			deadline, ok := ctx.Deadline()
			bounded = ok && time.Until(deadline) > time.Minute
			return &connectionv1.GetConnectionResponse{}, nil
		}
		smuggled := []string{
			"Grpc-Metadata-X-Api-Key", "wrong", "Grpc-Metadata-Authorization", "Bearer wrong", "Grpc-Metadata-Project", "other", "Grpc-Metadata-X-Bin", "AAAA",
			"Grpc-Timeout", "1n", "X-Forwarded-For", "10.0.0.1", "X-Forwarded-Host", "elsewhere", "Forwarded", "for=10.0.0.1", "Cookie", "a=b",
			"Te", "trailers", "Accept", "text/event-stream", "X-Http-Method-Override", "DELETE", "Grpcgateway-Authorization", "Bearer wrong",
			"Baggage", "a=b", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}
		for _, credential := range [][]string{
			{"Authorization", "Bearer " + adminKey},
			{"Authorization", "bearer " + adminKey},
			{"Authorization", "", "X-Api-Key", adminKey},
			{"X-Api-Key", adminKey},
		} {
			got := f.do("GET", connection, "", append(slices.Clone(smuggled), credential...)...)
			require.Equal(t, http.StatusOK, got.status, got.body)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
			md := f.take(t).metadata
			for name := range maps.Keys(md) {
				require.Contains(t, []string{"authorization", "x-api-key", "traceparent", ":authority", "content-type", "user-agent", "grpc-accept-encoding"}, name)
			}
			require.Contains(t, md.Get("traceparent")[0], "0af7651916cd43dd8448eb211c80319c")
			sent := map[string][]string{}
			for i := 0; i < len(credential); i += 2 {
				if credential[i+1] != "" {
					sent[strings.ToLower(credential[i])] = []string{credential[i+1]}
				}
			}
			if credential[0] != "Authorization" {
				sent["authorization"] = []string{"Bearer " + adminKey} // of the fixture
			}
			for _, name := range []string{"authorization", "x-api-key"} {
				require.Equal(t, sent[name], md.Get(name), name)
			}
			require.True(t, bounded, "Grpc-Timeout must not set the deadline, the gateway must")
		}
	})
}

// TestAnswersCarryNoMetadata: what a service says in metadata is for gRPC.
func TestAnswersCarryNoMetadata(t *testing.T) {
	f := start(t)
	for _, failure := range []error{nil, rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "no such connection")} {
		f.unary["ConnectionService.GetConnection"] = func(ctx context.Context, _ proto.Message) (proto.Message, error) {
			if err := errors.Join(grpc.SetHeader(ctx, metadata.Pairs("inner", "1")), grpc.SetTrailer(ctx, metadata.Pairs("inner", "1"))); err != nil {
				return nil, err
			}
			return &connectionv1.GetConnectionResponse{}, failure
		}
		got := f.do("GET", connection, "", "Te", "trailers")
		for name := range got.header {
			require.NotContains(t, name, "Inner")
		}
		require.Empty(t, got.header.Values("Trailer"))
	}
}

func TestPatchMasks(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for _, c := range []struct {
			query, body string
			paths       []string
		}{
			// As in a JSON merge patch: what is there changes, what is not stays.
			{"", `{"description":"a"}`, []string{"description"}},
			{"", `{"description":""}`, []string{"description"}},
			{"", `{"oauth2":{"clientSecret":"s3cret"}}`, []string{"oauth2.client_secret"}},
			{"", `{"invocationParameters":{"headers":[{"key":"a","value":"b"}]}}`, []string{"invocation_parameters.headers"}},
			// What was read and is sent back is no wish to change it.
			{"", `{"name":"projects/default/connections/crm","uid":"u","state":"AUTHORIZED","createTime":"2026-01-02T03:04:05Z","etag":"e1","description":"a"}`, []string{"description"}},
			// What is asked for counts, in either spelling.
			{"?updateMask=description,oauth2.clientSecret", `{"description":"a","etag":"e1"}`, []string{"description", "oauth2.client_secret"}},
			{"?updateMask=oauth2.client_secret", `{}`, []string{"oauth2.client_secret"}},
		} {
			got := f.do("PATCH", connection+c.query, c.body)
			require.Equal(t, http.StatusOK, got.status, got.body)
			request := f.take(t).request.(*connectionv1.UpdateConnectionRequest)
			require.Equal(t, c.paths, request.GetUpdateMask().GetPaths(), c.body)
			require.Equal(t, "projects/default/connections/crm", request.GetConnection().GetName())
		}
	})
}

// TestPathWinsOverBody: the path says which resource is meant.
func TestPathWinsOverBody(t *testing.T) {
	f := start(t)
	require.Equal(t, http.StatusOK, f.do("PATCH", connection, `{"name":"projects/other/connections/x","description":"a"}`).status)
	require.Equal(t, "projects/default/connections/crm", f.take(t).request.(*connectionv1.UpdateConnectionRequest).GetConnection().GetName())
}

func TestSpansAreNamedByRoute(t *testing.T) {
	f := start(t)
	f.do("GET", connection+"?nosuch=1", "")
	f.do("GET", "/v1/nothing", "")
	f.client.CloseIdleConnections()
	var names []string
	for _, span := range f.spans.Ended() {
		names = append(names, span.Name())
	}
	require.ElementsMatch(t, []string{"GET /v1/{name=projects/*/connections/*}", "GET"}, names)
}

func TestOperations(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		get := func(path string, header ...string) answer { return f.do("GET", path, "", header...) }
		require.Equal(t, "ok\n", get("/healthz", "Authorization", "").body)
		require.Equal(t, "ready\n", get("/readyz", "Authorization", "").body)
		require.Equal(t, http.StatusOK, f.do("HEAD", "/readyz", "", "Authorization", "").status)
		require.Equal(t, "up 1\n", get("/metrics").body)
		require.Equal(t, "up 1\n", get("/metrics", "Authorization", "", "X-Api-Key", adminKey).body)

		doc := get("/openapi.json")
		require.Equal(t, "application/json", doc.header.Get("Content-Type"))
		require.Contains(t, doc.body, `"openapi": "3.1.0"`)

		f.ready = errNotReady
		got := get("/readyz", "Authorization", "")
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.Equal(t, "not ready: token\n", got.body)
		require.Equal(t, "ok\n", get("/healthz", "Authorization", "").body)
	})
}

// TestOperationsAlone: a process without the gateway's role answers for its health, and nothing else.
func TestOperationsAlone(t *testing.T) {
	f := newFixture(t)
	f.handler = gateway.Operations(gateway.Params{
		Authenticate: f.params.Authenticate, Ready: f.params.Ready, Metrics: f.params.Metrics, Logger: f.params.Logger,
	})
	f.listen(false)
	require.Equal(t, "ok\n", f.do("GET", "/healthz", "", "Authorization", "").body)
	require.Equal(t, "up 1\n", f.do("GET", "/metrics", "").body)
	f.requireProblem(f.do("GET", "/metrics", "", "Authorization", ""), http.StatusUnauthorized, "UNAUTHENTICATED")
	f.requireProblem(f.do("GET", "/openapi.json", ""), http.StatusNotFound, "PATH_NOT_FOUND")
	f.requireProblem(f.do("GET", connection, ""), http.StatusNotFound, "PATH_NOT_FOUND")
}

func TestNewRequires(t *testing.T) {
	f := newFixture(t)
	for _, without := range []func(*gateway.Params){
		func(p *gateway.Params) { p.Token = nil },
		func(p *gateway.Params) { p.Authenticate = nil },
		func(p *gateway.Params) { p.Logger = nil },
	} {
		params := f.params
		without(&params)
		_, err := gateway.New(t.Context(), params)
		require.ErrorContains(t, err, "required")
	}
}

var errNotReady = errors.New("token")
