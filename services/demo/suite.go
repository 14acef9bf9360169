package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc"

	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/app"
)

// suite is Freshet itself, in this process.
type suite struct {
	addrs app.Addrs
	conn  *grpc.ClientConn // with the admin key
	stop  context.CancelFunc
	done  chan struct{} // closed when it has ended
	err   error         // how it ended; valid then
}

// startSuite starts the suite and returns once it serves. It runs until stopped, whatever becomes of ctx.
func startSuite(ctx context.Context, config *Config, f *folder) (*suite, error) {
	settings, err := app.DefaultConfig()
	if err != nil {
		return nil, err
	}
	settings.DataDir, settings.HTTPAddr, settings.GRPCAddr = f.path, config.HTTPAddr, config.GRPCAddr
	settings.Log.Level = config.LogLevel
	// The other systems of the demo are on this machine and have no certificates.
	settings.Egress.Allow, settings.Egress.AllowHTTP = []string{"loopback"}, true

	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &suite{stop: stop, done: make(chan struct{})}
	ready := make(chan app.Addrs, 1)
	go func() {
		defer close(s.done)
		s.err = app.Run(running, settings, app.Options{
			Version: config.Version, LogOutput: f.log, LookupEnv: config.LookupEnv, Ready: func(addrs app.Addrs) { ready <- addrs },
		})
	}()
	select {
	case s.addrs = <-ready:
	case <-s.done:
		stop()
		return nil, fmt.Errorf("the suite did not start: %w", errors.Join(s.err, ctx.Err()))
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), s.end())
	}
	s.addrs.HTTP, s.addrs.GRPC = local(s.addrs.HTTP), local(s.addrs.GRPC)
	if s.conn, err = tokensource.Dial(s.addrs.GRPC, tokensource.KeyFile(s.addrs.AdminKeyFile)); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// local is where this machine reaches a listener, which may serve all its addresses.
func local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// end stops the suite in order and returns how that went.
func (s *suite) end() error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	s.stop()
	<-s.done
	return errors.Join(err, s.err)
}

// metric returns the sum of a counter's series, as /metrics shows them.
func (s *suite) metric(ctx context.Context, name string) (int, error) {
	text, err := s.metrics(ctx)
	if err != nil {
		return 0, fmt.Errorf("read /metrics: %w", err)
	}
	return sumMetric(text, name)
}

func (s *suite) metrics(ctx context.Context) (string, error) {
	key, err := os.ReadFile(s.addrs.AdminKeyFile)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addrs.HTTP+"/metrics", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return string(text), err
}

// sumMetric adds up the samples of a counter in the Prometheus text format.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func sumMetric(text, name string) (int, error) {
	var sum float64
	found := false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		if rest[0] == '{' {
			rest = rest[strings.LastIndexByte(rest, '}')+1:]
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0, fmt.Errorf("no value in %q", line)
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("there is no %s", name)
	}
	return int(sum), nil
}

// logger writes to the folder's log what is not the suite's.
func (f *folder) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
