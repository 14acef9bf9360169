package tokensource_test

import (
	"context"
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

func TestTokenContextReadsMemoryWhereItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		time.Sleep(30 * time.Minute)
		for _, ttl := range []time.Duration{0, time.Minute, 30 * time.Minute, time.Hour, 24 * time.Hour} {
			token, err := source.TokenContext(t.Context(), ttl)
			require.NoError(t, err, "more than half the lifetime is taken as half")
			require.Equal(t, "first", token.AccessToken)
		}
		require.Empty(t, server.asked())
	})
}

func TestTokenContextAsksForMoreAndKeepsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		server.onGet = func(time.Duration) (*tokenv1.Token, error) { return bearer(2, "second", time.Hour), nil }
		source := newSource(t, server, tokensource.WithExpirySkew(time.Second))
		time.Sleep(45 * time.Minute)
		updated := source.Updated()
		token, err := source.TokenContext(t.Context(), 20*time.Minute)
		require.NoError(t, err)
		require.Equal(t, "second", token.AccessToken)
		require.Equal(t, []time.Duration{20*time.Minute + time.Second}, server.asked())
		<-updated
		requireToken(t, source, "second")
	})
}

func TestTokenContextKeepsWhatTheStreamBroughtMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		second := bearer(2, "second", 2*time.Hour)
		server.onGet = func(time.Duration) (*tokenv1.Token, error) {
			server.push(bearer(3, "third", 2*time.Hour))
			synctest.Wait()
			return second, nil
		}
		source := newSource(t, server)
		time.Sleep(45 * time.Minute)
		_, err := source.TokenContext(t.Context(), 20*time.Minute)
		require.NoError(t, err)
		requireToken(t, source, "third")
	})
}

// TestHeartbeatsDoNotUndoAnAnswer: what the stream has said before is no news, also when a later generation was asked for meanwhile.
func TestHeartbeatsDoNotUndoAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		server.onGet = func(time.Duration) (*tokenv1.Token, error) { return bearer(2, "second", 2*time.Hour), nil }
		source := newSource(t, server)
		time.Sleep(45 * time.Minute)
		_, err := source.TokenContext(t.Context(), 20*time.Minute)
		require.NoError(t, err)
		asked := time.Now()
		time.Sleep(10 * time.Minute)
		require.True(t, source.Health().LastMessageTime.After(asked))
		requireToken(t, source, "second")

		server.push(bearer(1, "anew", time.Hour))
		synctest.Wait()
		requireToken(t, source, "anew")
	})
}

func TestTokenContextWaitsForTheStreamWhenAskingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Minute))
		server.onGet = func(time.Duration) (*tokenv1.Token, error) {
			return nil, status.Error(codes.Unavailable, "throttled")
		}
		source := newSource(t, server)
		time.Sleep(2 * time.Minute)
		time.AfterFunc(10*time.Second, func() { server.push(bearer(2, "second", time.Minute)) })
		start := time.Now()
		token, err := source.TokenContext(t.Context(), 0)
		require.NoError(t, err)
		require.Equal(t, "second", token.AccessToken)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Less(t, len(server.asked()), 12, "attempts are spaced")
	})
}

func TestTokenContextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Minute))
		server.onGet = func(time.Duration) (*tokenv1.Token, error) {
			return nil, status.Error(codes.Unavailable, "throttled")
		}
		source := newSource(t, server)
		time.Sleep(2 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := source.TokenContext(ctx, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "throttled")
	})
}

func TestTokenContextEndsWithTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Minute))
		server.onGet = func(time.Duration) (*tokenv1.Token, error) {
			return nil, status.Error(codes.Unavailable, "throttled")
		}
		source := newSource(t, server)
		time.Sleep(2 * time.Minute)
		time.AfterFunc(time.Minute, func() { _ = source.Close() })
		_, err := source.TokenContext(t.Context(), 0)
		require.ErrorIs(t, err, tokensource.ErrClosed)
	})
}

func TestTokenContextNeverReturnsAnExpiredToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Minute))
		server.onGet = func(time.Duration) (*tokenv1.Token, error) { return bearer(2, "second", -time.Second), nil }
		source := newSource(t, server)
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := source.TokenContext(ctx, 0)
		require.ErrorIs(t, err, tokensource.ErrExpired)
	})
}

func TestTokenContextOfADeauthorizedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Hour)
		server := newTokenServer(first)
		server.onGet = func(time.Duration) (*tokenv1.Token, error) {
			return nil, status.Error(codes.FailedPrecondition, "GRANT_DEAD")
		}
		impatient := newSource(t, server)
		patient := newSource(t, server, tokensource.WithWaitForRepair())
		time.Sleep(45 * time.Minute)
		_, err := impatient.TokenContext(t.Context(), 30*time.Minute)
		require.Equal(t, codes.FailedPrecondition, status.Code(err))

		server.push(in(first, tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD))
		synctest.Wait()
		_, err = impatient.TokenContext(t.Context(), 0)
		var state *tokensource.StateError
		require.ErrorAs(t, err, &state)

		time.AfterFunc(time.Hour, func() { server.push(bearer(2, "second", time.Hour)) })
		token, err := patient.TokenContext(t.Context(), 0)
		require.NoError(t, err)
		require.Equal(t, "second", token.AccessToken)
	})
}

func TestTokenContextRefusesBadTTLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Hour)))
		for _, ttl := range []time.Duration{-1, 24*time.Hour + 1} {
			_, err := source.TokenContext(t.Context(), ttl)
			require.ErrorContains(t, err, "minTTL: want 0 to 24h0m0s")
		}
	})
}
