package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// stopWithin is how long a process may take to stop in order.
	stopWithin = 30 * time.Second
	// tailBytes is how much of a log an error shows.
	tailBytes = 4 << 10
)

// Command says what to start.
type Command struct {
	// Name is what errors call the process.
	Name string
	// Path is the program and Args its arguments, without its name.
	Path string
	Args []string
	// Env is its whole environment.
	Env []string
	// Config, if not nil, becomes the first line of its input, as JSON: see [Configure]. Such a process ends when its input does;
	// others are told by SIGTERM.
	Config any
	// LogFile is where its standard error goes.
	LogFile string
	// Ready looks at each line of its output and returns true once the process is ready.
	Ready func(line string) bool
}

// Process is a child process.
type Process struct {
	name     string
	logFile  string
	cmd      *exec.Cmd
	stdin    io.Closer
	lifeline bool          // the end of stdin ends it
	ended    chan struct{} // closed when it has ended; then err says how
	err      error
}

// Start starts a process and returns once it is ready. It runs until it is stopped, or at the latest until this process ends.
func Start(ctx context.Context, c Command) (*Process, error) {
	p := &Process{name: c.Name, logFile: c.LogFile, lifeline: c.Config != nil, ended: make(chan struct{})}
	stdout, err := p.launch(c)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		found := false
		for lines.Scan() {
			if !found && c.Ready(lines.Text()) {
				found = true
				ready <- true
			}
		}
		_, _ = io.Copy(io.Discard, stdout) // after a line that is too long
		if !found {
			ready <- false
		}
		_ = stdout.Close()
	}()
	select {
	case ok := <-ready:
		if ok {
			return p, nil
		}
		p.kill()
		return nil, fmt.Errorf("%s did not become ready: %w", c.Name, p.Err())
	case <-ctx.Done():
		p.kill()
		return nil, fmt.Errorf("%s did not become ready: %w", c.Name, context.Cause(ctx))
	}
}

// launch starts the program and returns its output.
func (p *Process) launch(c Command) (io.ReadCloser, error) {
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()      // the process has it
	p.cmd = exec.Command(c.Path, c.Args...) //nolint:gosec,noctx // our own program; Stop and the kernel end it, in order
	p.cmd.Env = c.Env
	if p.cmd.Env == nil {
		p.cmd.Env = []string{} // nil would mean ours
	}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = dieWithParent()
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	// Not StdoutPipe, which Wait closes before the last line may have been read.
	stdout, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = writer
	started := make(chan error, 1)
	go p.run(started)
	err = <-started
	_ = writer.Close()
	if err == nil && c.Config != nil {
		if err = json.NewEncoder(stdin).Encode(c.Config); err != nil {
			p.kill()
		}
	}
	if err != nil {
		_ = stdout.Close()
		return nil, err
	}
	return stdout, nil
}

// run starts the process and waits for its end on one thread: the kernel ends it together with the thread that started it.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	if p.err = p.cmd.Start(); p.err != nil {
		started <- p.err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says how the process ended and what it logged last. Valid once it has ended.
func (p *Process) Err() error {
	how := "exit code 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended: %s\n%s", p.name, how, tail(p.logFile))
}

// Stop ends the process in order and returns an error if that did not work.
func (p *Process) Stop() error {
	_ = p.stdin.Close()
	if !p.lifeline {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop %s: %w", p.name, err)
		}
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.kill()
		return fmt.Errorf("%s did not stop within %v\n%s", p.name, stopWithin, tail(p.logFile))
	}
	if p.err != nil {
		return p.Err()
	}
	return nil
}

func (p *Process) kill() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// tail is the end of a log, from a line's beginning.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(text) <= tailBytes {
		return strings.TrimSpace(string(text))
	}
	_, rest, _ := strings.Cut(string(text[len(text)-tailBytes:]), "\n")
	return strings.TrimSpace(rest)
}
