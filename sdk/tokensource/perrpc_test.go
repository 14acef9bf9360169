package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// grpcAPI serves a gRPC API in memory. It returns a function that calls it with
// the source's credentials and gives the metadata that arrived.
func grpcAPI(t *testing.T, source *tokensource.Source) func() (metadata.MD, error) {
	t.Helper()
	var arrived metadata.MD
	server := grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			arrived, _ = metadata.FromIncomingContext(ctx)
			return handler(ctx, request)
		}))
	healthpb.RegisterHealthServer(server, health.NewServer())
	conn, err := grpc.NewClient("passthrough:///memory", inMemory(serveGRPC(t, server)),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return func() (metadata.MD, error) {
		_, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{},
			grpc.PerRPCCredentials(source.PerRPCCredentials()))
		return arrived, err
	}
}

func TestPerRPCCredentialsFollowTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Hour)
		server := newTokenServer(first)
		source := newSource(t, server, tokensource.WithInsecureRPC())
		call := grpcAPI(t, source)
		arrived, err := call()
		require.NoError(t, err)
		require.Equal(t, []string{"Bearer first"}, arrived.Get("authorization"))

		server.push(bearer(2, "second", time.Minute))
		synctest.Wait()
		arrived, err = call()
		require.NoError(t, err)
		require.Equal(t, []string{"Bearer second"}, arrived.Get("authorization"))

		time.Sleep(time.Minute)
		_, err = call()
		require.Equal(t, codes.Unavailable, status.Code(err), "this passes")
		require.ErrorContains(t, err, "token expired")

		server.push(in(first, tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD))
		synctest.Wait()
		_, err = call()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		require.ErrorContains(t, err, "GRANT_DEAD")

		require.NoError(t, source.Close())
		_, err = call()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
	})
}

func TestPerRPCCredentialsOfStaticCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{{Key: "X-Api-Key", Value: "k"}}}
		server := newTokenServer(static(1, key))
		call := grpcAPI(t, newSource(t, server, tokensource.WithInsecureRPC()))
		arrived, err := call()
		require.NoError(t, err)
		require.Equal(t, []string{"k"}, arrived.Get("x-api-key"))

		server.push(static(2, &tokenv1.HttpCredential{Query: []*tokenv1.HttpCredentialField{{Key: "key", Value: "s3cret"}}}))
		synctest.Wait()
		_, err = call()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		require.ErrorContains(t, err, "query or body parameters")
		require.NotContains(t, err.Error(), "s3cret")
	})
}

func TestPerRPCCredentialsRequireTransportSecurity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Hour)))
		require.True(t, source.PerRPCCredentials().RequireTransportSecurity())
		_, err := grpcAPI(t, source)()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
	})
}
