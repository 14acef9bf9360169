package rpcclient

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// security returns the options for transport and per-call credentials.
func security(o Options) []grpc.DialOption {
	if o.TLS != nil {
		opts := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(o.TLS))}
		if o.Credentials != nil {
			opts = append(opts, grpc.WithPerRPCCredentials(o.Credentials))
		}
		return opts
	}
	opts := []grpc.DialOption{grpc.WithTransportCredentials(localPlaintext{insecure.NewCredentials()})}
	if o.Credentials != nil {
		opts = append(opts, grpc.WithPerRPCCredentials(localCredentials{o.Credentials}))
	}
	return opts
}

// localPlaintext is plaintext for connections that do not leave the machine. It
// looks at the address that was reached, so that no name can lead elsewhere.
type localPlaintext struct {
	credentials.TransportCredentials
}

// ClientHandshake implements credentials.TransportCredentials.
func (c localPlaintext) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if addr := conn.RemoteAddr(); !local(addr) {
		return nil, nil, fmt.Errorf("rpcclient: %s is not on this machine; plaintext is refused, use TLS", addr)
	}
	return c.TransportCredentials.ClientHandshake(ctx, authority, conn)
}

// Clone implements credentials.TransportCredentials.
func (c localPlaintext) Clone() credentials.TransportCredentials {
	return localPlaintext{c.TransportCredentials.Clone()}
}

// local reports whether addr is in memory (bufconn, net.Pipe), a unix socket or
// loopback.
func local(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return addr.Network() == "bufconn" || addr.Network() == "pipe"
	}
}

// localCredentials lets credentials that demand transport security travel over
// localPlaintext, which gives them what they need it for.
type localCredentials struct{ credentials.PerRPCCredentials }

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (localCredentials) RequireTransportSecurity() bool { return false }
