package proxy_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suite answers what the proxy asks of the others' services, and counts the watches.
type suite struct {
	tokenv1.UnimplementedTokenServiceServer
	connectionv1.UnimplementedApiServiceServer

	mu      sync.Mutex
	watched map[string]int // by token
}

func (s *suite) GetApi(_ context.Context, r *connectionv1.GetApiRequest) (*connectionv1.GetApiResponse, error) { //nolint:staticcheck // The contract's name.
	return &connectionv1.GetApiResponse{Api: &connectionv1.Api{Name: r.GetName(), BaseUrl: "https://api.example"}}, nil
}

func (s *suite) WatchToken(r *tokenv1.WatchTokenRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]) error {
	s.count(r.GetName(), 1)
	defer s.count(r.GetName(), -1)
	token := &tokenv1.Token{
		Name: r.GetName(), Generation: 1, State: tokenv1.Token_AUTHORIZED, Fingerprint: "f",
		Credential: &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{{Key: "X-Api-Key", Value: "canary-7f3a"}}},
	}
	for {
		if err := stream.Send(&tokenv1.WatchTokenResponse{Token: token}); err != nil {
			return err
		}
		select {
		case <-time.After(r.GetHeartbeatInterval().AsDuration()):
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (s *suite) count(name string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched[name] += by; s.watched[name] == 0 {
		delete(s.watched, name)
	}
}

// open returns the tokens that are watched, once nothing moves any more.
func (s *suite) open() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.watched {
		names = append(names, name)
	}
	return names
}

// api answers every call.
type api struct{}

// RoundTrip implements http.RoundTripper.
func (api) RoundTrip(*http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(http.StatusNoContent)
	return recorder.Result(), nil
}

// serve runs the suite and a proxy over it until the test ends.
func serve(t *testing.T, maxWatched int) (*suite, *proxy.Proxy) {
	t.Helper()
	s := &suite{watched: map[string]int{}}
	server, listener := grpc.NewServer(), bufconn.Listen(1<<16)
	tokenv1.RegisterTokenServiceServer(server, s)
	connectionv1.RegisterApiServiceServer(server, s)
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	p, err := proxy.New(proxy.Params{Connection: conn, Token: conn, Transport: api{}, MaxWatched: maxWatched, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		require.NoError(t, conn.Close())
		server.Stop()
		running.Wait()
	})
	return s, p
}

func call(t *testing.T, p *proxy.Proxy, connection string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/proxy/v1/projects/p/connections/"+connection+"/x", nil)
	require.NoError(t, p.Serve(w, r, metadata.Pairs("authorization", "Bearer key")))
	require.Equal(t, http.StatusNoContent, w.Code)
}

func token(connection string) string { return "projects/p/connections/" + connection + "/token" }

// TestUnusedTokensAreNotWatched: a watch ends 10 minutes after the last call with its token, and begins anew with the next.
func TestUnusedTokensAreNotWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := serve(t, 0)
		call(t, p, "a")
		call(t, p, "b")
		require.ElementsMatch(t, []string{token("a"), token("b")}, s.open())
		time.Sleep(8 * time.Minute)
		call(t, p, "a")
		time.Sleep(4 * time.Minute)
		require.Equal(t, []string{token("a")}, s.open())
		time.Sleep(10 * time.Minute)
		require.Empty(t, s.open())
		call(t, p, "a")
		require.Equal(t, []string{token("a")}, s.open())
	})
}

// TestWatchesAreBounded: beyond the bound, the token that was used the longest ago makes room.
func TestWatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := serve(t, 2)
		for _, connection := range []string{"a", "b", "a", "c"} {
			call(t, p, connection)
			time.Sleep(time.Second)
		}
		require.ElementsMatch(t, []string{token("a"), token("c")}, s.open())
	})
}
