package egress_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/egress"
)

// listen accepts connections on 127.0.0.1 until the test ends and counts them.
// Every accepted connection is closed at once.
func listen(t *testing.T) (port string, accepted func() int) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	count := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			count++
			_ = conn.Close()
		}
	}()
	stop := func() {
		_ = listener.Close()
		<-done
	}
	t.Cleanup(stop)
	_, port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port, func() int {
		// Connections are accepted in order: when this one is, all earlier are.
		last, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
		require.NoError(t, err)
		_, err = last.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, last.Close())
		stop()
		return count - 1
	}
}

func guardFor(t *testing.T, resolver *net.Resolver, allow ...string) *egress.Guard {
	t.Helper()
	networks, err := egress.ParseNetworks(allow)
	require.NoError(t, err)
	return egress.NewGuard(egress.Policy{AllowNetworks: networks, AllowHTTP: true}, egress.Options{Resolver: resolver})
}

func TestDialRefusesAddresses(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	guard := guardFor(t, nil)
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "[::]"} {
		_, err := guard.DialContext(t.Context(), "tcp", host+":"+port)
		require.True(t, egress.IsDenied(err), "%s: %v", host, err)
	}
	for _, host := range []string{"127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1."} {
		_, err := guardFor(t, nil, "loopback").DialContext(t.Context(), "tcp", host+":"+port)
		require.True(t, egress.IsDenied(err), "%s: %v", host, err)
	}
	require.Zero(t, accepted())
}

func TestDialRefusesMalformedTargets(t *testing.T) {
	t.Parallel()
	guard := guardFor(t, nil, "loopback")
	for _, c := range [][3]string{
		{"udp", "127.0.0.1:53", egress.RuleNetwork},
		{"unix", "/var/run/docker.sock", egress.RuleNetwork},
		{"tcp", "127.0.0.1", egress.RuleHost},
		{"tcp", ":80", egress.RuleHost},
		{"tcp", "127.0.0.1:", egress.RulePort},
		{"tcp", "127.0.0.1:0", egress.RulePort},
		{"tcp", "127.0.0.1:http", egress.RulePort},
	} {
		_, err := guard.DialContext(t.Context(), c[0], c[1])
		var denied *egress.DeniedError
		require.ErrorAs(t, err, &denied, c)
		require.Equal(t, c[2], denied.Rule, c)
	}
}

// TestDialPinsTheAddress is DNS rebinding: the name is good when it is
// registered and at the first dial, and points elsewhere afterwards.
func TestDialPinsTheAddress(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	server, resolver := newNameServer(t, map[string][][]netip.Addr{
		"rebind.test": {addresses("127.0.0.1"), addresses("127.0.0.2"), addresses("127.0.0.1")},
	})
	guard := guardFor(t, resolver, "127.0.0.1")
	_, err := guard.CheckURL("https://rebind.test:" + port)
	require.NoError(t, err)
	require.Zero(t, server.queriesFor("rebind.test"), "names are looked up by the dial only")

	conn, err := guard.DialContext(t.Context(), "tcp", "rebind.test:"+port)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:"+port, conn.RemoteAddr().String())
	require.NoError(t, conn.Close())
	require.Equal(t, 1, server.queriesFor("rebind.test"), "one lookup: checked and dialled are the same answer")

	_, err = guard.DialContext(t.Context(), "tcp", "rebind.test:"+port)
	require.True(t, egress.IsDenied(err), "every dial checks: %v", err)
	require.ErrorContains(t, err, "127.0.0.2")
	require.Equal(t, 1, accepted())
}

func TestDialRefusesNamesOfPrivateAddresses(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	_, resolver := newNameServer(t, map[string][][]netip.Addr{
		"loopback.test": {addresses("127.0.0.1", "::1")},
		"mapped.test":   {addresses("::ffff:127.0.0.1")},
		"nat64.test":    {addresses("64:ff9b::127.0.0.1")},
		"metadata.test": {addresses("169.254.169.254")},
		"many.test":     {addresses("10.0.0.1", "192.168.0.1", "fd00::1")},
	})
	guard := guardFor(t, resolver)
	for _, name := range []string{"loopback", "mapped", "nat64", "metadata", "many"} {
		for _, network := range []string{"tcp", "tcp4", "tcp6"} {
			_, err := guard.DialContext(t.Context(), network, name+".test:"+port)
			require.Error(t, err)
			if network == "tcp" { // the others may lack an address of their family
				require.True(t, egress.IsDenied(err), "%s: %v", name, err)
			}
		}
	}
	require.Zero(t, accepted())
}

// TestDialTriesAllowedCandidatesInTurn: of mixed answers the denied ones are
// never dialled, and one that does not answer is not the end.
func TestDialTriesAllowedCandidatesInTurn(t *testing.T) {
	t.Parallel()
	port, _ := listen(t)
	_, resolver := newNameServer(t, map[string][][]netip.Addr{
		"mixed.test":   {addresses("10.0.0.1", "127.0.0.1", "169.254.169.254")},
		"refused.test": {addresses("127.0.0.3", "127.0.0.2", "127.0.0.1")},
		"closed.test":  {addresses("127.0.0.2", "127.0.0.3")},
	})
	conn, err := guardFor(t, resolver, "127.0.0.1").DialContext(t.Context(), "tcp", "mixed.test:"+port)
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	guard := guardFor(t, resolver, "loopback")
	conn, err = guard.DialContext(t.Context(), "tcp4", "refused.test:"+port)
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	_, err = guard.DialContext(t.Context(), "tcp", "closed.test:"+port)
	require.ErrorContains(t, err, "127.0.0.2")
	require.ErrorContains(t, err, "127.0.0.3")
	require.False(t, egress.IsDenied(err))
}

func TestResolve(t *testing.T) {
	t.Parallel()
	_, resolver := newNameServer(t, map[string][][]netip.Addr{
		"mixed.test": {addresses("10.0.0.1", "8.8.8.8", "::ffff:9.9.9.9")},
	})
	guard := guardFor(t, resolver)
	got, err := guard.Resolve(t.Context(), "mixed.test")
	require.NoError(t, err, "what is denied is resolved all the same")
	require.ElementsMatch(t, addresses("10.0.0.1", "8.8.8.8", "9.9.9.9"), got)
	require.Error(t, guard.CheckAddr(netip.MustParseAddr("10.0.0.1")))

	got, err = guard.Resolve(t.Context(), "::1")
	require.NoError(t, err)
	require.Equal(t, addresses("::1"), got)

	_, err = guard.Resolve(t.Context(), "unknown.test")
	var missing *net.DNSError
	require.ErrorAs(t, err, &missing)
	require.True(t, missing.IsNotFound)
	require.False(t, egress.IsDenied(err))

	_, err = guard.Resolve(t.Context(), "0x7f.1")
	require.True(t, egress.IsDenied(err))
}

func TestDialEndsInTime(t *testing.T) {
	t.Parallel()
	// A name server that is not reached before the test ends. The resolver goes
	// on in the background when its caller has given up, hence the release.
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		<-release
		return nil, net.ErrClosed
	}}
	guard := egress.NewGuard(egress.Policy{}, egress.Options{Resolver: resolver, DialTimeout: 20 * time.Millisecond})
	_, err := guard.DialContext(t.Context(), "tcp", "silent.test:443")
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = guardFor(t, nil, "loopback").DialContext(canceled, "tcp", "127.0.0.1:9")
	require.ErrorIs(t, err, context.Canceled)
}
