package tokensource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 10 * time.Second
	// pingAfter is the least interval that gRPC servers accept by default.
	pingAfter = 5 * time.Minute
	// pingTimeout is also how long sent bytes may stay unacknowledged before
	// the connection counts as dead, where the system can tell.
	pingTimeout = 20 * time.Second
)

// KeyFunc returns the key that authenticates a call to Freshet: the admin key or
// an API key. It is asked for each call, so that a key can be changed.
type KeyFunc func(ctx context.Context) (string, error)

// Key returns a KeyFunc that always returns key.
func Key(key string) KeyFunc {
	return func(context.Context) (string, error) { return key, nil }
}

// KeyFile returns a KeyFunc that reads the key from a file, white space around
// it aside.
func KeyFile(path string) KeyFunc {
	return func(context.Context) (string, error) {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("tokensource: key file: %w", err)
		}
		return string(bytes.TrimSpace(content)), nil
	}
}

// Dial returns a connection to Freshet's gRPC address, such as
// "freshet.example:9090", that authenticates each call with key. It uses TLS
// with the system's root certificates, and none to the loopback or a Unix
// socket; opts come last and may say otherwise, but the key never leaves the
// machine unprotected. Nothing is sent before the first call.
//
// [New] takes any connection; this one also finds out about dead peers and comes
// back to a returning server within 30 s.
func Dial(addr string, key KeyFunc, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	if addr == "" {
		return nil, errors.New("tokensource: addr: want host:port")
	}
	if key == nil {
		return nil, errors.New("tokensource: key: want a KeyFunc, got nil")
	}
	local := isLocal(addr)
	transport := credentials.NewClientTLSFromCert(nil, "")
	if local {
		transport = insecure.NewCredentials()
	}
	retry := grpcbackoff.DefaultConfig
	retry.BaseDelay = minBackoff
	retry.MaxDelay = maxBackoff
	conn, err := grpc.NewClient(addr, append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithPerRPCCredentials(keyCredentials{key: key, local: local}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: connectTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("tokensource: dial %s: %w", addr, err)
	}
	return conn, nil
}

// isLocal reports whether a gRPC target
// (https://github.com/grpc/grpc/blob/master/doc/naming.md) is this machine.
func isLocal(target string) bool {
	scheme, rest, found := strings.Cut(target, ":")
	switch {
	case found && (scheme == "unix" || scheme == "unix-abstract"):
		return true
	case found && (scheme == "dns" || scheme == "passthrough"):
		target = rest[strings.LastIndex(rest, "/")+1:]
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		host = strings.Trim(target, "[]")
	}
	return isLoopback(host)
}

// keyCredentials puts the key on each call.
type keyCredentials struct {
	key   KeyFunc
	local bool
}

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (c keyCredentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	key, err := c.key(ctx)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, errors.New("tokensource: key is empty")
	}
	return map[string]string{"authorization": "Bearer " + key}, nil
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (c keyCredentials) RequireTransportSecurity() bool { return !c.local }
