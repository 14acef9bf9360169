package tokensource_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

var _ oauth2.TokenSource = (*tokensource.Source)(nil)

// requireToken requires that the source serves this access token.
func requireToken(t *testing.T, source *tokensource.Source, want string) {
	t.Helper()
	token, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, want, token.AccessToken)
}

func TestNewBlocksToTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authorizing := in(bearer(0, "", 0), tokenv1.Token_AUTHORIZING, errorsv1.Reason_TOKEN_NOT_READY)
		server := newTokenServer(authorizing)
		time.AfterFunc(90*time.Second, func() { server.push(bearer(1, "first", time.Hour)) })

		start := time.Now()
		source := newSource(t, server)
		require.Equal(t, 90*time.Second, time.Since(start))

		token, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, "first", token.AccessToken)
		require.Equal(t, "Bearer", token.Type())
		require.Equal(t, start.Add(90*time.Second+time.Hour).UTC(), token.Expiry.UTC())
		require.Equal(t, "orders.read orders.write", token.Extra("scope"))
		require.Equal(t, int64(1), token.Extra("generation"))
		require.Equal(t, fingerprint("first"), token.Extra("fingerprint"))

		token.AccessToken = "changed by the caller"
		requireToken(t, source, "first")
	})
}

func TestNewSendsTheValuesOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "k"))
		source, err := tokensource.New(ctx, server.serve(t), tokenName)
		require.NoError(t, err)
		defer func() { require.NoError(t, source.Close()) }()
		require.Equal(t, []string{"k"}, server.header.Get("x-api-key"))

		cancel() // ends the wait, not the watch
		server.push(bearer(2, "second", time.Hour))
		synctest.Wait()
		requireToken(t, source, "second")
	})
}

func TestNewGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(in(bearer(0, "", 0), tokenv1.Token_FAILED_CONNECTIVITY, errorsv1.Reason_NOT_SENT))
		conn := server.serve(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := tokensource.New(ctx, conn, connection)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var state *tokensource.StateError
		require.ErrorAs(t, err, &state)
		require.Equal(t, tokenv1.Token_FAILED_CONNECTIVITY, state.State)
		require.Equal(t, errorsv1.Reason_NOT_SENT, state.Reason)

		server.down(status.Error(codes.Unavailable, "leaving"))
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = tokensource.New(ctx, conn, connection)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, tokensource.ErrNotReceived)
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.ErrorContains(t, err, "leaving")
	})
}

func TestNewEndsWithPermanentAnswers(t *testing.T) {
	for _, code := range []codes.Code{
		codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.Unimplemented,
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newTokenServer(bearer(1, "first", time.Hour))
			server.down(status.Error(code, "no"))
			_, err := tokensource.New(t.Context(), server.serve(t), connection)
			require.Equal(t, code, status.Code(err))
			require.ErrorContains(t, err, tokenName)
			require.Len(t, server.openings(), 1)
		})
	}
}

func TestNewRefusesBadArguments(t *testing.T) {
	server := newTokenServer(bearer(1, "first", time.Hour))
	conn := server.serve(t)
	for want, opt := range map[string]tokensource.Option{
		"WithHeartbeat: want 1s to 10m0s, got 1ms": tokensource.WithHeartbeat(time.Millisecond),
		"WithHeartbeat: want 1s to 10m0s, got 1h":  tokensource.WithHeartbeat(time.Hour),
		"WithExpirySkew: want 0 or more":           tokensource.WithExpirySkew(-1),
		"WithRejectionWait: want 0 or more":        tokensource.WithRejectionWait(-1),
		"WithLogger: want a logger":                tokensource.WithLogger(nil),
	} {
		_, err := tokensource.New(t.Context(), conn, connection, opt)
		require.ErrorContains(t, err, want)
	}
	_, err := tokensource.New(t.Context(), conn, "crm")
	require.ErrorContains(t, err, `name "crm"`)
}

func TestNewReturnsDeauthorizedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(in(bearer(4, "", 0), tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD))
		conn := server.serve(t)
		_, err := tokensource.New(t.Context(), conn, connection)
		var state *tokensource.StateError
		require.ErrorAs(t, err, &state)
		require.Equal(t, &tokensource.StateError{
			Name: tokenName, State: tokenv1.Token_DEAUTHORIZED, Reason: errorsv1.Reason_GRANT_DEAD, Message: "told by the test",
		}, state)
		require.ErrorContains(t, err, tokenName+" is DEAUTHORIZED (GRANT_DEAD): told by the test")

		time.AfterFunc(time.Hour, func() { server.push(bearer(5, "repaired", time.Hour)) })
		source, err := tokensource.New(t.Context(), conn, connection, tokensource.WithWaitForRepair())
		require.NoError(t, err)
		requireToken(t, source, "repaired")
		require.NoError(t, source.Close())
	})
}

func TestDeauthorizeAndRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Hour)
		server := newTokenServer(first)
		source := newSource(t, server)

		server.push(in(first, tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_DEAUTHORIZED))
		synctest.Wait()
		_, err := source.Token()
		var state *tokensource.StateError
		require.ErrorAs(t, err, &state)
		require.Equal(t, errorsv1.Reason_DEAUTHORIZED, state.Reason)
		require.NoError(t, source.Err(), "a state is not an end")
		current, err := source.Current()
		require.NoError(t, err)
		require.Equal(t, tokenv1.Token_DEAUTHORIZED, current.GetState())

		server.push(bearer(2, "second", time.Hour))
		synctest.Wait()
		requireToken(t, source, "second")
		require.Len(t, server.openings(), 1)
	})
}

func TestUpdatedTellsOfEveryNewState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)

		updated := source.Updated()
		time.Sleep(10 * time.Minute)
		select {
		case <-updated:
			t.Fatal("a heartbeat is not an update")
		default:
		}
		time.AfterFunc(time.Minute, func() { server.push(bearer(2, "second", time.Hour)) })
		require.NoError(t, source.WaitUpdated(t.Context()))
		<-updated
		requireToken(t, source, "second")
		require.NotEqual(t, updated, source.Updated())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, source.WaitUpdated(ctx), context.DeadlineExceeded)
	})
}

func TestCurrentIsACopyOfTheFullState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Hour)
		first.RefreshHealth = &tokenv1.RefreshHealth{Status: tokenv1.RefreshHealth_DEGRADED, ConsecutiveFailures: 3}
		source := newSource(t, newTokenServer(first))
		current, err := source.Current()
		require.NoError(t, err)
		require.Equal(t, int64(1), current.GetGeneration())
		require.Equal(t, "first", current.GetAccessToken())
		require.Equal(t, int32(3), source.Health().Refresh.GetConsecutiveFailures())
		require.Equal(t, tokenv1.Token_AUTHORIZED, source.Health().State)

		current.AccessToken = "changed by the caller"
		requireToken(t, source, "first")
	})
}

func TestStaticCredentialIsNoAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(static(1, &tokenv1.HttpCredential{
			Headers: []*tokenv1.HttpCredentialField{{Key: "x-api-key", Value: "k"}},
		})))
		_, err := source.Token()
		require.ErrorIs(t, err, tokensource.ErrNoAccessToken)
		_, err = source.TokenContext(t.Context(), time.Hour)
		require.ErrorIs(t, err, tokensource.ErrNoAccessToken)
		current, err := source.Current()
		require.NoError(t, err)
		require.Equal(t, "k", current.GetCredential().GetHeaders()[0].GetValue())
	})
}

func TestExpirySkewEndsATokenEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, newTokenServer(bearer(1, "first", time.Minute)), tokensource.WithExpirySkew(10*time.Second))
		time.Sleep(50*time.Second - 1)
		requireToken(t, source, "first")
		time.Sleep(1)
		_, err := source.Token()
		require.ErrorIs(t, err, tokensource.ErrExpired)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "first", time.Hour))
		source := newSource(t, server)
		waited := make(chan error, 1)
		go func() { waited <- source.WaitUpdated(t.Context()) }()
		synctest.Wait()

		require.NoError(t, source.Close())
		_, err := source.Token()
		require.ErrorIs(t, err, tokensource.ErrClosed, "Close has waited for the watch")
		require.NoError(t, source.Close())
		require.ErrorIs(t, <-waited, tokensource.ErrClosed)
		require.ErrorIs(t, source.WaitUpdated(t.Context()), tokensource.ErrClosed)
		_, err = source.Token()
		require.ErrorIs(t, err, tokensource.ErrClosed)
		_, err = source.Current()
		require.ErrorIs(t, err, tokensource.ErrClosed)
		_, err = source.TokenContext(t.Context(), 0)
		require.ErrorIs(t, err, tokensource.ErrClosed)
		require.ErrorIs(t, source.ReportRejected(t.Context(), fingerprint("first")), tokensource.ErrClosed)
		require.NoError(t, source.Err())
		require.False(t, source.Health().Connected)
		synctest.Wait()
		require.Zero(t, server.openStreams())
	})
}

func TestNothingPrintsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bearer(1, "s3cret-one", time.Hour))
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		source := newSource(t, server, tokensource.WithLogger(logger))
		server.push(bearer(2, "s3cret-two", time.Second))
		synctest.Wait()
		server.down(status.Error(codes.Unavailable, "leaving"))
		time.Sleep(time.Minute)
		_, err := source.Token()
		require.Error(t, err)
		logger.Info("source", "source", source)
		require.NoError(t, source.Close())

		require.Contains(t, log.String(), tokenName)
		for _, text := range []string{
			log.String(), err.Error(), fmt.Sprintf("%v %+v %#v %s %q", source, source, source, source, source),
		} {
			require.NotContains(t, text, "s3cret")
		}
	})
}
