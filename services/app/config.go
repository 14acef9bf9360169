package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/egress"
)

// Config is everything an operator can set. Each setting has one name: `egress.allow_http` in the file, FRESHET_EGRESS_ALLOW_HTTP in the
// environment, --egress-allow-http as a flag. Tags are those of kong, which also makes the help text of them.
type Config struct {
	DataDir         string            `default:"./freshet-data" help:"Folder of the SQLite databases and of the key files; created if missing." placeholder:"DIR"`
	Database        string            `help:"PostgreSQL 15 or later, as a URL: postgres://user@host/name. Without it, SQLite in the data folder. A password belongs into FRESHET_DATABASE or the file, not into a flag." placeholder:"URL"`
	Roles           []string          `default:"connection,token,delivery,gateway" help:"Roles this process runs: ${default}." placeholder:"ROLE,…"`
	Peers           map[string]string `help:"Where the roles run that this process does not: token=host:port;delivery=host:port." placeholder:"ROLE=ADDR;…"`
	HTTPAddr        string            `name:"http-addr" default:"127.0.0.1:8080" help:"Where REST, /metrics and the health checks are served." placeholder:"ADDR"`
	GRPCAddr        string            `name:"grpc-addr" default:"127.0.0.1:9090" help:"Where gRPC is served." placeholder:"ADDR"`
	AdminKeyFile    string            `help:"File of the admin key; created with a new key if missing. Default: admin.key in the data folder." placeholder:"FILE"`
	MasterKeyFile   string            `help:"File of the master key that seals stored secrets; created if missing. Default: master.key in the data folder." placeholder:"FILE"`
	PublicURL       string            `name:"public-url" help:"Where browsers reach the gateway: scheme and host, and a path where it is not at the root. Providers send end users back to it with /oauth/callback behind. Default: http_addr, where the gateway runs here and on the loopback interface." placeholder:"URL"`
	ProvidersDir    string            `help:"Folder of the operator's own entries of the provider catalogue, a YAML file each; one of the same name replaces the one that comes with the program." placeholder:"DIR"`
	ShutdownTimeout time.Duration     `default:"15s" help:"How long stopping may take before what is left is cut off."`
	TLS             TLSConfig         `embed:"" prefix:"tls-"`
	Egress          EgressConfig      `embed:"" prefix:"egress-"`
	Connect         ConnectConfig     `embed:"" prefix:"connect-"`
	Delivery        DeliveryConfig    `embed:"" prefix:"delivery-"`
	Proxy           ProxyConfig       `embed:"" prefix:"proxy-"`
	Calls           CallsConfig       `embed:"" prefix:"calls-"`
	Streams         StreamsConfig     `embed:"" prefix:"streams-"`
	Log             LogConfig         `embed:"" prefix:"log-"`
}

// TLSConfig secures gRPC and REST over TCP.
type TLSConfig struct {
	CertFile string `help:"Certificate chain of this process, PEM. With it, gRPC and REST are served with TLS." placeholder:"FILE"`
	KeyFile  string `help:"Key of the certificate, PEM." placeholder:"FILE"`
	CAFile   string `name:"ca-file" help:"Authorities that peers' certificates are checked against, PEM. Without it, peers must be on the loopback interface." placeholder:"FILE"`
}

// EgressConfig widens where outbound calls may go: token endpoints and destinations.
type EgressConfig struct {
	Allow     []string `help:"Networks that may be called although they are not public, such as 10.1.0.0/16, 192.0.2.7 or loopback." placeholder:"NET,…"`
	AllowHTTP bool     `name:"allow-http" help:"Allow http:// besides https://."`
}

// ConnectConfig is for end users who connect accounts.
type ConnectConfig struct {
	SessionLifetime time.Duration `default:"10m" help:"How long an end user may take to come back from the provider, 1m to 24h."`
}

// DeliveryConfig tunes the delivery service.
type DeliveryConfig struct {
	MaxEntries          int           `default:"10" help:"Most events in one PutEvents call, 1 to 1000."`
	Retention           time.Duration `default:"720h" help:"How long events are kept, with what became of them, where their bus says nothing else; 0 for ever." placeholder:"TIME"`
	DeadLetterRetention time.Duration `default:"2160h" help:"The same for dead deliveries." placeholder:"TIME"`
}

// ProxyConfig bounds calls through the API proxy.
type ProxyConfig struct {
	Timeout       time.Duration `default:"15m" help:"How long a call may take, from its begin to the end of its answer."`
	AnswerTimeout time.Duration `default:"1m" help:"How long an API may take to begin its answer, once it has the request."`
	MaxRequest    int64         `name:"max-request-mib" default:"1024" help:"Largest body of a call, in MiB."`
	MaxResponse   int64         `name:"max-response-mib" default:"1024" help:"Largest body of an answer, in MiB."`
}

// CallsConfig bounds the log of calls through the API proxy.
type CallsConfig struct {
	Retention time.Duration `default:"168h" help:"How long calls through the API proxy are kept in the call log; 0 for ever." placeholder:"TIME"`
	MaxCount  int           `default:"500000" help:"Most calls kept, the newest; 0 keeps none."`
}

// StreamsConfig bounds the streams that callers have open.
type StreamsConfig struct {
	Open      int `default:"100000" help:"Most streams open at once."`
	PerCaller int `default:"50000" help:"Most streams of one caller."`
	OpenRate  int `default:"2000" help:"Streams opened in a second, on average; more wait up to 5 s, and are refused beyond."`
}

// LogConfig tunes the log.
type LogConfig struct {
	Level  string `default:"info" help:"Least severity that is logged: debug, info, warn, error."`
	Format string `default:"text" help:"Form of the log: text or json."`
}

// RoleNames are the roles there are, in start order.
func RoleNames() []string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = role.name
	}
	return names
}

// maxProxyMiB is a pebibyte: far beyond any body, and far from what its bytes cannot be counted in.
const maxProxyMiB = 1 << 30

// Validate returns everything that is wrong with the configuration, each error with the setting's name.
func (c *Config) Validate() error {
	var errs []error
	fail := func(setting, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", setting, fmt.Sprintf(format, args...)))
	}
	if len(c.Roles) == 0 {
		fail("roles", "at least one of %s", strings.Join(RoleNames(), ", "))
	}
	for _, role := range c.Roles {
		if !slices.Contains(RoleNames(), role) {
			fail("roles", "%q is none of %s", role, strings.Join(RoleNames(), ", "))
		}
	}
	for role, addr := range c.Peers {
		if !slices.Contains(RoleNames(), role) {
			fail("peers", "%q is none of %s", role, strings.Join(RoleNames(), ", "))
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			fail("peers", "%s: %q is not host:port", role, addr)
		} else if c.TLS.CAFile == "" && !isLoopback(host) {
			fail("peers", "%s: %s is not on the loopback interface; set tls.ca_file so that it is reached with TLS", role, addr)
		}
	}
	for _, role := range missingPeers(c) {
		fail("peers", "%s is needed by this process's roles and runs elsewhere: give its address", role)
	}
	for setting, addr := range map[string]string{"http_addr": c.HTTPAddr, "grpc_addr": c.GRPCAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			fail(setting, "%q is not host:port", addr)
		}
	}
	if c.Database != "" {
		if u, err := url.Parse(c.Database); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
			fail("database", "must be a URL that begins with postgres://")
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		fail("tls", "cert_file and key_file go together")
	}
	if _, err := egress.ParseNetworks(c.Egress.Allow); err != nil {
		fail("egress.allow", "%v", err)
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
			strings.ContainsAny(c.PublicURL, "?#") {
			fail("public_url", "must be a URL such as https://connect.example.com, without user, query and fragment")
		}
	}
	if c.Connect.SessionLifetime < time.Minute || c.Connect.SessionLifetime > 24*time.Hour {
		fail("connect.session_lifetime", "%s is not within 1m to 24h", c.Connect.SessionLifetime)
	}
	if c.Delivery.MaxEntries < 1 || c.Delivery.MaxEntries > 1000 {
		fail("delivery.max_entries", "%d is not within 1 to 1000", c.Delivery.MaxEntries)
	}
	for setting, value := range map[string]int{
		"streams.open": c.Streams.Open, "streams.per_caller": c.Streams.PerCaller, "streams.open_rate": c.Streams.OpenRate,
	} {
		if value < 1 {
			fail(setting, "%d is less than 1", value)
		}
	}
	for setting, limit := range map[string]time.Duration{"proxy.timeout": c.Proxy.Timeout, "proxy.answer_timeout": c.Proxy.AnswerTimeout} {
		if limit < time.Second {
			fail(setting, "%s is less than 1s", limit)
		}
	}
	for setting, mib := range map[string]int64{"proxy.max_request_mib": c.Proxy.MaxRequest, "proxy.max_response_mib": c.Proxy.MaxResponse} {
		if mib < 1 || mib > maxProxyMiB {
			fail(setting, "%d is not within 1 to %d", mib, maxProxyMiB)
		}
	}
	if c.Calls.MaxCount < 0 {
		fail("calls.max_count", "%d is less than 0", c.Calls.MaxCount)
	}
	for setting, age := range map[string]time.Duration{
		"calls.retention": c.Calls.Retention, "delivery.retention": c.Delivery.Retention, "delivery.dead_letter_retention": c.Delivery.DeadLetterRetention,
	} {
		if age != 0 && age < time.Minute {
			fail(setting, "%s is neither 0, for ever, nor at least 1m", age)
		}
	}
	if c.ShutdownTimeout < time.Second {
		fail("shutdown_timeout", "%s is less than 1s", c.ShutdownTimeout)
	}
	if _, err := parseLevel(c.Log.Level); err != nil {
		fail("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		fail("log.format", "%q is neither text nor json", c.Log.Format)
	}
	return errors.Join(errs...)
}

// AdminKeyPath is the admin key's file.
func (c *Config) AdminKeyPath() string { return orIn(c.AdminKeyFile, c.DataDir, "admin.key") }

// MasterKeyPath is the master key's file.
func (c *Config) MasterKeyPath() string { return orIn(c.MasterKeyFile, c.DataDir, "master.key") }

func orIn(path, dir, name string) string {
	if path != "" {
		return path
	}
	return filepath.Join(dir, name)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
