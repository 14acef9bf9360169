package fanout_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/bench/fanout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryStreamGetsEveryGeneration(t *testing.T) {
	message, err := proto.Marshal(&tokenv1.WatchTokenResponse{Token: &tokenv1.Token{Generation: 1, AccessToken: "abc"}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- fanout.Serve(ctx, fanout.Config{Message: message}, func(addrs map[string]string) error {
			ready <- fanout.Addr(addrs)
			return nil
		})
	}()
	conn, err := grpc.NewClient(<-ready, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	client := tokenv1.NewTokenServiceClient(conn)
	var streams []grpc.ServerStreamingClient[tokenv1.WatchTokenResponse]
	for range 3 {
		stream, err := client.WatchToken(ctx, &tokenv1.WatchTokenRequest{})
		require.NoError(t, err)
		streams = append(streams, stream)
	}
	for generation := int64(1); generation <= 3; generation++ {
		if generation > 1 {
			answer, err := client.RefreshToken(ctx, &tokenv1.RefreshTokenRequest{})
			require.NoError(t, err)
			require.Equal(t, generation, answer.GetToken().GetGeneration())
		}
		for _, stream := range streams {
			got, err := stream.Recv()
			require.NoError(t, err)
			require.Equal(t, generation, got.GetToken().GetGeneration())
			require.Equal(t, "abc", got.GetToken().GetAccessToken())
		}
	}
	require.NoError(t, conn.Close())
	cancel()
	require.NoError(t, <-ended)
}

func TestBrokenMessage(t *testing.T) {
	err := fanout.Serve(t.Context(), fanout.Config{Message: []byte("\xff")}, nil)
	require.ErrorContains(t, err, "message")
}
