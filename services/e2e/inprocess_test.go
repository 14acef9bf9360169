package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/app"
)

// inProcess runs all roles in the test's own process.
type inProcess struct {
	config app.Config
	output buffer
	cancel context.CancelFunc
	ended  chan error // what Run returned
}

// newInProcess makes a world that is not started. An empty database is SQLite.
func newInProcess(t testing.TB, database string) *inProcess {
	t.Helper()
	addrs := addresses(t, 2)
	config, err := app.DefaultConfig()
	require.NoError(t, err)
	w := &inProcess{config: config}
	w.config.DataDir = t.TempDir()
	w.config.Database = database
	w.config.HTTPAddr, w.config.GRPCAddr = addrs[0], addrs[1]
	w.config.ShutdownTimeout = shutdown
	w.config.Egress = app.EgressConfig{Allow: []string{"loopback"}, AllowHTTP: true}
	w.config.Log = app.LogConfig{Level: "debug", Format: "text"}
	t.Cleanup(func() {
		if w.cancel != nil {
			w.Stop(t)
		}
		printWhenFailed(t, w)
	})
	return w
}

// Start implements World.
func (w *inProcess) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	w.cancel, w.ended = cancel, make(chan error, 1)
	go func() {
		w.ended <- app.Run(ctx, w.config, app.Options{
			Version: "e2e", LogOutput: &w.output, Ready: func(app.Addrs) { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-w.ended:
		w.cancel = nil
		cancel()
		require.FailNow(t, "the suite did not start", "%v\n%s", err, tail(w.Output()))
	}
}

// Stop implements World.
func (w *inProcess) Stop(t testing.TB) {
	t.Helper()
	w.cancel()
	w.cancel = nil
	timer := time.NewTimer(shutdown + 5*time.Second)
	defer timer.Stop()
	select {
	case err := <-w.ended:
		require.NoError(t, err)
	case <-timer.C:
		require.FailNow(t, "the suite did not stop in time")
	}
}

// REST implements World.
func (w *inProcess) REST() string { return "http://" + w.config.HTTPAddr }

// MetricsURLs implements World.
func (w *inProcess) MetricsURLs() []string { return []string{w.REST() + "/metrics"} }

// GRPC implements World.
func (w *inProcess) GRPC(string) string { return w.config.GRPCAddr }

// TLS implements World.
func (w *inProcess) TLS() *tls.Config { return nil }

// AdminKeyFile implements World.
func (w *inProcess) AdminKeyFile() string { return w.config.AdminKeyPath() }

// Output implements World.
func (w *inProcess) Output() string { return w.output.String() }

// Store implements World.
func (w *inProcess) Store(t testing.TB) map[string][]byte {
	t.Helper()
	return stored(t, w.config.DataDir, w.config.Database)
}

// stored reads the databases: files of SQLite with their logs, and every row of PostgreSQL.
func stored(t testing.TB, dataDir, database string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(dataDir, "*.db*"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		out[filepath.Base(file)] = text
	}
	if database != "" {
		dumpPostgres(t, database, out)
	}
	require.NotEmpty(t, out)
	return out
}

// buffer keeps what is written from several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what was written so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// printWhenFailed shows the end of the output when the test failed.
func printWhenFailed(t testing.TB, w World) {
	if t.Failed() {
		t.Logf("the end of the output:\n%s", tail(w.Output()))
	}
}

func tail(text string) string { return text[max(0, len(text)-8000):] }
