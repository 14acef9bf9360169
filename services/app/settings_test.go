package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/app"
)

// load parses a configuration the way `freshet serve` does.
func load(t *testing.T, args []string, env map[string]string) (app.Config, error) {
	t.Helper()
	var cli struct {
		app.Config `embed:""`
		File       string `name:"config"`
	}
	resolver := app.NewSettings(func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	parser, err := kong.New(&cli, kong.Name("freshet"), kong.Resolvers(resolver))
	require.NoError(t, err)
	_, err = parser.Parse(args)
	return cli.Config, err
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "freshet.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestSourcesInOrder(t *testing.T) {
	path := file(t, "http_addr: 127.0.0.1:1\ngrpc_addr: 127.0.0.1:1\ndata_dir: from-file\negress:\n  allow: [10.0.0.0/8, loopback]\n  allow_http: true\nshutdown_timeout: 3s\n")
	env := map[string]string{"FRESHET_CONFIG": path, "FRESHET_HTTP_ADDR": "127.0.0.1:2", "FRESHET_GRPC_ADDR": "127.0.0.1:2"}

	config, err := load(t, []string{"--grpc-addr", "127.0.0.1:3"}, env)

	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:3", config.GRPCAddr, "a flag wins over environment and file")
	require.Equal(t, "127.0.0.1:2", config.HTTPAddr, "the environment wins over the file")
	require.Equal(t, "from-file", config.DataDir, "the file wins over the default")
	require.Equal(t, []string{"10.0.0.0/8", "loopback"}, config.Egress.Allow)
	require.True(t, config.Egress.AllowHTTP)
	require.Equal(t, 3*time.Second, config.ShutdownTimeout)
	require.Equal(t, "info", config.Log.Level, "the default stays where nobody says anything")
}

func TestEnvironmentReachesEverySetting(t *testing.T) {
	config, err := load(t, nil, map[string]string{
		"FRESHET_EGRESS_ALLOW": "loopback,192.0.2.0/24", "FRESHET_EGRESS_ALLOW_HTTP": "true",
		"FRESHET_ROLES": "token", "FRESHET_PEERS": "connection=127.0.0.1:9;delivery=127.0.0.1:8",
		"FRESHET_DELIVERY_MAX_ENTRIES": "100", "FRESHET_TLS_CA_FILE": "ca.pem",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"loopback", "192.0.2.0/24"}, config.Egress.Allow)
	require.True(t, config.Egress.AllowHTTP)
	require.Equal(t, []string{"token"}, config.Roles)
	require.Equal(t, map[string]string{"connection": "127.0.0.1:9", "delivery": "127.0.0.1:8"}, config.Peers)
	require.Equal(t, 100, config.Delivery.MaxEntries)
	require.Equal(t, "ca.pem", config.TLS.CAFile)
	require.NoError(t, config.Validate())
}

func TestFileIsStrict(t *testing.T) {
	for name, text := range map[string]string{
		"unknown setting":         "htttp_addr: 127.0.0.1:1\n",
		"unknown in a section":    "egress:\n  alow: [loopback]\n",
		"section as value":        "egress: yes\n",
		"twice":                   "data_dir: a\ndata_dir: b\n",
		"not a duration":          "shutdown_timeout: soon\n",
		"flag spelling":           "data-dir: a\n",
		"not a mapping":           "- a\n",
		"list of what is no list": "data_dir:\n  deep: [1]\n  er: {a: {b: c}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, []string{"--config", file(t, text)}, nil)
			require.Error(t, err)
		})
	}
	_, err := load(t, []string{"--config", file(t, "egress:\n  alow: [loopback]\n")}, nil)
	require.ErrorContains(t, err, "egress.alow: no such setting")
	_, err = load(t, []string{"--config", filepath.Join(t.TempDir(), "missing.yaml")}, nil)
	require.ErrorContains(t, err, "missing.yaml")
}

func TestValidateNamesTheSetting(t *testing.T) {
	for name, change := range map[string]func(*app.Config){
		"roles":                  func(c *app.Config) { c.Roles = []string{"tokens"} },
		"peers: connection":      func(c *app.Config) { c.Roles = []string{"token"} },
		"peers: token: 10.0.0":   func(c *app.Config) { c.Peers = map[string]string{"token": "10.0.0.1:9090"} },
		"http_addr":              func(c *app.Config) { c.HTTPAddr = "8080" },
		"grpc_addr":              func(c *app.Config) { c.GRPCAddr = "localhost" },
		"database":               func(c *app.Config) { c.Database = "mysql://localhost/x" },
		"tls":                    func(c *app.Config) { c.TLS.CertFile = "cert.pem" },
		"egress.allow":           func(c *app.Config) { c.Egress.Allow = []string{"10.0.0.0/33"} },
		"delivery.max_entries":   func(c *app.Config) { c.Delivery.MaxEntries = 0 },
		"proxy.timeout":          func(c *app.Config) { c.Proxy.Timeout = time.Millisecond },
		"proxy.max_request_mib":  func(c *app.Config) { c.Proxy.MaxRequest = 1 << 44 },
		"proxy.max_response_mib": func(c *app.Config) { c.Proxy.MaxResponse = 0 },
		"shutdown_timeout":       func(c *app.Config) { c.ShutdownTimeout = 0 },
		"log.level":              func(c *app.Config) { c.Log.Level = "loud" },
		"log.format":             func(c *app.Config) { c.Log.Format = "xml" },
	} {
		t.Run(name, func(t *testing.T) {
			config, err := app.DefaultConfig()
			require.NoError(t, err)
			require.NoError(t, config.Validate(), "the defaults are valid")
			change(&config)
			require.ErrorContains(t, config.Validate(), name)
		})
	}
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	config, err := app.DefaultConfig()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", config.HTTPAddr)
	require.Equal(t, "127.0.0.1:9090", config.GRPCAddr)
	require.Equal(t, "./freshet-data", config.DataDir)
	require.Equal(t, app.RoleNames(), config.Roles, "all roles in one process, in start order")
	require.Equal(t, filepath.Join("freshet-data", "admin.key"), config.AdminKeyPath())
	require.Equal(t, filepath.Join("freshet-data", "master.key"), config.MasterKeyPath())
}

func TestYAMLRoundTripAndRedaction(t *testing.T) {
	config, err := load(t, []string{"--egress-allow", "loopback", "--roles", "token,delivery", "--peers", "connection=127.0.0.1:1", "--calls-max-count", "12345678"}, nil)
	require.NoError(t, err)
	text, err := config.YAML()
	require.NoError(t, err)
	again, err := load(t, []string{"--config", file(t, string(text))}, nil)
	require.NoError(t, err)
	require.Equal(t, config, again)

	for _, secret := range []string{"postgres://u:hunter2@h/db", "postgres://h/db?password=hunter2", "postgres://h/db?sslpassword=hunter2"} {
		config.Database = secret
		text, err = config.YAML()
		require.NoError(t, err)
		require.NotContains(t, string(text), "hunter2")
	}
}
