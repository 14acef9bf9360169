package sqltest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Server is a PostgreSQL server of one test, which may stop and start it. What it has committed survives that.
type Server struct{ server *server }

// NewServer starts a server that ends with the test. It costs a second: tests that leave the server alone share one, see [Open].
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := startServer(true)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	return &Server{s}
}

// DSN names the server's database.
func (s *Server) DSN() string { return s.server.dsn }

// Stop ends the server at once, as a crash does, and returns when it has ended.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	require.NoError(t, s.server.quitAndWait())
}

// Start starts it again and returns when it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.server.quit, s.server.ended = make(chan struct{}), make(chan struct{})
	require.NoError(t, s.server.launch(s.server.run()))
	require.NoError(t, s.server.awaitReady())
}
