package e2e_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// testAccess calls everything that there is without a key and with a wrong one.
func testAccess(t *testing.T, w World) {
	known := newREST(t, w)
	document := known.call(t, http.MethodGet, "/openapi.json", nil)
	require.Equal(t, http.StatusOK, document.Status)
	for _, key := range []string{"", "fk_wrong" + unique()} {
		stranger := &rest{base: known.base, key: key, http: known.http}
		for _, call := range restCalls(t, document.Body) {
			stranger.problem(t, call[0], call[1], nil, http.StatusUnauthorized, "UNAUTHENTICATED")
		}
		for _, url := range w.MetricsURLs() {
			a := (&rest{base: strings.TrimSuffix(url, "/metrics"), key: key, http: known.http}).call(t, http.MethodGet, "/metrics", nil)
			require.Equal(t, http.StatusUnauthorized, a.Status, url)
			require.NotContains(t, string(a.Body), "freshet_")
		}
		testRPCAccess(t, w, key)
	}
	for _, path := range []string{"/healthz", "/readyz"} { // load balancers have no key
		require.Equal(t, http.StatusOK, (&rest{base: known.base, http: known.http}).call(t, http.MethodGet, path, nil).Status)
	}
	// What services of the suite say to each other is not for holders of the admin key either.
	for role, method := range map[string]string{
		"connection": connectionv1.ConnectionInternalService_GetAuthorizationSettings_FullMethodName,
		"token":      tokenv1.TokenInternalService_TryAuthorization_FullMethodName,
	} {
		err := dial(t, w, role, known.key).Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})
		require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", method, err)
	}
}

// restCalls returns method and path of every operation of an OpenAPI document, and of what is served besides.
func restCalls(t testing.TB, document []byte) [][2]string {
	t.Helper()
	var openapi struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(document, &openapi))
	require.Greater(t, len(openapi.Paths), 20)
	calls := [][2]string{{"GET", "/metrics"}, {"GET", "/openapi.json"}, {"GET", "/"}, {"GET", "/v1/nowhere"}, {"POST", "/v1/nowhere:at"}, {"OPTIONS", "/v1"}}
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	for path, operations := range openapi.Paths {
		for method := range operations {
			switch method := strings.ToUpper(method); method {
			case http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
				if path != "/healthz" && path != "/readyz" {
					calls = append(calls, [2]string{method, parameter.ReplaceAllString(path, "x")})
				}
			}
		}
	}
	return calls
}

// testRPCAccess calls every method of every service with a key that nobody knows.
func testRPCAccess(t *testing.T, w World, key string) {
	t.Helper()
	for role, files := range map[string][]protoreflect.FileDescriptor{
		"connection": {
			connectionv1.File_freshet_connection_v1_connection_service_proto,
			connectionv1.File_freshet_connection_v1_provider_service_proto,
			connectionv1.File_freshet_connection_v1_grant_service_proto,
			connectionv1.File_freshet_connection_v1_connection_internal_service_proto,
		},
		"token": {tokenv1.File_freshet_token_v1_token_service_proto, tokenv1.File_freshet_token_v1_rehearsal_service_proto, tokenv1.File_freshet_token_v1_learning_service_proto, tokenv1.File_freshet_token_v1_token_internal_service_proto},
		"delivery": {
			deliveryv1.File_freshet_delivery_v1_delivery_service_proto,
			deliveryv1.File_freshet_delivery_v1_archive_service_proto,
			deliveryv1.File_freshet_delivery_v1_replay_service_proto,
			deliveryv1.File_freshet_delivery_v1_redrive_service_proto,
		},
	} {
		conn := dial(t, w, role, key)
		called := 0
		for _, file := range files {
			for i := range file.Services().Len() {
				methods := file.Services().Get(i).Methods()
				for j := range methods.Len() {
					method := methods.Get(j)
					err := callEmpty(t, conn, "/"+string(file.Services().Get(i).FullName())+"/"+string(method.Name()),
						method.IsStreamingClient() || method.IsStreamingServer())
					require.Equal(t, codes.Unauthenticated, status.Code(err), "%s: %v", method.FullName(), err)
					called++
				}
			}
		}
		require.Positive(t, called)
		err := callEmpty(t, conn, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true)
		require.Equal(t, codes.Unauthenticated, status.Code(err), "reflection: %v", err)
	}
}

// callEmpty calls a method with an empty request and returns how the call ends.
func callEmpty(t testing.TB, conn *grpc.ClientConn, method string, stream bool) error {
	t.Helper()
	if !stream {
		return conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})
	}
	s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	_ = s.SendMsg(&emptypb.Empty{}) // the end of the stream says why
	return s.RecvMsg(&emptypb.Empty{})
}
