package e2e_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// addresses returns free addresses for servers that come and go. They are on a loopback address of their own where the system has
// those (Linux), because a port that nobody listens on for a moment may be taken for somebody's outgoing connection, and those
// come from 127.0.0.1.
func addresses(t testing.TB, n int) []string {
	t.Helper()
	number := hosts.Add(1)
	host := fmt.Sprintf("127.77.%d.%d", number/250, number%250+1)
	if probe, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		host = "127.0.0.1"
	} else {
		require.NoError(t, probe.Close())
	}
	out := make([]string, n)
	for i := range out {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		require.NoError(t, err)
		defer listener.Close() // only then: all of them differ
		out[i] = listener.Addr().String()
	}
	return out
}
