package interop

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/cmd/freshet/commands"
)

const (
	project  = "projects/default"
	patience = time.Minute
)

// TestMain makes the test binary the program itself where a test starts it as a process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := commands.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv)
		stop()
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// suite is a running suite that can be killed and started again on the same data.
type suite struct {
	t       *testing.T
	dir     string
	process *exec.Cmd
	conn    *grpc.ClientConn
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{t: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *suite) start() {
	s.t.Helper()
	executable, err := os.Executable()
	require.NoError(s.t, err)
	s.process = exec.Command(executable, "serve", "--data-dir", s.dir, "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0",
		"--egress-allow", "loopback", "--egress-allow-http")
	stdout, err := s.process.StdoutPipe()
	require.NoError(s.t, err)
	var log strings.Builder
	s.process.Stderr = &log
	require.NoError(s.t, s.process.Start())
	var addr, keyFile string
	for lines := bufio.NewScanner(stdout); (addr == "" || keyFile == "") && lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 2 && fields[0] == "gRPC":
			addr = fields[1]
		case len(fields) > 2 && fields[0] == "admin" && fields[1] == "key":
			keyFile = fields[2]
		}
	}
	if addr == "" || keyFile == "" {
		_ = s.process.Wait()
		require.Fail(s.t, "the suite did not start", log.String())
	}
	key, err := os.ReadFile(keyFile)
	require.NoError(s.t, err)
	s.conn, err = tokensource.Dial(addr, tokensource.Key(strings.TrimSpace(string(key))))
	require.NoError(s.t, err)
}

// kill ends the process as a power cut would.
func (s *suite) kill() {
	require.NoError(s.t, s.conn.Close())
	require.NoError(s.t, s.process.Process.Kill())
	_ = s.process.Wait() // says that it was killed
}

func (s *suite) restart() {
	s.t.Helper()
	s.kill()
	s.start()
}

// connect makes a connection and returns its token's name.
func (s *suite) connect(id string, oauth2 *connectionv1.OAuth2Authorization) string {
	s.t.Helper()
	_, err := connectionv1.NewConnectionServiceClient(s.conn).CreateConnection(s.t.Context(), &connectionv1.CreateConnectionRequest{
		Parent: project, ConnectionId: id,
		Connection: &connectionv1.Connection{Authorization: &connectionv1.Connection_Oauth2{Oauth2: oauth2}},
	})
	require.NoError(s.t, err)
	return project + "/connections/" + id + "/token"
}

// await watches a token until it is as it should be.
func (s *suite) await(name string, is func(*tokenv1.Token) bool) *tokenv1.Token {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var last *tokenv1.Token
	for {
		stream, err := tokenv1.NewTokenServiceClient(s.conn).WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: name})
		require.NoError(s.t, err)
		for {
			message, err := stream.Recv()
			if err != nil { // the token follows its connection
				break
			}
			if last = message.GetToken(); is(last) {
				return last
			}
		}
		require.NoError(s.t, ctx.Err(), "%s is %s, %s: %s", name, last.GetState(), last.GetStateReason(), last.GetStateMessage())
	}
}

func (s *suite) generation(name string, least int64) *tokenv1.Token {
	s.t.Helper()
	return s.await(name, func(t *tokenv1.Token) bool {
		return t.GetState() == tokenv1.Token_AUTHORIZED && t.GetGeneration() >= least
	})
}

// expire lets a token's time be nearly over, and returns the next generation.
func (s *suite) expire(t *tokenv1.Token) *tokenv1.Token {
	s.t.Helper()
	_, err := tokenv1.NewTokenServiceClient(s.conn).SimulateExpiry(s.t.Context(), &tokenv1.SimulateExpiryRequest{Name: t.GetName()})
	require.NoError(s.t, err)
	return s.generation(t.GetName(), t.GetGeneration()+1)
}
