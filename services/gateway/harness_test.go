package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-io/freshet/services/gateway"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const adminKey = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// fixture is the REST face before a gRPC server of the suite, whose services answer as the test says.
type fixture struct {
	*services
	t       *testing.T
	params  gateway.Params
	handler http.Handler
	logs    *logBuffer
	spans   *tracetest.SpanRecorder
	ready   error
	// stopGRPC ends the services and waits until they have.
	stopGRPC func()

	url    string
	client *http.Client
}

// newFixture starts the services and makes the handler.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, services: newServices(), logs: &logBuffer{}, spans: tracetest.NewSpanRecorder()}
	log := slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	internal := authn.NewInternalTokens(make([]byte, sha256.Size), time.Now)
	authenticator := authn.New(sha256.Sum256([]byte(adminKey)), internal)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(f.spans))
	server, err := rpcserver.New(rpcserver.Config{
		Logger: log, Authenticator: authenticator, TracerProvider: tracers,
		Policy: rpcserver.Policy{
			"freshet.delivery.v1.WebhookInternalService":   {authn.ServiceGateway},
			"freshet.connection.v1.ConnectInternalService": {authn.ServiceGateway},
		},
	})
	require.NoError(t, err)
	f.register(server)

	memory := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, memory) }()
	f.stopGRPC = sync.OnceFunc(func() {
		stop()
		require.NoError(t, <-served)
	})
	t.Cleanup(f.stopGRPC)

	dial := func(as credentials.PerRPCCredentials) *grpc.ClientConn {
		conn, err := rpcclient.Dial("memory", rpcclient.Options{
			Dialer:         func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) },
			TracerProvider: tracers,
			Logger:         log,
			Credentials:    as,
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	conn := dial(nil)

	f.params = gateway.Params{
		Connection: conn, Token: conn, Delivery: conn, Access: conn, Webhooks: dial(internal.Credentials(authn.ServiceGateway)),
		Browsers: dial(internal.Credentials(authn.ServiceGateway)),
		Authenticate: func(md metadata.MD) error {
			_, err := authenticator.Authenticate(md)
			return err
		},
		Ready:          func() error { return f.ready },
		Metrics:        http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) }),
		Logger:         log,
		TracerProvider: tracers,
	}
	f.handler, err = gateway.New(ctx, f.params)
	require.NoError(t, err)
	return f
}

// start returns a fixture that is served by HTTP/1.1.
func start(t *testing.T) *fixture {
	f := newFixture(t)
	f.listen(false)
	return f
}

func (f *fixture) listen(http2 bool) {
	server := httptest.NewUnstartedServer(f.handler)
	if http2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	f.url, f.client = server.URL, server.Client()
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("nothing redirects") }
	f.t.Cleanup(func() {
		f.client.CloseIdleConnections()
		server.Close()
	})
}

// overEachProtocol runs a test over HTTP/1.1 and over HTTP/2 with TLS.
func overEachProtocol(t *testing.T, test func(t *testing.T, f *fixture)) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.listen(http2)
			test(t, f)
		})
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	proto  string
}

// problem is the answer as RFC 9457 describes it.
type problem struct {
	Type, Title, Detail, Reason, TraceID string
	Status                               int
	Errors                               []struct{ Field, Description string }
}

func (f *fixture) request(ctx context.Context, method, path, body string, header ...string) *http.Request {
	f.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, f.url+path, reader)
	require.NoError(f.t, err)
	r.Header.Set("Authorization", "Bearer "+adminKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Add(header[i], header[i+1])
		}
	}
	return r
}

// do sends a request with the admin key. The headers are names and values in turn; an empty value takes one away.
func (f *fixture) do(method, path, body string, header ...string) answer {
	f.t.Helper()
	return f.send(f.request(f.t.Context(), method, path, body, header...))
}

func (f *fixture) send(r *http.Request) answer {
	f.t.Helper()
	resp, err := f.client.Do(r)
	require.NoError(f.t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(text), proto: resp.Proto}
}

// requireProblem checks everything that is true of every error answer.
func (f *fixture) requireProblem(a answer, status int, reason string) problem {
	f.t.Helper()
	require.Equal(f.t, status, a.status, a.body)
	require.Equal(f.t, "application/problem+json", a.header.Get("Content-Type"))
	return f.decodeProblem(a.body, status, reason)
}

func (f *fixture) decodeProblem(text string, status int, reason string) problem {
	f.t.Helper()
	var p problem
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(f.t, decoder.Decode(&p), text)
	require.Equal(f.t, reason, p.Reason, text)
	require.Equal(f.t, status, p.Status)
	require.Equal(f.t, http.StatusText(status), p.Title)
	require.Equal(f.t, "urn:freshet:reason:"+reason, p.Type)
	require.NotContains(f.t, text, adminKey)
	return p
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
