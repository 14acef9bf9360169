package sqltest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const (
	dirPrefix    = "freshet-pg-" // short: a socket path has at most 107 bytes
	startTimeout = time.Minute   // for a loaded machine; a second is usual
	startPoll    = 20 * time.Millisecond
)

// shared is the server of this test binary. A test binary is the one place where a process-wide value is right: it is
// what makes a second of start-up be paid once.
var shared struct {
	mu     sync.Mutex
	server *server
	err    error // of the first start; the next test would only wait for the same
}

func serverDSN(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv("FRESHET_TEST_POSTGRES"); dsn != "" {
		return dsn
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = startServer(os.Getenv("FRESHET_TEST_POSTGRES_FSYNC") == "on")
	}
	require.NoError(t, shared.err, "these tests need PostgreSQL 15 or newer, from `apt-get install postgresql`"+
		" or through FRESHET_TEST_POSTGRES=postgres://user@host/database")
	return shared.server.dsn
}

func stopServer() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		return nil
	}
	s := shared.server
	shared.server = nil
	return s.stop()
}

// server is a PostgreSQL server in a temporary directory.
type server struct {
	dir   string
	owner *os.File // locked as long as this process lives
	dsn   string
	quit  chan struct{}
	ended chan struct{}    // closed when the server process has ended
	run   func() *exec.Cmd // makes the command that runs it
}

func startServer(fsync bool) (_ *server, err error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	removeOrphans()
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, quit: make(chan struct{}), ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	if s.owner, err = lockOwner(dir); err != nil {
		return nil, err
	}
	account, err := accountFor(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := command(account, dir, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := runLocked(initdb); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s.dsn = "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"postgres"}, "sslmode": {"disable"}}.Encode()
	s.run = func() *exec.Cmd {
		return command(account, dir, filepath.Join(bin, "postgres"), settings(data, dir, fsync)...)
	}
	if err := s.launch(s.run()); err != nil {
		return nil, err
	}
	if err := s.awaitReady(); err != nil {
		return nil, errors.Join(err, s.quitAndWait())
	}
	return s, nil
}

// settings keep the server small, since many test binaries run at once, and out of the network.
func settings(data, dir string, fsync bool) []string {
	args := []string{"-D", data, "-k", dir, "-h", ""}
	values := []string{"shared_buffers=32MB", "max_connections=100", "log_min_messages=warning", "timezone=UTC"}
	if !fsync {
		values = append(values, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	for _, v := range values {
		args = append(args, "-c", v)
	}
	return args
}

// findBinaries returns the directory with the newest server there is.
func findBinaries() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, bin := range slices.Backward(installed) {
		dirs = append(dirs, bin)
	}
	for _, dir := range dirs {
		_, err := os.Stat(filepath.Join(dir, "initdb"))
		_, err2 := os.Stat(filepath.Join(dir, "postgres"))
		if err == nil && err2 == nil {
			return dir, nil
		}
	}
	return "", errors.New("no PostgreSQL server found in PATH, by pg_config, or in /usr/lib/postgresql")
}

// accountFor returns the account to run the server as, which is not root because the server refuses that, and gives it the
// directory. Nil means our own.
func accountFor(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}

// command takes nothing from our environment: PGPORT and its like would change what is started.
func command(account *syscall.Credential, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Dir(name) + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	dieWithParent(cmd.SysProcAttr)
	return cmd
}

// runLocked runs a command on a thread that stays: see dieWithParent.
func runLocked(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.CombinedOutput()
}

// launch starts the server from a goroutine that keeps its thread until the server has ended.
func (s *server) launch(cmd *exec.Cmd) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		defer close(s.ended)
		defer log.Close()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		exited := make(chan struct{})
		go func() { _ = cmd.Wait(); close(exited) }()
		select {
		case <-s.quit:
			_ = cmd.Process.Signal(syscall.SIGQUIT) // at once: nothing is to be kept
			<-exited
		case <-exited:
		}
	}()
	return <-started
}

func (s *server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	ticker := time.NewTicker(startPoll)
	defer ticker.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.dsn)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ticker.C:
		case <-s.ended:
			return fmt.Errorf("PostgreSQL did not start:\n%s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not answer within %s: %w\n%s", startTimeout, err, s.log())
		}
	}
}

func (s *server) log() string {
	out, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (s *server) stop() error { return errors.Join(s.quitAndWait(), s.remove()) }

func (s *server) quitAndWait() error {
	close(s.quit)
	select {
	case <-s.ended:
		return nil
	case <-time.After(startTimeout):
		return errors.New("PostgreSQL does not stop")
	}
}

func (s *server) remove() error {
	err := os.RemoveAll(s.dir)
	if s.owner != nil {
		err = errors.Join(err, s.owner.Close())
	}
	return err
}

// lockOwner marks the directory as in use, until this process ends in whatever way.
func lockOwner(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "owner"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// removeOrphans removes the directories of test binaries that were killed. What fails stays for the next time.
func removeOrphans() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < startTimeout {
			continue // perhaps created but not locked yet
		}
		file, err := os.OpenFile(filepath.Join(dir, "owner"), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = file.Close()
	}
}
