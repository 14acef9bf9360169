package e2e_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// testRestart stops the suite as an operator does, and starts it again: open streams are told, an application with the SDK notices nothing,
// and what was not finished is.
func testRestart(t *testing.T, w World) {
	interrupted(t, w, func(s *scene) {
		stream, err := tokenv1.NewTokenServiceClient(dial(t, w, "token", s.key)).WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: s.token("crm")[len("/v1/"):]})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		lines := s.watchToken(t.Context(), t, s.token("crm"), false)

		w.Stop(t)

		require.Equal(t, "SHUTTING_DOWN", endOf(t, stream))
		var end message
		for end.Problem == nil {
			end, err = lines.next()
			require.NoError(t, err)
		}
		require.Equal(t, "SHUTTING_DOWN", end.Problem.Reason)
		require.Equal(t, http.StatusServiceUnavailable, end.Problem.Status)
		_, err = lines.next()
		require.ErrorIs(t, err, io.EOF)
	})
}

// testCrash is testRestart without any warning.
func testCrash(t *testing.T, w Mortal) {
	interrupted(t, w, func(*scene) { w.Kill(t) })
}

// interrupted runs an application with the SDK and a delivery that cannot be finished, interrupts the suite, starts it again, and
// wants both to go on as if nothing had happened.
func interrupted(t *testing.T, w World, interrupt func(*scene)) {
	t.Helper()
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	s.destine(t, "orders", "crm", "/orders/*", nil)
	s.deliver(t, "orders", "before")
	application := startApplication(t, s)
	before := s.current(t, "crm")
	s.refuse.Store(http.StatusServiceUnavailable)
	event := s.put(t, "orders", "in between")
	eventually(t, "a failed attempt", patience, func() error {
		d := s.list(t, `event.id = "`+event+`"`)
		return on(len(d) == 1 && d[0].AttemptCount > 0, "%+v", d)
	})

	interrupt(s)
	tok, err := application.source.Token()
	require.NoError(t, err, "while the suite is down")
	require.Equal(t, before.AccessToken, tok.AccessToken)
	s.refuse.Store(0)
	w.Start(t)

	s.awaitConnection(t, "crm", "AUTHORIZED")
	require.Equal(t, before.AccessToken, s.current(t, "crm").AccessToken)
	s.awaitDelivery(t, event, "SUCCEEDED")
	require.Equal(t, 1, s.api.Delivered()[deliveryID(t, s, event)])
	var refreshed token
	s.ok(t, http.MethodPost, s.token("crm")+":refresh", nil, &refreshed)
	require.Equal(t, before.Generation+1, refreshed.Generation)
	eventually(t, "the next generation in the application", patience, func() error {
		tok, err := application.source.Token()
		if err != nil {
			return err
		}
		return on(tok.AccessToken == refreshed.AccessToken, "still generation %v", tok.Extra("generation"))
	})
	application.stop(t)
}

// deliveryID returns the id that the API counts an event's delivery by.
func deliveryID(t testing.TB, s *scene, event string) string {
	t.Helper()
	found := s.list(t, `event.id = "`+event+`"`)
	require.Len(t, found, 1)
	return found[0].Name[len(s.project+"/deliveries/"):]
}

// endOf reads a stream to its end, which must be UNAVAILABLE, and returns the reason.
func endOf(t testing.TB, stream grpc.ServerStreamingClient[tokenv1.WatchTokenResponse]) string {
	t.Helper()
	var err error
	for err == nil {
		_, err = stream.Recv()
	}
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// application reads its token all the time, as one that calls an API would.
type application struct {
	source *tokensource.Source
	cancel context.CancelFunc
	ended  chan error // the first read that failed
}

func startApplication(t testing.TB, s *scene) *application {
	t.Helper()
	options := []grpc.DialOption(nil)
	if config := s.world.TLS(); config != nil {
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	}
	conn, err := tokensource.Dial(s.world.GRPC("token"), tokensource.KeyFile(s.world.AdminKeyFile()), options...)
	require.NoError(t, err)
	source, err := tokensource.New(t.Context(), conn, s.token("crm")[len("/v1/"):])
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	a := &application{source: source, cancel: cancel, ended: make(chan error, 1)}
	go func() { a.ended <- a.read(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, errors.Join(source.Close(), conn.Close()))
	})
	return a
}

func (a *application) read(ctx context.Context) error {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := a.source.Token(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// stop fails the test if a read has failed.
func (a *application) stop(t testing.TB) {
	t.Helper()
	a.cancel()
	require.NoError(t, await(t, "the end of the application", a.ended), "a gap while the token was valid")
}
