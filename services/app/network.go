package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-io/freshet/services/internal/rpcclient"
)

// memoryBuffer is what an in-memory connection holds on its way, in bytes.
const memoryBuffer = 1 << 20

// network leads from role to role: in memory to those of this process, over TCP to the others. Server, interceptors and client are the
// same in both, only the dialer differs.
type network struct {
	config *Config
	memory *bufconn.Listener
	client rpcclient.Options
	opened map[string]*grpc.ClientConn
}

func newNetwork(config *Config, client rpcclient.Options) *network {
	return &network{config: config, memory: bufconn.Listen(memoryBuffer), client: client, opened: map[string]*grpc.ClientConn{}}
}

// to returns a connection to a role that identifies itself with the given credentials, or with none: the gateway passes on those of its
// callers. Connections are shared by caller and role.
func (n *network) to(role, caller string, creds credentials.PerRPCCredentials) (*grpc.ClientConn, error) {
	key := caller + ">" + role
	if conn, ok := n.opened[key]; ok {
		return conn, nil
	}
	options := n.client
	options.Credentials = creds
	target := "passthrough:///" + role
	if slices.Contains(n.config.Roles, role) {
		options.Dialer = func(ctx context.Context, _ string) (net.Conn, error) { return n.memory.DialContext(ctx) }
	} else {
		target = "dns:///" + n.config.Peers[role]
		var err error
		if options.TLS, err = clientTLS(n.config.TLS); err != nil {
			return nil, err
		}
	}
	conn, err := rpcclient.Dial(target, options)
	if err != nil {
		return nil, fmt.Errorf("app: reach role %s: %w", role, err)
	}
	n.opened[key] = conn
	return conn, nil
}

func (n *network) close() error {
	errs := make([]error, 0, len(n.opened))
	for _, conn := range n.opened {
		errs = append(errs, conn.Close())
	}
	return errors.Join(append(errs, n.memory.Close())...)
}

func clientTLS(config TLSConfig) (*tls.Config, error) {
	if config.CAFile == "" {
		return nil, nil //nolint:nilnil // Plaintext, which Config.Validate allows on the loopback interface only.
	}
	pem, err := os.ReadFile(config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("tls.ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.ca_file: %s holds no certificate", config.CAFile)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func serverTLS(config TLSConfig) (*tls.Config, error) {
	if config.CertFile == "" {
		return nil, nil //nolint:nilnil // Plaintext.
	}
	cert, err := tls.LoadX509KeyPair(config.CertFile, config.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
