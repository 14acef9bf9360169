package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is one process of the real binary. It can be started again after it ended.
type process struct {
	args   []string
	env    []string
	ready  string // URL of its readiness
	output buffer

	cmd   *exec.Cmd
	ended chan struct{} // closed when it ended; then err says how
	err   error
}

func (p *process) start(t testing.TB) {
	t.Helper()
	path, err := binary.build()
	require.NoError(t, err)
	p.cmd = exec.Command(path, p.args...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = dieWithParent()
	require.NoError(t, p.cmd.Start())
	ended := make(chan struct{})
	p.ended = ended
	go func() {
		defer close(ended)
		p.err = p.cmd.Wait()
	}()
}

// awaitReady returns when the process says that it is ready.
func (p *process) awaitReady(t testing.TB, client *http.Client) {
	t.Helper()
	eventually(t, "readiness of a process", patience, func() error {
		select {
		case <-p.ended:
			require.FailNow(t, "the process ended", "%v\n%s", p.err, tail(p.output.String()))
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready, nil)
		require.NoError(t, err)
		answer, err := client.Do(req)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return on(answer.StatusCode == http.StatusOK, "%s", answer.Status)
	})
}

// terminate asks it to stop and wants exit code 0 in time.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	timer := time.NewTimer(shutdown + 5*time.Second)
	defer timer.Stop()
	select {
	case <-p.ended:
		require.NoError(t, p.err, "exit of %v\n%s", p.args, tail(p.output.String()))
	case <-timer.C:
		p.kill(t)
		require.FailNow(t, "the process did not stop in time", tail(p.output.String()))
	}
}

// kill ends it at once.
func (p *process) kill(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	<-p.ended
}

func (p *process) running() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// setup is how a world of processes is made.
type setup struct {
	// database is PostgreSQL's URL; empty: SQLite.
	database string
	// perRole runs a process for each role, otherwise one runs all.
	perRole bool
	// tls makes a certificate authority, and TLS everywhere.
	tls bool
	// replicaOf makes the world share the keys of another; the database must be the same too.
	replicaOf *processes
	// env is added to the environment.
	env []string
}

// processes is the real binary, as one process or one for each role.
type processes struct {
	setup
	dir  string
	http map[string]string // by role
	grpc map[string]string
	authority
	all    []*process // in start order
	client *http.Client
}

// newProcesses makes a world that is not started.
func newProcesses(t testing.TB, s setup) *processes {
	t.Helper()
	w := &processes{setup: s, dir: t.TempDir(), http: map[string]string{}, grpc: map[string]string{}}
	groups := [][]string{roleNames()}
	if s.perRole {
		groups = nil
		for _, role := range roleNames() {
			groups = append(groups, []string{role})
		}
	}
	addrs := addresses(t, 2*len(groups))
	for i, group := range groups {
		for _, role := range group {
			w.http[role], w.grpc[role] = addrs[2*i], addrs[2*i+1]
		}
	}
	if s.tls {
		w.authority = newAuthority(t, w.dir, addrs)
	}
	for _, group := range groups {
		w.all = append(w.all, w.process(group))
	}
	w.client = httpClient(t, w)
	t.Cleanup(func() {
		for _, p := range w.all {
			if p.running() {
				p.kill(t)
			}
		}
		printWhenFailed(t, w)
	})
	return w
}

// process returns the process of some roles, not started.
func (w *processes) process(roles []string) *process {
	args := []string{
		"serve", "--data-dir", w.dir, "--http-addr", w.http[roles[0]], "--grpc-addr", w.grpc[roles[0]],
		"--egress-allow", "loopback", "--egress-allow-http", "--log-level", "debug", "--shutdown-timeout", shutdown.String(),
	}
	if w.database != "" {
		args = append(args, "--database", w.database)
	}
	if w.replicaOf != nil {
		args = append(args, "--admin-key-file", w.replicaOf.AdminKeyFile(), "--master-key-file", w.replicaOf.dir+"/master.key")
	}
	if w.perRole {
		args = append(args, "--roles", roles[0])
		for _, peer := range roleNames() {
			if peer != roles[0] && peer != "gateway" {
				args = append(args, "--peers", peer+"="+w.grpc[peer])
			}
		}
	}
	args = append(args, w.flags...)
	return &process{args: args, env: w.env, ready: fmt.Sprintf("%s://%s/readyz", w.scheme(), w.http[roles[0]])}
}

func (w *processes) scheme() string {
	if w.tls {
		return "https"
	}
	return "http"
}

// Start implements World.
func (w *processes) Start(t testing.TB) {
	t.Helper()
	for _, p := range w.all {
		if !p.running() {
			p.start(t)
		}
	}
	for _, p := range w.all {
		p.awaitReady(t, w.client)
	}
}

// Stop implements World.
func (w *processes) Stop(t testing.TB) {
	t.Helper()
	for _, p := range slices.Backward(w.all) {
		p.terminate(t)
	}
}

// Kill implements Mortal.
func (w *processes) Kill(t testing.TB) {
	t.Helper()
	for _, p := range w.all {
		p.kill(t)
	}
}

// REST implements World.
func (w *processes) REST() string { return w.scheme() + "://" + w.http["gateway"] }

// MetricsURLs implements World.
func (w *processes) MetricsURLs() []string {
	if !w.perRole {
		return []string{w.REST() + "/metrics"}
	}
	var urls []string
	for _, role := range roleNames() {
		urls = append(urls, w.scheme()+"://"+w.http[role]+"/metrics")
	}
	return urls
}

// GRPC implements World.
func (w *processes) GRPC(role string) string { return w.grpc[role] }

// TLS implements World.
func (w *processes) TLS() *tls.Config { return w.authority.client.Clone() }

// AdminKeyFile implements World.
func (w *processes) AdminKeyFile() string {
	if w.replicaOf != nil {
		return w.replicaOf.AdminKeyFile()
	}
	return w.dir + "/admin.key"
}

// Output implements World.
func (w *processes) Output() string {
	var text string
	for _, p := range w.all {
		text += p.output.String()
	}
	return text
}

// Store implements World.
func (w *processes) Store(t testing.TB) map[string][]byte {
	t.Helper()
	return stored(t, w.dir, w.database)
}
