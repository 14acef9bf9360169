package gateway_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/gateway"
)

// serve serves the fixture's handler with the gateway's own server, with TLS if the settings say so. Serve's result comes on the channel
// once stop was called.
func (f *fixture) serve(server, client *tls.Config) (stop func(), result <-chan error) {
	var lc net.ListenConfig
	l, err := lc.Listen(f.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(f.t, err)
	s := gateway.NewServer(f.handler, gateway.ServerOptions{Logger: f.params.Logger, TLS: server, DrainTimeout: time.Minute})
	ctx, stop := context.WithCancel(context.Background())
	results := make(chan error, 1)
	go func() { results <- s.Serve(ctx, l) }()
	transport := &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true}
	f.client = &http.Client{Transport: transport}
	f.url = "http://" + l.Addr().String()
	if server != nil {
		f.url = "https://" + l.Addr().String()
	}
	f.t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
	})
	return stop, results
}

// certificate returns a server's and a client's TLS settings for 127.0.0.1.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
}

// TestServerDrains: on leaving, a stream ends with a reason, and a call that is under way is answered.
func TestServerDrains(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	for name, settings := range map[string][2]*tls.Config{"HTTP/1.1": {}, "HTTP/2.0": {serverTLS, clientTLS}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			stop, result := f.serve(settings[0], settings[1])
			messages, _ := f.scripted()
			started, release := make(chan struct{}), make(chan struct{})
			f.unary["ConnectionService.TestConnection"] = func(context.Context, proto.Message) (proto.Message, error) {
				close(started)
				<-release
				return &connectionv1.TestConnectionResponse{Ok: true}, nil
			}
			answers := make(chan answer, 1)
			go func() { answers <- f.do("POST", connection+":test", "") }()
			<-started
			resp, lines := f.open(t.Context(), messages)
			require.Equal(t, name, resp.Proto)
			f.readLine(lines)

			stop()
			p := f.requireStreamEnd(f.readLine(lines), http.StatusServiceUnavailable, "SHUTTING_DOWN")
			require.Equal(t, "the process is stopping; connect again", p.Detail)
			_, err := lines.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			select {
			case err := <-result:
				require.Fail(t, "left before the call was answered", "%v", err)
			default:
			}
			close(release)
			require.JSONEq(t, `{"ok":true,"steps":[]}`, (<-answers).body)
			require.NoError(t, <-result)
			_, err = f.client.Do(f.request(t.Context(), "GET", "/healthz", ""))
			require.Error(t, err)
		})
	}
}

// TestServerCutsOff: what does not end within the drain timeout is cut off, and what does not even notice is an error.
func TestServerCutsOff(t *testing.T) {
	for name, notices := range map[string]bool{"in time": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started, release := make(chan struct{}), make(chan struct{})
				defer close(release)
				handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					close(started)
					if notices {
						<-r.Context().Done()
						return
					}
					<-release
				})
				s := gateway.NewServer(handler, gateway.ServerOptions{Logger: slog.New(slog.DiscardHandler)})
				l := bufconn.Listen(1 << 10)
				ctx, stop := context.WithCancel(t.Context())
				result := make(chan error, 1)
				go func() { result <- s.Serve(ctx, l) }()
				conn, err := l.DialContext(t.Context())
				require.NoError(t, err)
				defer func() { _ = conn.Close() }()
				_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(t, err)
				<-started
				began := time.Now()
				stop()
				err = <-result
				if notices {
					require.NoError(t, err)
					require.Equal(t, 10*time.Second, time.Since(began))
					return
				}
				require.ErrorContains(t, err, "handlers still running")
				require.Equal(t, 12*time.Second, time.Since(began))
			})
		})
	}
}

func TestServerLimits(t *testing.T) {
	t.Run("slow headers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn := dialServer(t, http.NotFoundHandler())
			began := time.Now()
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
			require.NoError(t, err)
			_, err = io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, 10*time.Second, time.Since(began))
		})
	})
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn := dialServer(t, http.NotFoundHandler())
			began := time.Now()
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			_, err = io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, 2*time.Minute, time.Since(began))
		})
	})
	t.Run("large headers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn := dialServer(t, http.NotFoundHandler())
			go func() {
				_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 80<<10))
			}()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
		})
	})
	t.Run("slow bodies", func(t *testing.T) {
		// The status of a body that does not arrive, and of requests that are answered without reading it.
		for target, status := range map[string]int{
			"POST " + putEvents: http.StatusRequestTimeout,
			"POST /v1/nothing":  http.StatusNotFound,
			"POST /healthz":     http.StatusMethodNotAllowed,
			"GET /healthz":      http.StatusOK,
		} {
			f := newFixture(t)
			synctest.Test(t, func(t *testing.T) {
				conn := dialServer(t, f.handler)
				began := time.Now()
				_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: 50\r\n\r\n{", target, adminKey)
				require.NoError(t, err)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, status, resp.StatusCode, string(text))
				require.Equal(t, 30*time.Second, time.Since(began))
			})
			f.requireNoCalls(t)
		}
	})
}

// TestWatchersThatDoNotRead: a caller that takes nothing of its stream loses it.
func TestWatchersThatDoNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ended := make(chan error, 1)
		f.watch(func(_ *tokenv1.WatchTokenRequest, stream grpc.ServerStream) error {
			var err error
			for n := int64(1); err == nil; n++ {
				err = stream.SendMsg(generation(n))
			}
			ended <- stream.Context().Err()
			return err
		})
		conn := dialServer(t, f.handler)
		began := time.Now()
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\n\r\n", watch, adminKey)
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Equal(t, 30*time.Second, time.Since(began))
	})
}

// dialServer starts a server in memory and returns a connection to it.
func dialServer(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	s := gateway.NewServer(handler, gateway.ServerOptions{Logger: slog.New(slog.DiscardHandler)})
	l := bufconn.Listen(1 << 10)
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, l) }()
	conn, err := l.DialContext(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		require.NoError(t, <-result)
	})
	return conn
}

func TestServeNeedsAListenerThatWorks(t *testing.T) {
	s := gateway.NewServer(http.NotFoundHandler(), gateway.ServerOptions{Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, s.Serve(t.Context()), "no listener")
	broken, other := bufconn.Listen(1), bufconn.Listen(1)
	require.NoError(t, broken.Close())
	s = gateway.NewServer(http.NotFoundHandler(), gateway.ServerOptions{Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, s.Serve(t.Context(), broken, other), "serve on")
	_, err := other.Dial()
	require.Error(t, err)
}
