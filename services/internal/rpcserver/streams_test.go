package rpcserver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
)

// staying serves streams that stay open until their caller ends them.
func staying() *tokens {
	return &tokens{watch: func(stream tokenv1.TokenService_WatchTokenServer) error {
		if err := stream.Send(&tokenv1.WatchTokenResponse{}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}}
}

// openStream opens one and returns what came of it, once it has begun.
func openStream(t *testing.T, client tokenv1.TokenServiceClient) error {
	t.Helper()
	stream, err := client.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: tokenName})
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

func requireExhausted(t *testing.T, err error, setting string) {
	t.Helper()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Equal(t, errorsv1.Reason_LIMIT_EXCEEDED, rpcerr.ReasonOf(err))
	require.ErrorContains(t, err, setting)
	var retry time.Duration
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			retry = info.GetRetryDelay().AsDuration()
		}
	}
	require.Positive(t, retry)
}

func TestOpenStreamsAreBounded(t *testing.T) {
	for setting, limits := range map[string]rpcserver.StreamLimits{
		"streams.open": {Open: 3}, "streams.per_caller": {PerCaller: 3},
	} {
		t.Run(setting, func(t *testing.T) {
			f := serve(t, staying(), func(c *rpcserver.Config) { c.Streams = limits })
			conn := f.dial(admin())
			client := tokenv1.NewTokenServiceClient(conn)
			for range 3 {
				require.NoError(t, openStream(t, client))
			}
			requireExhausted(t, openStream(t, client), setting)
			_, err := client.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: tokenName})
			require.NoError(t, err, "other calls go on")
			internal := tokenv1.NewTokenInternalServiceClient(f.dial(service(authn.ServiceConnection)))
			states, err := internal.WatchTokenStates(t.Context(), &tokenv1.WatchTokenStatesRequest{})
			require.NoError(t, err)
			_, err = states.Recv()
			require.NoError(t, err, "so do the suite's own")

			require.NoError(t, conn.Close())
			client = tokenv1.NewTokenServiceClient(f.dial(admin()))
			require.Eventually(t, func() bool { return openStream(t, client) == nil }, time.Minute, 5*time.Millisecond, "there is room again")
		})
	}
}

// TestOpeningIsPaced: what a server that comes back is met with is spread, and what would take too long is refused.
func TestOpeningIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serve(t, staying(), func(c *rpcserver.Config) { c.Streams = rpcserver.StreamLimits{OpenRate: 2} })
		client := tokenv1.NewTokenServiceClient(f.dial(admin()))
		began := time.Now()
		for range 4 { // what was saved up
			require.NoError(t, openStream(t, client))
		}
		require.Zero(t, time.Since(began))
		const herd = 30
		opened := make(chan error, herd)
		for range herd {
			go func() { opened <- openStream(t, client) }()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var refused error
		in := 0
		for len(opened) > 0 {
			if err := <-opened; err != nil {
				refused = err
			} else {
				in++
			}
		}
		require.Equal(t, 2, in, "of a rate of two")
		requireExhausted(t, refused, "streams.open_rate")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for len(opened) > 0 {
			require.NoError(t, <-opened)
			in++
		}
		require.Equal(t, 10, in, "those that wait at most 5 s")
		f.stop()
	})
}
