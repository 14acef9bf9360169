package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// readHeaderTimeout is how long a caller may take for its headers. Bodies have a bound of their own ([boundBody]).
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	// An HTTP/2 peer that stays silent for pingAfter is pinged, and given up when it does not answer within pingTimeout, so that watches
	// of dead clients end. HTTP/1.1 has TCP's keepalive for that, and the bound of every write.
	pingAfter   = 30 * time.Second
	pingTimeout = 10 * time.Second

	defaultDrain = 10 * time.Second
	// lastCall is how long handlers may take to notice that their requests were cut off, once draining took too long.
	lastCall = 2 * time.Second
)

// ServerOptions say how to serve.
type ServerOptions struct {
	// Logger is required.
	Logger *slog.Logger
	// TLS, if set, is demanded on every connection; it must hold a certificate. HTTP/2 needs it.
	TLS *tls.Config
	// DrainTimeout is how long requests may take to end once Serve's context has. Default 10 s.
	DrainTimeout time.Duration
}

// Server is an HTTP server with sane limits. It has no write timeout, because streams last as long as their callers want; the handler
// of [New] sets deadlines for each answer and each message of a stream instead.
type Server struct {
	http    *http.Server
	log     *slog.Logger
	drain   time.Duration
	encrypt bool
	running handlers

	leaving context.Context // ends when the server begins to leave
	leave   context.CancelFunc
	open    context.Context // ends when requests are cut off
	cut     context.CancelFunc
}

// leavingKey holds the context that ends when the server of a request begins to leave.
type leavingKey struct{}

// NewServer returns a server for handler; call Serve once.
func NewServer(handler http.Handler, o ServerOptions) *Server {
	s := &Server{log: o.Logger, drain: o.DrainTimeout}
	if s.drain <= 0 {
		s.drain = defaultDrain
	}
	s.leaving, s.leave = context.WithCancel(context.Background())
	s.open, s.cut = context.WithCancel(context.WithValue(context.Background(), leavingKey{}, s.leaving))
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.running.enter()
			defer s.running.leave()
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout:            readHeaderTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		HTTP2:                        &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		DisableGeneralOptionsHandler: true, // it would answer without a key
		BaseContext:                  func(net.Listener) context.Context { return s.open },
		ErrorLog:                     slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	if o.TLS != nil {
		s.encrypt, s.http.TLSConfig = true, o.TLS.Clone()
	}
	return s
}

// Serve serves on all listeners, which it closes, until ctx ends or one of them fails. Then it accepts no more connections, ends streams
// with SHUTTING_DOWN, lets other requests finish within the drain timeout, and cuts off what is left. The error is nil after ctx ended
// and every handler returned.
func (s *Server) Serve(ctx context.Context, lis ...net.Listener) error {
	if len(lis) == 0 {
		return errors.New("gateway: no listener to serve on")
	}
	failed := make(chan error, len(lis))
	var serving sync.WaitGroup
	for _, l := range lis {
		serving.Go(func() {
			defer func() { _ = l.Close() }() // it is closed already, unless serving could not begin
			if err := s.serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("gateway: serve on %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, s.stop())
	serving.Wait()
	return err
}

func (s *Server) serve(l net.Listener) error {
	if s.encrypt { // not TLSConfig: net/http sets it even where it serves without
		return s.http.ServeTLS(l, "", "")
	}
	return s.http.Serve(l)
}

// stop leaves: gracefully within the drain timeout, then by force.
func (s *Server) stop() error {
	s.leave()
	defer s.cut()
	ctx, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Warn("requests are cut off: they did not end in time", "timeout", s.drain, "error", err)
	}
	s.cut()
	if err := s.http.Close(); err != nil {
		s.log.Warn("closing the listeners failed", "error", err)
	}
	timer := time.NewTimer(lastCall)
	defer timer.Stop()
	select {
	case <-s.running.idle():
		return nil
	case <-timer.C:
		return fmt.Errorf("gateway: handlers still running %v after their requests were cut off", lastCall)
	}
}

// handlers counts the handlers that run. A request may come in until the last connection is closed, which a sync.WaitGroup forbids
// while somebody waits.
type handlers struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n becomes 0; nil unless somebody waits
}

func (h *handlers) enter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
}

func (h *handlers) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n--
	if h.n == 0 && h.none != nil {
		close(h.none)
		h.none = nil
	}
}

// idle returns a channel that is closed once no handler runs. It has one caller.
func (h *handlers) idle() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	none := make(chan struct{})
	if h.n == 0 {
		close(none)
		return none
	}
	h.none = none
	return none
}
