package commands

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/freshet-io/freshet/gen/freshet/access/v1"
	callsv1 "github.com/freshet-io/freshet/gen/freshet/calls/v1"
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	proxyv1 "github.com/freshet-io/freshet/gen/freshet/proxy/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/app"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
)

// clientFlags are the flags of every command that talks to a server. The admin key only ever comes from a file: a flag would show up in
// the list of processes and in the shell's history.
type clientFlags struct {
	Server       string        `group:"client" default:"127.0.0.1:9090" help:"gRPC address of the server, or addresses by role: connection=ADDR;token=ADDR;delivery=ADDR;gateway=ADDR. Default: ${default}." placeholder:"ADDR"`
	AdminKeyFile string        `group:"client" help:"File of the admin key. Default: admin.key in FRESHET_DATA_DIR, or in ./freshet-data." placeholder:"FILE"`
	TLS          bool          `group:"client" name:"tls" help:"Use TLS, which anything but this machine needs."`
	TLSCAFile    string        `group:"client" name:"tls-ca-file" help:"Authorities that the server's certificate is checked against, PEM. Default: the system's. Implies --tls." placeholder:"FILE"`
	Project      string        `group:"client" default:"default" help:"Project of names that are given as a mere id. Default: ${default}." placeholder:"ID"`
	Output       string        `group:"client" short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
	Timeout      time.Duration `group:"client" default:"30s" help:"How long one call may take. Default: ${default}." placeholder:"TIME"`
}

// client calls the roles that it was made for; the others are nil.
type client struct {
	connections connectionv1.ConnectionServiceClient
	providers   connectionv1.ProviderServiceClient
	grants      connectionv1.GrantServiceClient
	connects    connectionv1.ConnectServiceClient
	grantJobs   connectionv1.GrantJobServiceClient
	endUsers    connectionv1.EndUserServiceClient
	interfaces  connectionv1.InterfaceServiceClient
	tokens      tokenv1.TokenServiceClient
	rehearsals  tokenv1.RehearsalServiceClient
	proofs      tokenv1.DpopServiceClient
	learning    tokenv1.LearningServiceClient
	deliveries  deliveryv1.DeliveryServiceClient
	controls    deliveryv1.DestinationControlServiceClient
	schedules   deliveryv1.ScheduleServiceClient
	archives    deliveryv1.ArchiveServiceClient
	replays     deliveryv1.ReplayServiceClient
	redrives    deliveryv1.RedriveServiceClient
	signingKeys deliveryv1.SigningKeyServiceClient
	webhooks    deliveryv1.WebhookServiceClient
	proxy       proxyv1.ProxyServiceClient
	calls       accessv1.CallServiceClient
	callLog     callsv1.CallLogServiceClient
	opened      map[string]*grpc.ClientConn // by address
}

// connect returns a client of roles, which connects when it is first used.
func (f *clientFlags) connect(s *session, roles ...string) (*client, error) {
	addrs, err := parseServers(f.Server)
	if err != nil {
		return nil, usagef("--server: %w", err)
	}
	path := f.adminKeyPath(s)
	key, err := authn.ReadAdminKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no admin key at %s: freshet serve creates it on its first start; --admin-key-file names another", path)
	} else if err != nil {
		return nil, err
	}
	tlsConfig, err := f.tlsConfig()
	if err != nil {
		return nil, err
	}
	options := rpcclient.Options{Credentials: authn.AdminCredentials(key), TLS: tlsConfig}
	cl := &client{opened: map[string]*grpc.ClientConn{}}
	for _, role := range roles {
		addr, err := addrs.of(role)
		if err == nil {
			err = cl.open(role, addr, f.Timeout, options)
		}
		if err != nil {
			cl.close()
			return nil, usagef("--server: %w", err)
		}
	}
	return cl, nil
}

// open makes the client of a role. Roles at the same address share a connection.
func (c *client) open(role, addr string, timeout time.Duration, options rpcclient.Options) error {
	if c.opened[addr] == nil {
		conn, err := rpcclient.Dial(addr, options)
		if err != nil {
			return err
		}
		c.opened[addr] = conn
	}
	bounded := &boundedConn{conn: c.opened[addr], server: addr, timeout: timeout}
	switch role {
	case roleConnection:
		c.connections = connectionv1.NewConnectionServiceClient(bounded)
		c.providers = connectionv1.NewProviderServiceClient(bounded)
		c.grants = connectionv1.NewGrantServiceClient(bounded)
		c.connects = connectionv1.NewConnectServiceClient(bounded)
		c.interfaces = connectionv1.NewInterfaceServiceClient(bounded)
		c.grantJobs = connectionv1.NewGrantJobServiceClient(bounded)
		c.endUsers = connectionv1.NewEndUserServiceClient(bounded)
	case roleToken:
		c.tokens = tokenv1.NewTokenServiceClient(bounded)
		c.rehearsals = tokenv1.NewRehearsalServiceClient(bounded)
		c.proofs = tokenv1.NewDpopServiceClient(bounded)
		c.learning = tokenv1.NewLearningServiceClient(bounded)
	case roleDelivery:
		c.deliveries = deliveryv1.NewDeliveryServiceClient(bounded)
		c.controls = deliveryv1.NewDestinationControlServiceClient(bounded)
		c.schedules = deliveryv1.NewScheduleServiceClient(bounded)
		c.archives = deliveryv1.NewArchiveServiceClient(bounded)
		c.replays = deliveryv1.NewReplayServiceClient(bounded)
		c.redrives = deliveryv1.NewRedriveServiceClient(bounded)
		c.signingKeys = deliveryv1.NewSigningKeyServiceClient(bounded)
		c.webhooks = deliveryv1.NewWebhookServiceClient(bounded)
	case roleGateway:
		c.proxy = proxyv1.NewProxyServiceClient(bounded)
		c.calls = accessv1.NewCallServiceClient(bounded)
		c.callLog = callsv1.NewCallLogServiceClient(bounded)
	}
	return nil
}

func (c *client) close() {
	for _, conn := range c.opened {
		_ = conn.Close()
	}
}

func (f *clientFlags) adminKeyPath(s *session) string {
	if f.AdminKeyFile != "" {
		return f.AdminKeyFile
	}
	dir := "freshet-data"
	if named, ok := s.lookupEnv(app.EnvName("data-dir")); ok && named != "" {
		dir = named
	}
	return filepath.Join(dir, "admin.key")
}

func (f *clientFlags) tlsConfig() (*tls.Config, error) {
	if !f.TLS && f.TLSCAFile == "" {
		return nil, nil //nolint:nilnil // nil is plaintext to rpcclient, which refuses it beyond this machine.
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.TLSCAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(f.TLSCAFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-ca-file: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--tls-ca-file: %s holds no certificate", f.TLSCAFile)
	}
	return config, nil
}

// name completes a mere id to a resource name of the project.
func (f *clientFlags) name(collection, text string) string {
	if strings.HasPrefix(text, "projects/") {
		return text
	}
	return "projects/" + f.Project + "/" + collection + "/" + text
}

// parent is the project's resource name.
func (f *clientFlags) parent() string { return "projects/" + f.Project }

// boundedConn gives each unary call its time, and says of calls that reached nobody where they went.
type boundedConn struct {
	conn    grpc.ClientConnInterface
	server  string
	timeout time.Duration
}

// Invoke implements grpc.ClientConnInterface.
func (c *boundedConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	begin := time.Now()
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.conn.Invoke(bounded, method, args, reply, opts...)
	// The server knows the deadline and may be the first to notice that it has passed.
	ours := time.Since(begin) >= c.timeout || len(status.Convert(err).Details()) == 0
	if status.Code(err) == codes.DeadlineExceeded && ctx.Err() == nil && ours {
		return status.Errorf(codes.DeadlineExceeded, "no answer within %s; --timeout gives it more", c.timeout)
	}
	return c.located(err)
}

// NewStream implements grpc.ClientConnInterface.
func (c *boundedConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := c.conn.NewStream(ctx, desc, method, opts...)
	return stream, c.located(err)
}

func (c *boundedConn) located(err error) error {
	if status.Code(err) == codes.Unavailable && reasonName(status.Convert(err)) == strings.ToUpper(codes.Unavailable.String()) {
		return &unreachableError{server: c.server, err: err}
	}
	return err
}

// reasonText is a reason for people; empty where there is none.
func reasonText(reason errorsv1.Reason) string {
	if reason == errorsv1.Reason_REASON_UNSPECIFIED {
		return ""
	}
	return reason.String()
}
