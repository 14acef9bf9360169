package tokensource_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

func TestRotationIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		requireToken(t, source, "first")
		time.Sleep(50 * time.Minute)
		server.push(bearer(2, "second", time.Hour))
		synctest.Wait()
		requireToken(t, source, "second")
		time.Sleep(time.Hour - 1)
		requireToken(t, source, "second")
		time.Sleep(1)
		_, err := source.Token()
		require.ErrorIs(t, err, tokensource.ErrExpired)
		require.Len(t, server.openings(), 1)
	})
}

func TestOutageAcrossExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		server.down(status.Error(codes.Unavailable, "store on fire"))

		time.Sleep(time.Hour - 1)
		requireToken(t, source, "first")
		health := source.Health()
		require.False(t, health.Connected)
		require.Equal(t, codes.Unavailable, status.Code(health.LastError))

		time.Sleep(time.Minute)
		_, err := source.Token()
		require.ErrorIs(t, err, tokensource.ErrExpired)
		require.Equal(t, codes.Unavailable, status.Code(err), "the last failure of the stream is named")
		require.ErrorContains(t, err, "store on fire")
		require.NoError(t, source.Err())

		server.change(func() {
			server.ending, server.refusal, server.token = nil, nil, bearer(2, "second", time.Hour)
		})
		time.Sleep(31 * time.Second)
		requireToken(t, source, "second")
		require.True(t, source.Health().Connected)
	})
}

func TestReconnectsWithGrowingJitteredDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", 24*time.Hour))
		source := newSource(t, server)
		synctest.Wait()
		lost := time.Now()
		server.down(status.Error(codes.Unavailable, "leaving"))
		time.Sleep(5 * time.Minute)

		openings := server.openings()[1:]
		ceiling := 100 * time.Millisecond
		for i, at := range openings {
			delay := at.Sub(lost)
			require.GreaterOrEqual(t, delay, ceiling/2, "attempt %d", i)
			require.LessOrEqual(t, delay, ceiling, "attempt %d", i)
			lost, ceiling = at, min(2*ceiling, 30*time.Second)
		}
		require.Equal(t, 30*time.Second, ceiling)

		// A message starts the delays anew.
		server.down(nil)
		time.Sleep(time.Minute)
		require.True(t, source.Health().Connected)
		before := len(server.openings())
		lost = time.Now()
		server.down(status.Error(codes.Unavailable, "leaving again"))
		time.Sleep(time.Second)
		require.LessOrEqual(t, server.openings()[before].Sub(lost), 100*time.Millisecond)
	})
}

func TestReconnectsBeforeTheTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", 35*time.Second))
		source := newSource(t, server)
		server.down(status.Error(codes.Unavailable, "leaving"))
		time.Sleep(32 * time.Second)
		server.change(func() {
			server.ending, server.refusal, server.token = nil, nil, bearer(2, "second", time.Hour)
		})
		time.Sleep(3*time.Second - 1)
		requireToken(t, source, "second")
	})
}

func TestTransientEndsReconnect(t *testing.T) {
	for name, end := range map[string]error{
		"drain":           status.Error(codes.Unavailable, "SHUTTING_DOWN"),
		"server's cancel": status.Error(codes.Canceled, "not ours"),
		"fault":           status.Error(codes.Internal, "oops"),
		"deadline":        status.Error(codes.DeadlineExceeded, "proxy's limit"),
		"key changed":     status.Error(codes.Unauthenticated, "wrong key"),
		"proxy deployed":  status.Error(codes.Unimplemented, "unknown service"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newTokenServer(bearer(1, "first", 24*time.Hour))
				source := newSource(t, server)
				server.down(end)
				time.Sleep(10 * time.Minute)
				require.NoError(t, source.Err())
				requireToken(t, source, "first")
				server.change(func() {
					server.ending, server.refusal, server.token = nil, nil, bearer(2, "second", 24*time.Hour)
				})
				time.Sleep(31 * time.Second)
				requireToken(t, source, "second")
			})
		})
	}
}

func TestPermanentEnds(t *testing.T) {
	for _, code := range []codes.Code{codes.NotFound, codes.PermissionDenied, codes.InvalidArgument} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newTokenServer(bearer(1, "first", time.Hour))
				source := newSource(t, server)
				updated := source.Updated()
				server.down(status.Error(code, "gone"))
				<-updated
				require.Equal(t, code, status.Code(source.Err()))
				_, err := source.Token()
				require.Equal(t, source.Err(), err)
				_, err = source.TokenContext(t.Context(), 0)
				require.Equal(t, source.Err(), err)
				require.Equal(t, source.Err(), source.WaitUpdated(t.Context()))
				require.NoError(t, source.Close())
				require.Equal(t, code, status.Code(source.Err()), "closing does not hide why the watch ended")
				require.Len(t, server.openings(), 1)
			})
		})
	}
}

func TestSlowReaderGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "token", time.Hour))
		source := newSource(t, server)
		updated := source.Updated()
		for generation := range int64(1000) {
			server.push(bearer(generation+2, "token", time.Hour))
		}
		synctest.Wait()
		<-updated
		current, err := source.Current()
		require.NoError(t, err)
		require.Equal(t, int64(1001), current.GetGeneration())
	})
}

func TestSilentPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", 24*time.Hour))
		source := newSource(t, server, tokensource.WithHeartbeat(10*time.Second))
		time.Sleep(time.Hour + time.Second) // heartbeats keep the stream
		require.Len(t, server.openings(), 1)
		require.Less(t, time.Since(source.Health().LastMessageTime), 10*time.Second+1)

		server.change(func() { server.silent, server.token = true, bearer(2, "second", 24*time.Hour) })
		last := source.Health().LastMessageTime
		time.Sleep(30*time.Second + 200*time.Millisecond - time.Since(last))
		require.Len(t, server.openings(), 2)
		require.ErrorContains(t, source.Health().LastError, "nothing was received for too long (30s)")
		require.False(t, source.Health().Connected)

		server.change(func() { server.silent = false })
		synctest.Wait()
		requireToken(t, source, "second")
		require.True(t, source.Health().Connected)
	})
}

func TestAConnectionMadeAnewStartsItsGenerationsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(7, "old", time.Hour))
		source := newSource(t, server)
		server.push(bearer(1, "new", time.Hour))
		synctest.Wait()
		requireToken(t, source, "new")
	})
}

func TestFailedConnectivityIsToldAndPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Minute)
		server := newTokenServer(first)
		source := newSource(t, server)
		time.Sleep(time.Minute)
		server.push(in(first, tokenv1.Token_FAILED_CONNECTIVITY, errorsv1.Reason_TOKEN_EXPIRED))
		synctest.Wait()
		_, err := source.Token()
		var state *tokensource.StateError
		require.ErrorAs(t, err, &state)
		require.Equal(t, errorsv1.Reason_TOKEN_EXPIRED, state.Reason)
		server.push(bearer(2, "second", time.Minute))
		synctest.Wait()
		requireToken(t, source, "second")
	})
}
