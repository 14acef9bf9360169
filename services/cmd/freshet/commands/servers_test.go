package commands

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseServers(t *testing.T) {
	everywhere := servers{roleConnection: "h:1", roleToken: "h:1", roleDelivery: "h:1", roleGateway: "h:1"}
	for text, want := range map[string]servers{
		"h:1":                            everywhere,
		" h:1 ":                          everywhere,
		"token=h:2":                      {roleToken: "h:2"},
		"connection=h:1; delivery=h:3 ;": {roleConnection: "h:1", roleDelivery: "h:3"},
	} {
		got, err := parseServers(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":                      "an address host:port is needed, or addresses by role: connection=host:port;",
		"console=h:1":           `"console" is none of connection, token, delivery, gateway`,
		"h:1;h:2":               `"h:1" is none of connection, token, delivery, gateway`,
		"token=":                "token has no address: token=host:port",
		"token":                 "",
		"token=h:1;token=h:2":   "token has two addresses",
		"token=h:1;=h:2":        `"" is none of connection, token, delivery, gateway`,
		"token=h:1;connection;": "connection has no address: connection=host:port",
	} {
		_, err := parseServers(text)
		if want == "" {
			require.NoError(t, err, "it may be the name of a host")
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestServersShareConnections(t *testing.T) {
	server := newScripted(t)
	f := clientFlags{Server: "connection=" + server.addr + ";token=" + server.addr + ";delivery=127.0.0.1:1", AdminKeyFile: server.keyFile}
	cl, err := f.connect(&session{}, roleConnection, roleToken, roleDelivery)
	require.NoError(t, err)
	defer cl.close()
	require.Len(t, cl.opened, 2)
}

// TestAgainstRolesInProcesses: each role is another process's, and one --server serves every command.
func TestAgainstRolesInProcesses(t *testing.T) {
	s := newSuite(t)
	addr := map[string]string{}
	var peers string
	for _, role := range []string{roleConnection, roleToken, roleDelivery} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr[role] = listener.Addr().String()
		require.NoError(t, listener.Close())
		peers += role + "=" + addr[role] + ";"
	}
	for role, at := range addr {
		s.serve("--roles", role, "--peers", peers, "--grpc-addr", at)
	}
	s.env["FRESHET_SERVER"] = peers
	declared := s.manifest()
	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-", "--wait", "30s"), "6 created, 0 updated, 0 unchanged\n")
	require.Contains(t, s.run(exitDone, "", "connections", "test", "crm"), "The connection works.\n")
	require.Contains(t, s.run(exitDone, "", "token", "get", "crm"), "AUTHORIZED")
	s.run(exitDone, `{"source":"shop","detailType":"OrderCompleted","detail":{"id":"7"}}`, "events", "put", "--bus", "orders", "-f", "-")
	require.Contains(t, s.run(exitDone, "", "deliveries", "list", "--destination", "orders"), "OrderCompleted")

	s.env["FRESHET_SERVER"] = addr[roleConnection]
	require.Contains(t, s.run(exitFailed, "", "token", "get", "crm"),
		"error: METHOD_NOT_SERVED: the method is not served by this process\nWhere roles have processes of their own, give --server the address of each: ")
	s.env["FRESHET_SERVER"] = "connection=" + addr[roleConnection]
	require.Contains(t, s.run(exitDone, "kind: Connection\nid: none\napiKey: {name: x, value: "+apiKeySecret+"}\n", "apply", "-f", "-"), "1 created")
	for _, args := range [][]string{{"apply", "-f", "-"}, {"deliveries", "list"}} {
		require.Contains(t, s.run(exitUsage, declared, args...),
			"error: --server: no address of the delivery role, which this command calls: add delivery=host:port\n")
	}
}
