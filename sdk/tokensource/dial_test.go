package tokensource_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// listen runs the server on a port of the loopback and returns its address.
func (s *tokenServer) listen(t *testing.T, network, address string, opts ...grpc.ServerOption) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	server := grpc.NewServer(opts...)
	tokenv1.RegisterTokenServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr()
}

// dialAndWatch returns the server's token through a dialled connection.
func dialAndWatch(t *testing.T, addr string, key tokensource.KeyFunc, opts ...grpc.DialOption) (string, error) {
	t.Helper()
	conn, err := tokensource.Dial(addr, key, opts...)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	source, err := tokensource.New(ctx, conn, connection)
	if err != nil {
		return "", err
	}
	defer func() { require.NoError(t, source.Close()) }()
	token, err := source.Token()
	require.NoError(t, err)
	return token.AccessToken, nil
}

func TestDialOnTheLoopback(t *testing.T) {
	server := newTokenServer(bearer(1, "first", time.Hour))
	tcp := server.listen(t, "tcp", "127.0.0.1:0").String()
	_, port, err := net.SplitHostPort(tcp)
	require.NoError(t, err)
	unix := server.listen(t, "unix", filepath.Join(t.TempDir(), "s")).String()
	for _, addr := range []string{tcp, "dns:///" + tcp, "passthrough:///" + tcp, "localhost:" + port, "unix:" + unix, "unix://" + unix} {
		token, err := dialAndWatch(t, addr, tokensource.Key("k"))
		require.NoError(t, err, addr)
		require.Equal(t, "first", token)
		require.Equal(t, []string{"Bearer k"}, server.header.Get("authorization"))
	}
}

func TestDialWithTLS(t *testing.T) {
	// httptest has a certificate for example.com at hand.
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	server := newTokenServer(bearer(1, "first", time.Hour))
	addr := server.listen(t, "tcp", "127.0.0.1:0", grpc.Creds(credentials.NewServerTLSFromCert(&web.TLS.Certificates[0])))
	toServer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
	})
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())

	token, err := dialAndWatch(t, "passthrough:///example.com:9090", tokensource.Key("k"), toServer,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})))
	require.NoError(t, err)
	require.Equal(t, "first", token)
	require.Equal(t, []string{"Bearer k"}, server.header.Get("authorization"))
}

func TestDialKeepsTheKeyOffUnprotectedConnections(t *testing.T) {
	server := newTokenServer(bearer(1, "first", time.Hour))
	addr := server.listen(t, "tcp", "127.0.0.1:0")
	toServer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
	})
	for _, host := range []string{"freshet.example:9090", "passthrough:///freshet.example:9090", "passthrough:///localhost.example"} {
		conn, err := tokensource.Dial(host, tokensource.Key("k"), toServer, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err == nil {
			_, err = tokensource.New(t.Context(), conn, connection)
			require.NoError(t, conn.Close())
		}
		require.ErrorContains(t, err, "require", host)
	}
	require.Empty(t, server.openings())
}

func TestKeyFileIsReadForEachCall(t *testing.T) {
	server := newTokenServer(bearer(1, "first", time.Hour))
	addr := server.listen(t, "tcp", "127.0.0.1:0").String()
	file := filepath.Join(t.TempDir(), "admin.key")
	key := tokensource.KeyFile(file)

	_, err := dialAndWatch(t, addr, key)
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	require.ErrorContains(t, err, "key file")

	for _, content := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(file, []byte(content+"\n"), 0o600))
		_, err = dialAndWatch(t, addr, key)
		require.NoError(t, err)
		require.Equal(t, []string{"Bearer " + content}, server.header.Get("authorization"))
	}

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = dialAndWatch(t, addr, key)
	require.ErrorContains(t, err, "key is empty")
}

func TestDialRefusesBadArguments(t *testing.T) {
	_, err := tokensource.Dial("", tokensource.Key("k"))
	require.ErrorContains(t, err, "addr: want host:port")
	_, err = tokensource.Dial("localhost:9090", nil)
	require.ErrorContains(t, err, "key: want a KeyFunc")
	_, err = tokensource.Dial("localhost:9090", tokensource.Key("k"), grpc.WithDefaultServiceConfig("{"))
	require.Error(t, errors.Unwrap(err))
	require.ErrorContains(t, err, "dial localhost:9090")
}
