package e2e_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// shutdown is what stopping may take; every world is run with it.
const shutdown = 15 * time.Second

// World is one way to run the suite. Its addresses and keys stay the same while it is stopped and started.
type World interface {
	// Start starts it and returns when it is ready.
	Start(t testing.TB)
	// Stop ends it as an operator would and fails the test unless it ends orderly and in time.
	Stop(t testing.TB)

	// REST is the base URL of the REST face; MetricsURLs are those of every process.
	REST() string
	MetricsURLs() []string
	// GRPC is the address at which a role is served.
	GRPC(role string) string
	// TLS is how to connect to any of its addresses, a copy; nil: without.
	TLS() *tls.Config
	// AdminKeyFile holds the key of callers.
	AdminKeyFile() string

	// Output is everything that its processes have printed.
	Output() string
	// Store is everything that it keeps: files in the data folder, and what is in the database.
	Store(t testing.TB) map[string][]byte
}

// Mortal is a World that can be killed: no cleaning up, no goodbye.
type Mortal interface {
	World
	Kill(t testing.TB)
}

// A kind is how to make worlds of one kind.
type kind struct {
	name string
	make func(t testing.TB) World
}

// kinds are the worlds in which the suite runs.
func kinds() []kind {
	return []kind{
		{"in process, SQLite", func(t testing.TB) World { return newInProcess(t, "") }},
		{"one process, SQLite", func(t testing.TB) World { return newProcesses(t, setup{}) }},
		{"one process, PostgreSQL", func(t testing.TB) World { return newProcesses(t, setup{database: sqltest.PostgresDSN(t)}) }},
		{"a process for each role, TLS, PostgreSQL", func(t testing.TB) World {
			return newProcesses(t, setup{database: sqltest.PostgresDSN(t), perRole: true, tls: true})
		}},
	}
}

func roleNames() []string { return []string{"connection", "token", "delivery", "gateway"} }

// start makes a world and starts it.
func start(t testing.TB, k kind) World {
	t.Helper()
	w := k.make(t)
	w.Start(t)
	return w
}

// hosts counts the loopback addresses that were given out.
var hosts atomic.Uint32

// key reads the admin key of a world.
func key(t testing.TB, w World) string {
	t.Helper()
	text, err := os.ReadFile(w.AdminKeyFile())
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// httpClient returns a client for the world's REST face.
func httpClient(t testing.TB, w World) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: w.TLS(), MaxIdleConnsPerHost: 32, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// dial connects to a role. Without a key, calls are made as nobody.
func dial(t testing.TB, w World, role, key string) *grpc.ClientConn {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if config := w.TLS(); config != nil {
		options[0] = grpc.WithTransportCredentials(credentials.NewTLS(config))
	}
	if key != "" {
		options = append(options,
			grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				return invoke(metadata.AppendToOutgoingContext(ctx, "x-api-key", key), method, req, reply, cc, opts...)
			}),
			grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				return stream(metadata.AppendToOutgoingContext(ctx, "x-api-key", key), desc, cc, method, opts...)
			}))
	}
	conn, err := grpc.NewClient("dns:///"+w.GRPC(role), options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}
