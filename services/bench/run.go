package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/bench/child"
)

// run is the processes and the folder of a benchmark.
type run struct {
	host   *Host
	dir    string
	roots  string // file with the certificates that the suite trusts; empty: the system's
	begin  time.Time
	ctx    context.Context // ends when a process does, with what it said
	fail   context.CancelCauseFunc
	cancel context.CancelFunc
	all    []*child.Process // in start order

	stopped sync.Map // of *child.Process: those whose end the run wanted
}

// newRun makes the folder. The run must be closed.
func newRun(ctx context.Context, host *Host) (*run, error) {
	if _, err := child.Self(); err != nil {
		return nil, fmt.Errorf("processes cannot be measured here, as there is no Linux /proc: %w", err)
	}
	dir, err := os.MkdirTemp(host.Dir, "freshet-bench-")
	if err != nil {
		return nil, err
	}
	r := &run{host: host, dir: dir, begin: time.Now()}
	ctx, r.cancel = context.WithTimeoutCause(ctx, host.timeout(), fmt.Errorf("the run was not over after %v", host.timeout()))
	r.ctx, r.fail = context.WithCancelCause(ctx)
	return r, nil
}

// close stops the processes, last started first, and removes the folder.
func (r *run) close() error {
	r.fail(nil)
	r.cancel()
	var errs []error
	for _, p := range slices.Backward(r.all) {
		select {
		case <-p.Ended(): // that was wanted, or has failed the run already
		default:
			errs = append(errs, p.Stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}

// explain replaces an error that only says that the run was cut off by what cut it off. A server can see the end of the time that it was
// told a moment before we do.
func (r *run) explain(err error) error {
	if end, ok := r.ctx.Deadline(); ok && err != nil && time.Until(end) < 100*time.Millisecond {
		<-r.ctx.Done()
	}
	if cause := context.Cause(r.ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// start starts a process whose death ends the run.
func (r *run) start(c child.Command) (*child.Process, error) {
	c.Path, c.LogFile = r.host.Executable, filepath.Join(r.dir, c.Name+".log")
	c.Env = append(slices.Clone(r.host.Env), c.Env...)
	p, err := child.Start(r.ctx, c)
	if err != nil {
		return nil, err
	}
	r.all = append(r.all, p)
	go func() {
		select {
		case <-p.Ended():
			if _, wanted := r.stopped.Load(p); !wanted {
				r.fail(p.Err())
			}
		case <-r.ctx.Done():
		}
	}()
	return p, nil
}

// stop stops a process whose end does not end the run.
func (r *run) stop(p *child.Process) error {
	r.stopped.Store(p, true)
	return p.Stop()
}

// server is the suite.
type server struct {
	*child.Process
	httpURL, grpcAddr, key string
}

// dataDir is the suite's.
func (r *run) dataDir() string { return filepath.Join(r.dir, "data") }

// startServer starts the suite with its defaults, but for ports and where it may send. Stopped, it can be started again.
func (r *run) startServer() (*server, error) {
	s := &server{}
	var keyFile string
	c := child.Command{
		Name: "server",
		Args: []string{
			"serve", "--data-dir", r.dataDir(), "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0",
			"--egress-allow", "loopback", "--egress-allow-http",
		},
		Ready: func(line string) bool {
			fields := strings.Fields(line)
			switch {
			case len(fields) >= 2 && fields[0] == "REST":
				s.httpURL = fields[1]
			case len(fields) == 2 && fields[0] == "gRPC":
				s.grpcAddr = fields[1]
			case len(fields) > 2 && fields[0] == "admin" && fields[1] == "key":
				_, after, _ := strings.Cut(line, "key")
				keyFile = strings.TrimSuffix(strings.TrimSpace(after), " (created)")
			}
			return s.grpcAddr != "" && keyFile != ""
		},
	}
	if r.host.Database != "" {
		c.Env = append(c.Env, "FRESHET_DATABASE="+r.host.Database) // not as a flag, which others can see
	}
	if r.roots != "" {
		c.Env = append(c.Env, "SSL_CERT_FILE="+r.roots) // see crypto/x509
	}
	var err error
	if s.Process, err = r.start(c); err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	s.key = strings.TrimSpace(string(key))
	return s, err
}

// dial opens a connection to the suite, or, without a key, to the bare server.
func dial(addr, key string) (*grpc.ClientConn, error) {
	if key == "" {
		key = "none" // the bare server does not look
	}
	return tokensource.Dial(addr, tokensource.Key(key))
}

// store names the database.
func (h *Host) store() string {
	if h.Database != "" {
		return "postgres"
	}
	return "sqlite"
}

// machine describes where the run took place.
func (r *run) machine(others float64) (Machine, error) {
	fsync, err := fsyncTime(r.dir)
	return Machine{
		Cores: runtime.GOMAXPROCS(0), Store: r.host.store(), FsyncP50MS: ms(fsync),
		OthersCores: rounded(others), TotalSeconds: rounded(time.Since(r.begin).Seconds()),
	}, err
}

// fsyncTime is the median time of an append of 4 KiB and a sync.
func fsyncTime(dir string) (time.Duration, error) {
	file, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // goes with the folder
	times := make([]time.Duration, 100)
	block := make([]byte, 4<<10)
	for i := range times {
		begin := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		times[i] = time.Since(begin)
	}
	return percentile(times, 50), nil
}
