package rpcserver

import (
	"crypto/tls"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// transportCredentials returns TLS with plaintext for in-memory connections, or
// plaintext when there is no TLS.
func transportCredentials(cfg *tls.Config) credentials.TransportCredentials {
	if cfg == nil {
		return insecure.NewCredentials()
	}
	return &memoryOrTLS{TransportCredentials: credentials.NewTLS(cfg), memory: insecure.NewCredentials()}
}

// memoryOrTLS lets one server, with one set of handlers, serve the roles of its
// own process in memory and others over TLS.
type memoryOrTLS struct {
	credentials.TransportCredentials
	memory credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (c *memoryOrTLS) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if inMemory(conn.LocalAddr()) {
		return c.memory.ServerHandshake(conn)
	}
	return c.TransportCredentials.ServerHandshake(conn)
}

// Clone implements credentials.TransportCredentials.
func (c *memoryOrTLS) Clone() credentials.TransportCredentials {
	return &memoryOrTLS{TransportCredentials: c.TransportCredentials.Clone(), memory: c.memory.Clone()}
}

// inMemory reports whether addr is that of a connection within the process: one
// of bufconn or net.Pipe.
func inMemory(addr net.Addr) bool {
	return addr.Network() == "bufconn" || addr.Network() == "pipe"
}
