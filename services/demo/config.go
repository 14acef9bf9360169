package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Config says what a demo does. The zero value of every field but Output is usable.
type Config struct {
	// DataDir is where the suite keeps its files and log; it stays. Empty: a temporary folder, removed at the end.
	DataDir string
	// HTTPAddr and GRPCAddr are where the suite listens. Empty: the loopback interface, a free port.
	HTTPAddr, GRPCAddr string
	// TokenLifetime is the life of access tokens. 0: 5 s; at least 1 s.
	TokenLifetime time.Duration
	// Rate is how many events are put in a second. 0: 20; at most 500, so that no destination's rate limit (300/s) is met.
	Rate int
	// Duration is how long events are put. 0: until the context of Run ends.
	Duration time.Duration
	// LogLevel is the least severity that is logged to freshet.log in the data folder. Empty: info.
	LogLevel string
	// Output gets the view, and the summary as its last line.
	Output io.Writer
	// Live redraws the view in place, with ANSI control sequences. Otherwise it is a line a second and a line for each rotation.
	Live bool
	// Version is the suite's.
	Version string
	// LookupEnv is where the suite reads the standard OTEL_* variables. Nil: none are set.
	LookupEnv func(string) (string, bool)
}

const (
	anyPort   = "127.0.0.1:0"
	maxRate   = 500
	minLife   = time.Second
	logName   = "freshet.log"
	startTime = 30 * time.Second // bounds everything before the first event
	drainTime = 30 * time.Second // bounds the wait for what was accepted
)

func (c Config) withDefaults() Config {
	if c.HTTPAddr == "" {
		c.HTTPAddr = anyPort
	}
	if c.GRPCAddr == "" {
		c.GRPCAddr = anyPort
	}
	if c.TokenLifetime == 0 {
		c.TokenLifetime = 5 * time.Second
	}
	if c.Rate == 0 {
		c.Rate = 20
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if c.LookupEnv == nil {
		c.LookupEnv = func(string) (string, bool) { return "", false }
	}
	return c
}

// Validate returns everything that is wrong with the configuration; what the suite takes as it is, the suite checks.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.TokenLifetime < minLife {
		errs = append(errs, fmt.Errorf("token-lifetime: %s is less than %s", c.TokenLifetime, minLife))
	}
	if c.Rate < 1 || c.Rate > maxRate {
		errs = append(errs, fmt.Errorf("rate: %d is not within 1 to %d", c.Rate, maxRate))
	}
	if c.Duration < 0 {
		errs = append(errs, fmt.Errorf("duration: %s is negative; 0 is without end", c.Duration))
	}
	return errors.Join(errs...)
}

// folder is where the suite's files are.
type folder struct {
	path      string
	temporary bool
	log       *os.File
}

func openFolder(path string) (*folder, error) {
	f := &folder{path: path}
	if path == "" {
		temporary, err := os.MkdirTemp("", "freshet-demo-")
		if err != nil {
			return nil, err
		}
		f.path, f.temporary = temporary, true
	} else if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(f.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	f.log = log
	return f, nil
}

func (f *folder) logPath() string { return filepath.Join(f.path, logName) }

func (f *folder) close() error { return errors.Join(f.log.Close(), f.remove()) }

func (f *folder) remove() error {
	if !f.temporary {
		return nil
	}
	return os.RemoveAll(f.path)
}
