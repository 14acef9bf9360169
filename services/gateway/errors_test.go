package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const (
	connection  = "/v1/projects/default/connections/crm"
	connections = "/v1/projects/default/connections"
	putEvents   = "/v1/projects/default/buses/orders:putEvents"
)

func TestErrorsOfServices(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for _, c := range []struct {
			code   codes.Code
			reason errorsv1.Reason
			status int
		}{
			{codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, http.StatusNotFound},
			{codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS, http.StatusConflict},
			{codes.Aborted, errorsv1.Reason_ETAG_MISMATCH, http.StatusConflict},
			{codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT, http.StatusBadRequest},
			{codes.PermissionDenied, errorsv1.Reason_PERMISSION_DENIED, http.StatusForbidden},
			{codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED, http.StatusTooManyRequests},
			{codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED, http.StatusGatewayTimeout},
			{codes.Internal, errorsv1.Reason_INTERNAL_FAULT, http.StatusInternalServerError},
		} {
			f.answer("ConnectionService.TestConnection", nil, rpcerr.New(c.code, c.reason, "says <what> & \"why\""))
			p := f.requireProblem(f.do("POST", connection+":test", ""), c.status, c.reason.String())
			require.Equal(t, `says <what> & "why"`, p.Detail)
			require.Len(t, p.TraceID, 32)
			require.Empty(t, p.Errors)
		}
		// The trace id is that of the trace the service took part in.
		f.do("POST", connection+":test", "", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		p := f.requireProblem(f.do("POST", connection+":test", "", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), 500, "INTERNAL_FAULT")
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", p.TraceID)
	})
}

func TestErrorsNameFieldsAsJSONDoes(t *testing.T) {
	f := start(t)
	f.answer("ConnectionService.CreateConnection", nil, rpcerr.InvalidReason(errorsv1.Reason_EGRESS_DENIED,
		rpcerr.Violation{Field: "connection.oauth2.token_endpoint", Description: "must be https"},
		rpcerr.Violation{Field: "connection.invocation_parameters.headers[0].key", Description: "must not be empty"}))
	p := f.requireProblem(f.do("POST", connections+"?connectionId=crm", connectionBody), http.StatusBadRequest, "EGRESS_DENIED")
	require.Equal(t, "connection.oauth2.tokenEndpoint: must be https; connection.invocationParameters.headers[0].key: must not be empty", p.Detail)
	require.Len(t, p.Errors, 2)
	require.Equal(t, "connection.oauth2.tokenEndpoint", p.Errors[0].Field)
	require.Equal(t, "must be https", p.Errors[0].Description)

	// Rules of the contract are checked by the server.
	p = f.requireProblem(f.do("POST", connections, connectionBody), http.StatusBadRequest, "INVALID_FIELD")
	require.Equal(t, "connectionId", p.Errors[0].Field)
	p = f.requireProblem(f.do("POST", connections+"?connectionId=crm", ""), http.StatusBadRequest, "INVALID_FIELD")
	require.Equal(t, "connection", p.Errors[0].Field)
}

// TestReasonsOfNewerServices: a gateway passes on what it does not know yet.
func TestReasonsOfNewerServices(t *testing.T) {
	f := start(t)
	st, err := status.New(codes.FailedPrecondition, "new").WithDetails(&errdetails.ErrorInfo{Domain: rpcerr.Domain, Reason: "NOT_YET_INVENTED"})
	require.NoError(t, err)
	f.answer("ConnectionService.TestConnection", nil, st.Err())
	f.requireProblem(f.do("POST", connection+":test", ""), http.StatusBadRequest, "NOT_YET_INVENTED")
}

// TestErrorsOfTheConnectionToAServiceStayInside: their messages name addresses.
func TestErrorsOfTheConnectionToAServiceStayInside(t *testing.T) {
	f := start(t)
	f.stopGRPC()
	p := f.requireProblem(f.do("POST", connection+":test", ""), http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
	require.Equal(t, "a service cannot be reached at the moment; try again", p.Detail)
	require.Contains(t, f.logs.String(), "a service cannot be reached")
	got := f.do("GET", connection+"/token:watch", "")
	f.requireProblem(got, http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")

	// So do answers that no service meant.
	g := start(t)
	g.answer("DeliveryService.PutEvents", &deliveryv1.PutEventsResponse{Entries: []*deliveryv1.PutEventsResultEntry{{EventId: "\xff"}}}, nil)
	p = g.requireProblem(g.do("POST", putEvents, bodies["DeliveryService.PutEvents"]), http.StatusInternalServerError, "INTERNAL_FAULT")
	require.NotContains(t, p.Detail, "UTF-8")
}

func TestCredentialsAreRequired(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for _, path := range []string{connection, connection + "/token:watch", connections + "?nosuch=1", "/v1/nothing", "/", "/openapi.json", "/metrics"} {
			for _, header := range [][]string{
				{"Authorization", ""},
				{"Authorization", "Bearer wrong"},
				{"Authorization", "Basic " + adminKey},
				{"Authorization", "", "X-Api-Key", "wrong"},
				{"Authorization", "Bearer " + adminKey, "X-Api-Key", "wrong"},
			} {
				got := f.do("GET", path, "", header...)
				f.requireProblem(got, http.StatusUnauthorized, "UNAUTHENTICATED")
				require.Equal(t, `Bearer realm="freshet"`, got.header.Get("WWW-Authenticate"))
			}
		}
		f.requireNoCalls(t)
		require.NotContains(t, f.logs.String(), adminKey)
	})
}

func TestBodies(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for body, detail := range map[string]string{
			`{"description":`:         "the body is not JSON: byte 15: unexpected end of JSON input",
			`{"description":"a"} {}`:  "after top-level value",
			`description=a`:           "the body is not JSON: byte 1: invalid character 'd' looking for beginning of value",
			`{"descripton":"a"}`:      `the body: (line 1:2): unknown field "descripton"`,
			`{"apiKey":"s3cret"}`:     "the body: syntax error (line 1:11): unexpected token",
			`{"basic":{"usename":1}}`: `unknown field "usename"`,
			`[]`:                      "unexpected token",
			`null`:                    "unexpected token",
		} {
			for _, target := range [][2]string{{"POST", connections + "?connectionId=crm"}, {"PATCH", connection}} {
				p := f.requireProblem(f.do(target[0], target[1], body), http.StatusBadRequest, "INVALID_FIELD")
				require.Contains(t, p.Detail, detail, body)
				require.NotContains(t, p.Detail, "s3cret")
			}
		}
		// A body that nobody reads would be a setting that silently does not apply.
		p := f.requireProblem(f.do("DELETE", connection, `{"etag":"e1"}`), http.StatusBadRequest, "INVALID_FIELD")
		require.Equal(t, "body", p.Errors[0].Field)
		f.requireNoCalls(t)
		require.Equal(t, http.StatusOK, f.do("DELETE", connection, ` {} `).status)

		// curl -d says that JSON is a form; nothing is read as a form, and no POST becomes a GET.
		form := []string{"Content-Type", "application/x-www-form-urlencoded"}
		require.Equal(t, http.StatusOK, f.do("POST", connections+"?connectionId=crm", connectionBody, form...).status)
		f.requireProblem(f.do("POST", connection, "a=b", form...), http.StatusMethodNotAllowed, "METHOD_NOT_SERVED")
	})
}

func TestBodiesAreBounded(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		entry := `{"entries":[{"source":"shop","detailType":"x","detail":"%s"}]}`
		fits := fmt.Sprintf(entry, strings.Repeat("x", 3<<20-len(entry)+2))
		require.Len(t, fits, 3<<20)
		require.Equal(t, http.StatusOK, f.do("POST", putEvents, fits).status)
		f.take(t)

		tooLarge := fits + " "
		requireTooLarge := func(got answer) {
			p := f.requireProblem(got, http.StatusRequestEntityTooLarge, "LIMIT_EXCEEDED")
			require.Equal(t, "the body of a request may have at most 3 MiB", p.Detail)
		}
		requireTooLarge(f.do("POST", putEvents, tooLarge))
		chunked := f.request(t.Context(), "POST", putEvents, "")
		chunked.Body = io.NopCloser(strings.NewReader(tooLarge))
		requireTooLarge(f.send(chunked))
		f.requireNoCalls(t)
	})
}

// TestTruncatedBody: half a request is no request, even where the half is JSON.
func TestTruncatedBody(t *testing.T) {
	f := start(t)
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(f.url, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: 50\r\n\r\n{}", putEvents, adminKey)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	f.decodeProblem(string(text), http.StatusBadRequest, "INVALID_FIELD")
	f.requireNoCalls(t)
}

func TestQueryParameters(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for target, want := range map[string]struct{ field, description string }{
			"POST " + connections + "?conectionId=crm":                  {"conectionId", "is not a query parameter of the method, which has connectionId, validateOnly"},
			"POST " + connections + "?connectionId=a&connectionId=b":    {"connectionId", "is given more than once"},
			"POST " + connections + "?connectionId=a&connection_id=b":   {"connection_id", "is given more than once"},
			"POST " + connections + "?validateOnly=maybe":               {"validateOnly", "must be true or false"},
			"POST " + connections + "?connection.description=x":         {"connection.description", "is not a query parameter of the method, which has connectionId, validateOnly; the connection is the body"},
			"POST " + connections + "?parent=projects/other":            {"parent", "is not a query parameter of the method, which has connectionId, validateOnly"},
			"GET " + connection + "?name=projects/other/connections/c":  {"name", "is not a query parameter: the method has none"},
			"GET " + connections + "?pageSize=many":                     {"pageSize", "must be a whole number within its range"},
			"GET " + connections + "?pageSize=3000000000":               {"pageSize", "must be a whole number within its range"},
			"GET " + connections + "?state=authorized":                  {"state", "must be one of CREATING, AUTHORIZING, AUTHORIZED, UPDATING, DEAUTHORIZING, DEAUTHORIZED, FAILED_CONNECTIVITY, DELETING"},
			"GET " + connection + "/token?minTtl=60":                    {"minTtl", `must be a duration such as "60s"`},
			"GET " + connection + "/token?minTtl.seconds=60":            {"minTtl.seconds", "is not a query parameter of the method, which has minTtl"},
			"GET " + connection + "/token:watch?heartbeat=5s":           {"heartbeat", "is not a query parameter of the method, which has heartbeatInterval"},
			"POST " + connection + ":test?name=x":                       {"name", "is not a query parameter: the method has none"},
			"GET " + connections + "?pageSize=%zz":                      {"query", `is malformed: invalid URL escape "%zz"`},
			"GET " + connections + "?pageSize=1;pageToken=2":            {"query", "is malformed: invalid semicolon separator in query"},
			"PATCH " + connection + "?update_mask.paths=description":    {"update_mask.paths", "is not a query parameter of the method, which has updateMask, validateOnly"},
			"GET " + connections + "?pageToken[a]=b":                    {"pageToken[a]", "is not a query parameter of the method, which has pageSize, pageToken, state"},
			"GET " + connections + "?access_token=" + "fk_not-in-a-url": {"access_token", "is not a query parameter of the method, which has pageSize, pageToken, state"},
		} {
			method, path, _ := strings.Cut(target, " ")
			p := f.requireProblem(f.do(method, path, ""), http.StatusBadRequest, "INVALID_FIELD")
			require.Len(t, p.Errors, 1, target)
			require.Equal(t, want.field, p.Errors[0].Field, target)
			require.Equal(t, want.description, p.Errors[0].Description, target)
		}
		f.requireNoCalls(t)
		p := f.requireProblem(f.do("GET", connections+"?a=1&pageSize=x", ""), http.StatusBadRequest, "INVALID_FIELD")
		require.Len(t, p.Errors, 2)

		// The names of the contract are accepted as in bodies.
		require.Equal(t, http.StatusOK, f.do("GET", connections+"?page_size=3", "").status)
		require.JSONEq(t, `{"parent":"projects/default","page_size":3}`, indented(t, f.take(t).request))
	})
}

func TestPaths(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for target, allow := range map[string]string{
			"POST " + connection:                  "DELETE, GET, PATCH",
			"GET " + connection + ":authorize":    "POST",
			"HEAD " + connection:                  "DELETE, GET, PATCH",
			"OPTIONS " + connections:              "GET, POST",
			"BREW " + putEvents:                   "POST",
			"POST " + connection + "/token:watch": "GET",
			"POST " + connection + "%3Aauthorize": "DELETE, GET, PATCH", // an id with an encoded colon, no verb
			"POST /healthz":                       "GET, HEAD",
			"DELETE /openapi.json":                "GET, HEAD",
		} {
			method, path, _ := strings.Cut(target, " ")
			got := f.do(method, path, "", "X-Http-Method-Override", "GET")
			require.Equal(t, http.StatusMethodNotAllowed, got.status, target)
			require.Equal(t, allow, got.header.Get("Allow"), target)
			if method != "HEAD" {
				f.requireProblem(got, http.StatusMethodNotAllowed, "METHOD_NOT_SERVED")
			}
		}
		for _, path := range []string{
			"/", "/v1", "/v1/", "/v2/projects/default/connections", "/v1/projects/default/nothing", connection + "/", connection + ":", connection + ":nosuch",
			"//v1/projects/default/connections", "/v1//projects/default/connections", "/v1/projects//connections", "/v1/projects/default/connections//",
			"/v1/projects/../projects/default/connections", "/v1/projects/default/connections/..", "/v1/projects/./connections", "/x/../healthz",
			"/healthz/", "/v1/%70rojects/default/connections", "/v1/projects/default%2Fconnections", connection + "/token:watch:watch",
			"/freshet.token.v1.TokenService/GetToken", "/v1/projects/default/connections/:authorize",
		} {
			p := f.requireProblem(f.do("GET", path, ""), http.StatusNotFound, "PATH_NOT_FOUND")
			require.Contains(t, p.Detail, "/openapi.json")
		}
		// What is encoded belongs to the id, and the services find no such id.
		for _, id := range []string{"crm%2Ftoken", "crm%2ftoken", "crm%252Ftoken", "crm%3Aauthorize", "%2e%2e", "a%00b", "%C3%A9", "a%20b", "crm%3Fx"} {
			p := f.requireProblem(f.do("GET", connections+"/"+id, ""), http.StatusBadRequest, "INVALID_FIELD")
			require.Equal(t, "name", p.Errors[0].Field, id)
		}
		f.requireNoCalls(t)
		require.Equal(t, http.StatusOK, f.do("GET", connections+"/c%72m", "").status)
		require.JSONEq(t, `{"name":"projects/default/connections/crm"}`, indented(t, f.take(t).request))
	})
}

// TestCallersLeave: a caller that leaves takes its call with it.
func TestCallersLeave(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		started, ended := make(chan struct{}), make(chan error, 1)
		f.unary["ConnectionService.TestConnection"] = func(ctx context.Context, _ proto.Message) (proto.Message, error) {
			close(started)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-started
			leave()
		}()
		_, err := f.client.Do(f.request(ctx, "POST", connection+":test", ""))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
