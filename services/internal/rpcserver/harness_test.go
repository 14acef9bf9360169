package rpcserver_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	adminKey  = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	tokenName = "projects/p/connections/c/token"
)

var policy = rpcserver.Policy{"freshet.token.v1.TokenInternalService": {authn.ServiceConnection}}

func internalTokens(fill string, now func() time.Time) *authn.InternalTokens {
	return authn.NewInternalTokens([]byte(strings.Repeat(fill, 32)), now)
}

// admin and service are the credentials that the servers of these tests accept.
func admin() credentials.PerRPCCredentials { return authn.AdminCredentials(seal.NewSecret(adminKey)) }

func service(name string) credentials.PerRPCCredentials {
	return internalTokens("k", time.Now).Credentials(name)
}

// header is a credential of any form.
type header map[string]string

func (h header) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return h, nil
}
func (h header) RequireTransportSecurity() bool { return false }

// tokens implements both services by functions; those that are nil answer at once.
type tokens struct {
	tokenv1.UnimplementedTokenServiceServer
	tokenv1.UnimplementedTokenInternalServiceServer
	get    func(context.Context) error
	watch  func(tokenv1.TokenService_WatchTokenServer) error
	seenBy chan<- authn.Principal
}

func (s *tokens) GetToken(ctx context.Context, req *tokenv1.GetTokenRequest) (*tokenv1.GetTokenResponse, error) {
	s.see(ctx)
	if s.get != nil {
		if err := s.get(ctx); err != nil {
			return nil, err
		}
	}
	return &tokenv1.GetTokenResponse{Token: &tokenv1.Token{Name: req.GetName()}}, nil
}

func (s *tokens) WatchToken(req *tokenv1.WatchTokenRequest, stream tokenv1.TokenService_WatchTokenServer) error {
	s.see(stream.Context())
	if s.watch != nil {
		return s.watch(stream)
	}
	return stream.Send(&tokenv1.WatchTokenResponse{Token: &tokenv1.Token{Name: req.GetName()}})
}

// WatchTokens answers each request with an empty response.
func (s *tokens) WatchTokens(stream tokenv1.TokenService_WatchTokensServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if err := stream.Send(&tokenv1.WatchTokensResponse{}); err != nil {
			return err
		}
	}
}

func (s *tokens) AuthorizeToken(ctx context.Context, _ *tokenv1.AuthorizeTokenRequest) (*tokenv1.AuthorizeTokenResponse, error) {
	s.see(ctx)
	return &tokenv1.AuthorizeTokenResponse{}, nil
}

func (s *tokens) WatchTokenStates(_ *tokenv1.WatchTokenStatesRequest, stream tokenv1.TokenInternalService_WatchTokenStatesServer) error {
	s.see(stream.Context())
	return stream.Send(&tokenv1.WatchTokenStatesResponse{})
}

func (s *tokens) see(ctx context.Context) {
	if p, ok := authn.FromContext(ctx); ok && s.seenBy != nil {
		s.seenBy <- p
	}
}

// fixture is a running server.
type fixture struct {
	*rpcserver.Server
	t      *testing.T
	memory *bufconn.Listener
	logs   *logBuffer
	// stop ends Serve's context; result gives what Serve returned.
	stop   context.CancelFunc
	result chan error
}

// serve starts a server for impl on an in-memory listener and the given others.
func serve(t *testing.T, impl *tokens, change func(*rpcserver.Config), more ...net.Listener) *fixture {
	t.Helper()
	f := &fixture{t: t, memory: bufconn.Listen(1 << 20), logs: &logBuffer{}, result: make(chan error, 1)}
	cfg := rpcserver.Config{
		Logger:        slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Authenticator: authn.New(sha256.Sum256([]byte(adminKey)), internalTokens("k", time.Now)),
		Policy:        policy,
	}
	if change != nil {
		change(&cfg)
	}
	server, err := rpcserver.New(cfg)
	require.NoError(t, err)
	tokenv1.RegisterTokenServiceServer(server, impl)
	tokenv1.RegisterTokenInternalServiceServer(server, impl)
	f.Server = server

	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.result <- server.Serve(ctx, append(more, f.memory)...)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return f
}

// dial connects in memory.
func (f *fixture) dial(creds credentials.PerRPCCredentials) *grpc.ClientConn {
	f.t.Helper()
	conn, err := rpcclient.Dial("memory", rpcclient.Options{
		Credentials: creds,
		Dialer:      func(ctx context.Context, _ string) (net.Conn, error) { return f.memory.DialContext(ctx) },
	})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dialTCP connects to addr.
func (f *fixture) dialTCP(addr net.Addr, creds credentials.PerRPCCredentials, cfg *tls.Config) *grpc.ClientConn {
	f.t.Helper()
	conn, err := rpcclient.Dial(addr.String(), rpcclient.Options{Credentials: creds, TLS: cfg})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
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

// logBuffer collects log lines of many goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// addRequest subscribes to names on a WatchTokens stream.
func addRequest(names ...string) *tokenv1.WatchTokensRequest {
	return &tokenv1.WatchTokensRequest{Action: &tokenv1.WatchTokensRequest_Subscribe{Subscribe: &tokenv1.WatchTokensSubscribe{Names: names}}}
}
