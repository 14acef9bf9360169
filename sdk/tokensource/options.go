package tokensource

import (
	"fmt"
	"log/slog"
	"time"
)

// Bounds of WatchTokenRequest.heartbeat_interval.
const (
	minHeartbeat = time.Second
	maxHeartbeat = 10 * time.Minute
)

// Option changes a default of [New].
type Option func(*options)

type options struct {
	logger        *slog.Logger
	heartbeat     time.Duration
	skew          time.Duration
	rejectionWait time.Duration
	waitForRepair bool
	insecureHTTP  bool
	insecureRPC   bool
}

// WithLogger makes the source log lost and regained streams and new states.
// Nothing that it logs is secret. Default: no logging.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) { o.logger = logger }
}

// WithHeartbeat sets the longest silence that the source asks of the server,
// 1 s to 10 min; after three times that it connects anew. Default 30 s.
func WithHeartbeat(interval time.Duration) Option {
	return func(o *options) { o.heartbeat = interval }
}

// WithExpirySkew makes the source treat a token as expired so much before its
// expire time, for local clocks that may be behind. Default 0.
func WithExpirySkew(skew time.Duration) Option {
	return func(o *options) { o.skew = skew }
}

// WithWaitForRepair makes [New] and [Source.TokenContext] wait for somebody to
// repair a DEAUTHORIZED token. By default they return the [StateError] at once.
func WithWaitForRepair() Option {
	return func(o *options) { o.waitForRepair = true }
}

// WithRejectionWait sets how long [Source.RoundTripper] waits for the next
// generation after a 401. Default 10 s; 0 reports the credential but never
// waits for a next one.
func WithRejectionWait(wait time.Duration) Option {
	return func(o *options) { o.rejectionWait = wait }
}

// WithInsecureHTTP lets [Source.RoundTripper] send the credential over plain
// http to other hosts than the loopback. Anybody on the way can read it.
func WithInsecureHTTP() Option {
	return func(o *options) { o.insecureHTTP = true }
}

// WithInsecureRPC lets [Source.PerRPCCredentials] send the credential over gRPC
// connections without transport security. Anybody on the way can read it.
func WithInsecureRPC() Option {
	return func(o *options) { o.insecureRPC = true }
}

// newOptions applies opts to the defaults.
func newOptions(opts []Option) (options, error) {
	o := options{
		logger:        slog.New(slog.DiscardHandler),
		heartbeat:     30 * time.Second,
		rejectionWait: 10 * time.Second,
	}
	for _, opt := range opts {
		opt(&o)
	}
	if o.logger == nil {
		return o, fmt.Errorf("tokensource: WithLogger: want a logger, got nil")
	}
	if o.heartbeat < minHeartbeat || o.heartbeat > maxHeartbeat {
		return o, fmt.Errorf("tokensource: WithHeartbeat: want %s to %s, got %s", minHeartbeat, maxHeartbeat, o.heartbeat)
	}
	if o.skew < 0 {
		return o, fmt.Errorf("tokensource: WithExpirySkew: want 0 or more, got %s", o.skew)
	}
	if o.rejectionWait < 0 {
		return o, fmt.Errorf("tokensource: WithRejectionWait: want 0 or more, got %s", o.rejectionWait)
	}
	return o, nil
}
