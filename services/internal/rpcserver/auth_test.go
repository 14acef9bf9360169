package rpcserver_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// Every contract with an internal service, for the walk below.
	_ "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
)

// calls are one method of each kind: public and internal, unary and stream.
var calls = map[string]func(context.Context, *grpc.ClientConn) error{
	"unary": func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := tokenv1.NewTokenServiceClient(conn).GetToken(ctx, &tokenv1.GetTokenRequest{Name: tokenName})
		return err
	},
	"server stream": func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := tokenv1.NewTokenServiceClient(conn).WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: tokenName})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	},
	"bidi stream": func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := tokenv1.NewTokenServiceClient(conn).WatchTokens(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(addRequest(tokenName)) // an error of Send is told by Recv
		_, err = stream.Recv()
		return err
	},
	"internal unary": func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := tokenv1.NewTokenInternalServiceClient(conn).AuthorizeToken(ctx, &tokenv1.AuthorizeTokenRequest{Name: tokenName, ConnectionUid: "u", Revision: 1})
		return err
	},
	"internal stream": func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := tokenv1.NewTokenInternalServiceClient(conn).WatchTokenStates(ctx, &tokenv1.WatchTokenStatesRequest{})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	},
}

func TestWhoMayCallWhat(t *testing.T) {
	listener := listenTCP(t)
	f := serve(t, &tokens{}, nil, listener)
	const (
		ok     = codes.OK
		unauth = codes.Unauthenticated
		denied = codes.PermissionDenied
	)
	for name, tc := range map[string]struct {
		creds            credentials.PerRPCCredentials
		public, internal codes.Code
	}{
		"nobody":                {nil, unauth, unauth},
		"admin by bearer":       {admin(), ok, denied},
		"admin by x-api-key":    {header{"x-api-key": adminKey}, ok, denied},
		"wrong bearer":          {header{"authorization": "Bearer fk_wrong"}, unauth, unauth},
		"wrong x-api-key":       {header{"x-api-key": "fk_wrong"}, unauth, unauth},
		"the allowed service":   {service(authn.ServiceConnection), ok, ok},
		"another service":       {service(authn.ServiceDelivery), ok, denied},
		"an expired token":      {internalTokens("k", func() time.Time { return time.Now().Add(-time.Hour) }).Credentials(authn.ServiceConnection), unauth, unauth},
		"a foreign key's token": {internalTokens("f", time.Now).Credentials(authn.ServiceConnection), unauth, unauth},
	} {
		t.Run(name, func(t *testing.T) {
			conns := map[string]*grpc.ClientConn{"memory": f.dial(tc.creds), "tcp": f.dialTCP(listener.Addr(), tc.creds, nil)}
			for where, conn := range conns {
				for kind, do := range calls {
					want := tc.public
					if strings.HasPrefix(kind, "internal") {
						want = tc.internal
					}
					err := do(t.Context(), conn)
					require.Equal(t, want, status.Code(err), "%s over %s: %v", kind, where, err)
					switch want {
					case unauth:
						require.Equal(t, errorsv1.Reason_UNAUTHENTICATED, rpcerr.ReasonOf(err))
					case denied:
						require.Equal(t, errorsv1.Reason_PERMISSION_DENIED, rpcerr.ReasonOf(err))
					}
				}
			}
		})
	}
	require.NotContains(t, f.logs.String(), adminKey)
	require.NotContains(t, f.logs.String(), "eyJ", "no token in the log")
}

func TestHandlersKnowTheCaller(t *testing.T) {
	seen := make(chan authn.Principal, 1)
	f := serve(t, &tokens{seenBy: seen}, nil)
	for _, kind := range []string{"unary", "server stream"} {
		require.NoError(t, calls[kind](t.Context(), f.dial(admin())))
		require.Equal(t, authn.Principal{Admin: true}, <-seen)
	}
	for _, kind := range []string{"internal unary", "internal stream"} {
		require.NoError(t, calls[kind](t.Context(), f.dial(service(authn.ServiceConnection))))
		require.Equal(t, authn.Principal{Service: authn.ServiceConnection}, <-seen)
	}
}

func TestMethodsNobodyServes(t *testing.T) {
	f := serve(t, &tokens{}, nil)
	for method, want := range map[string]codes.Code{
		"/freshet.nothing.v1.NothingService/Get":             codes.Unimplemented,
		"/freshet.token.v1.TokenService/Nothing":             codes.Unimplemented,
		"/freshet.nothing.v1.NothingInternalService/Get":     codes.PermissionDenied,
		"/freshet.token.v1.TokenInternalService/Nothing":     codes.PermissionDenied,
		"/freshet.connection.v1.ConnectionService/GetObject": codes.Unimplemented,
	} {
		err := f.dial(admin()).Invoke(t.Context(), method, &tokenv1.GetTokenRequest{}, &tokenv1.GetTokenResponse{})
		require.Equal(t, want, status.Code(err), method)
		require.NotEqual(t, errorsv1.Reason_REASON_UNSPECIFIED, rpcerr.ReasonOf(err), method)
		err = f.dial(nil).Invoke(t.Context(), method, &tokenv1.GetTokenRequest{}, &tokenv1.GetTokenResponse{})
		require.Equal(t, codes.Unauthenticated, status.Code(err), method)
	}
}

func TestHealthNeedsNoCredential(t *testing.T) {
	f := serve(t, &tokens{}, nil)
	client := grpc_health_v1.NewHealthClient(f.dial(nil))
	check := func(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
		resp, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		return resp.GetStatus()
	}
	const name = "freshet.token.v1.TokenService"
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, check(""))
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, check(name))
	f.SetServing(name, false)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_NOT_SERVING, check(name))

	_, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "no.such.Service"})
	require.Equal(t, codes.NotFound, status.Code(err), "the health protocol's own answer")
}

func TestReflectionIsForTheAdmin(t *testing.T) {
	f := serve(t, &tokens{}, nil)
	list := func(creds credentials.PerRPCCredentials) ([]string, error) {
		stream, err := grpc_reflection_v1.NewServerReflectionClient(f.dial(creds)).ServerReflectionInfo(t.Context())
		require.NoError(t, err)
		_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
		resp, err := stream.Recv()
		var names []string
		for _, s := range resp.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		return names, err
	}
	names, err := list(admin())
	require.NoError(t, err)
	require.Contains(t, names, "freshet.token.v1.TokenService")
	_, err = list(nil)
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, err = list(service(authn.ServiceToken))
	require.Equal(t, codes.PermissionDenied, status.Code(err))
}

// Every internal service of every contract is refused without a rule, and may be
// served with one.
func TestEveryInternalServiceNeedsARule(t *testing.T) {
	registered, full := map[string]grpc.ServiceInfo{}, rpcserver.Policy{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			name := string(file.Services().Get(i).FullName())
			registered[name] = grpc.ServiceInfo{}
			if strings.HasSuffix(name, "InternalService") {
				full[name] = []string{authn.ServiceToken}
			}
		}
		return true
	})
	require.Contains(t, full, "freshet.token.v1.TokenInternalService")
	require.Contains(t, full, "freshet.connection.v1.ConnectionInternalService")
	require.NoError(t, full.Check(registered))
	for name := range full {
		require.ErrorContains(t, rpcserver.Policy{}.Check(registered), name)
	}
}

func TestServeRefusesAnInternalServiceWithoutRule(t *testing.T) {
	listener := listenTCP(t)
	f := serve(t, &tokens{}, func(cfg *rpcserver.Config) { cfg.Policy = nil }, listener)
	require.ErrorContains(t, <-f.result, "freshet.token.v1.TokenInternalService")
	_, err := listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestNewNeedsItsParts(t *testing.T) {
	_, err := rpcserver.New(rpcserver.Config{})
	require.ErrorContains(t, err, "Authenticator")
	f := serve(t, &tokens{}, nil)
	require.ErrorContains(t, f.Serve(t.Context()), "no listener")
}
