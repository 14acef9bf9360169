package bench

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/freshet-io/freshet/services/bench/sink"
)

// Host is where and how the processes of a run are started.
type Host struct {
	// Executable is the program freshet, whose commands serve, bench sink and bench fanout are used.
	Executable string
	// Env is the environment of the processes. It should have no setting of the suite.
	Env []string
	// Dir is where the run's folder is made, on the disk that is to be measured; removed at the end. Empty: the system's temporary folder.
	Dir string
	// Database is the URL of an empty PostgreSQL database, in which the run leaves its tables. Empty: SQLite in the run's folder.
	Database string
	// Timeout bounds the run. Default 10 min.
	Timeout time.Duration
}

const (
	defaultTimeout = 10 * time.Minute
	maxEvents      = 1_000_000
	maxPublishers  = 1024
	maxBody        = 64 << 10
	maxStreams     = 50_000
	maxConnections = 256
	maxRotations   = 100
	maxPaced       = 100_000
	maxBacklog     = 10_000_000
	maxTokens      = 1_000_000
)

// DeliveryConfig says what Delivery does.
type DeliveryConfig struct {
	Host
	// Events is how many events are put as fast as their acknowledgements allow; 1 to 1,000,000.
	Events int
	// Publishers put at the same time, each waiting for its acknowledgement; 1 to 1024.
	Publishers int
	// BodyBytes is the size of each body; 64 to 65,536.
	BodyBytes int
	// Destinations without rate limit share the events evenly; 1 to 64.
	Destinations int
	// PacedEvents are put at 100 a second after that, to measure latency without a queue; 1 to 100,000.
	PacedEvents int
	// SteadyEvents are put at 1,000 a second after that, to measure acknowledgements under a steady load; 1 to 100,000.
	SteadyEvents int
	// Backlog is how many deliveries of a paused destination are then queued, behind which Events events are put once more; 0 to
	// 10,000,000. 0: there is no such phase.
	Backlog int
	// OAuth delivers with an access token instead of an API key.
	OAuth bool
}

// Validate returns everything that is wrong.
func (c *DeliveryConfig) Validate() error {
	return errors.Join(
		c.validateHost(),
		within("events", c.Events, 1, maxEvents),
		within("publishers", c.Publishers, 1, maxPublishers),
		within("body", c.BodyBytes, max(64, sink.MinBody), maxBody),
		within("destinations", c.Destinations, 1, maxDestinations),
		within("paced events", c.PacedEvents, 1, maxPaced),
		within("steady events", c.SteadyEvents, 1, maxPaced),
		within("backlog", c.Backlog, 0, maxBacklog),
	)
}

// WatchConfig says what Watch does.
type WatchConfig struct {
	Host
	// Streams are opened over Connections connections; 1 to 50,000 and 1 to 256.
	Streams, Connections int
	// Rotations is how many generations are pushed and measured; 1 to 100.
	Rotations int
}

// Validate returns everything that is wrong.
func (c *WatchConfig) Validate() error {
	return errors.Join(
		c.validateHost(),
		within("streams", c.Streams, 1, maxStreams),
		within("connections", c.Connections, 1, maxConnections),
		within("rotations", c.Rotations, 1, maxRotations),
	)
}

func (h *Host) validateHost() error {
	if h.Timeout < 0 {
		return fmt.Errorf("timeout: %v is negative", h.Timeout)
	}
	if h.Database == "" {
		return nil
	}
	if u, err := url.Parse(h.Database); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("database: must be a URL that begins with postgres://")
	}
	return nil
}

func (h *Host) timeout() time.Duration {
	if h.Timeout == 0 {
		return defaultTimeout
	}
	return h.Timeout
}

func within(name string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%s: %d is not within %d to %d", name, n, least, most)
	}
	return nil
}

// IsolationConfig says what Isolation does.
type IsolationConfig struct {
	Host
	// Events are put at 100 a second and measured, beside each state of the other destination; 1 to 100,000.
	Events int
	// Waiting is how many deliveries of the other destination are queued before; 1 to 100,000.
	Waiting int
	// BodyBytes is the size of each body; 64 to 65,536.
	BodyBytes int
}

// Validate returns everything that is wrong.
func (c *IsolationConfig) Validate() error {
	return errors.Join(
		c.validateHost(),
		within("events", c.Events, 1, maxPaced),
		within("waiting", c.Waiting, 1, maxPaced),
		within("body", c.BodyBytes, max(64, sink.MinBody), maxBody),
	)
}

// RefreshConfig says what Refresh does.
type RefreshConfig struct {
	Host
	// Tokens is how many are refreshed, each once; 1 to 1,000,000.
	Tokens int
	// Kept declares that the provider lets a refresh token be redeemed again, so that the suite keeps its connections. Otherwise each
	// redemption has one of its own.
	Kept bool
}

// Validate returns everything that is wrong.
func (c *RefreshConfig) Validate() error {
	return errors.Join(c.validateHost(), within("tokens", c.Tokens, 1, maxTokens))
}

// ScheduleConfig says what Schedule does.
type ScheduleConfig struct {
	Host
	// Tokens are stored at last, Few at first; each at least twice Refreshes more than what was there before, and at most 1,000,000.
	Tokens, Few int
	// Refreshes are made and measured with Few tokens and with all of them; at least 1.
	Refreshes int
}

// Validate returns everything that is wrong.
func (c *ScheduleConfig) Validate() error {
	return errors.Join(
		c.validateHost(),
		within("refreshes", c.Refreshes, 1, maxTokens/4),
		within("few", c.Few, 2*c.Refreshes, maxTokens),
		within("tokens", c.Tokens, c.Few+2*c.Refreshes, maxTokens),
	)
}
