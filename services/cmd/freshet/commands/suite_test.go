package commands

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

// suite is a served suite and what it calls: an authorization server and an API.
type suite struct {
	t       *testing.T
	env     map[string]string
	as      *authserver.Server
	asURL   string
	api     *resourceapi.API
	apiURL  string
	log     *syncBuffer
	dir     string
	printed string // by all commands
}

type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

const (
	firstSecret  = "s3cret-first-0123456789"
	secondSecret = "s3cret-second-0123456789"
	apiKeySecret = "s3cret-key-0123456789"
)

// startSuite runs `freshet serve`.
func startSuite(t *testing.T) *suite {
	t.Helper()
	s := newSuite(t)
	s.env["FRESHET_SERVER"] = s.serve("--grpc-addr", "127.0.0.1:0")
	return s
}

// newSuite returns what a suite calls, which is not served yet.
func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{t: t, log: &syncBuffer{}, dir: t.TempDir(), env: map[string]string{"CRM_SECRET": firstSecret}}
	var err error
	s.as, err = authserver.New(authserver.Config{Clients: []authserver.Client{
		{ID: "shop", Secrets: []string{firstSecret, secondSecret}, Scopes: []string{"orders.write"}},
	}})
	require.NoError(t, err)
	s.api, err = resourceapi.New(resourceapi.Config{Keys: s.as, RequiredScope: "orders.write", APIKeys: map[string]string{"x-api-key": apiKeySecret}})
	require.NoError(t, err)
	asServer, apiServer := httptest.NewServer(s.as.Handler()), httptest.NewServer(s.api.Handler())
	t.Cleanup(asServer.Close)
	t.Cleanup(apiServer.Close)
	s.asURL, s.apiURL = asServer.URL, apiServer.URL
	s.env["FRESHET_DATA_DIR"] = s.dir
	return s
}

// serve runs a process of the suite and returns the address at which gRPC is served.
func (s *suite) serve(flags ...string) string {
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{
			"serve", "--data-dir", s.dir, "--http-addr", "127.0.0.1:0",
			"--egress-allow", "loopback", "--egress-allow-http", "--log-level", "debug",
		}, flags...), &session{stdin: strings.NewReader(""), stdout: writer, stderr: s.log, lookupEnv: s.lookup, now: time.Now})
		_ = writer.Close()
	}()
	s.t.Cleanup(func() {
		cancel()
		require.Equal(s.t, exitDone, <-done, s.log)
	})
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "  gRPC"); ok {
			go func() { _, _ = io.Copy(io.Discard, reader) }()
			return strings.TrimSpace(addr)
		}
	}
	require.Fail(s.t, "the suite did not start", s.log)
	return ""
}

func (s *suite) lookup(name string) (string, bool) {
	value, ok := s.env[name]
	return value, ok
}

// run returns what a command printed, and requires its exit code.
func (s *suite) run(code int, stdin string, args ...string) string {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	got := run(s.t.Context(), args, &session{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, lookupEnv: s.lookup, now: time.Now})
	s.printed += stdout.String() + stderr.String()
	require.Equal(s.t, code, got, "%v\n%s%s", args, &stdout, &stderr)
	return stdout.String() + stderr.String()
}

func (s *suite) manifest() string {
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "key.txt"), []byte(apiKeySecret+"\n"), 0o600))
	return `
kind: Connection
id: crm
description: The CRM
oauth2:
  grantType: CLIENT_CREDENTIALS
  tokenEndpoint: ` + s.asURL + authserver.PathToken + `
  clientId: shop
  clientSecret: {valueFrom: {env: CRM_SECRET}}
  scopes: [orders.write]
---
kind: Connection
id: key
apiKey: {name: x-api-key, value: {valueFrom: {file: ` + filepath.Join(s.dir, "key.txt") + `}}}
invocationParameters:
  headers: [{key: x-tenant, value: {valueFrom: {env: CRM_SECRET}}}]
---
kind: Rule
id: completed
bus: orders
eventPattern: '{"source":["shop"]}'
targets:
  - {id: orders, destination: orders, pathParameterValues: [$.detail.id], inputPath: $.detail}
  - {id: gone, destination: gone}
---
kind: Destination
id: orders
connection: crm
endpoint: ` + s.apiURL + `/orders/*
---
kind: Destination
id: gone
connection: key
endpoint: ` + s.apiURL + `/status/404
---
kind: Bus
id: orders
`
}

func TestAgainstTheSuite(t *testing.T) {
	s := startSuite(t)
	s.apply()
	s.connections()
	s.tokens()
	s.grants()
	s.deliver()
	s.webhooks()
	for _, secret := range []string{firstSecret, secondSecret, apiKeySecret} {
		require.NotContains(t, s.printed, secret)
		require.NotContains(t, s.log.String(), secret)
	}
}

func (s *suite) apply() {
	t := s.t
	declared := s.manifest()
	dry := s.run(exitDone, declared, "apply", "-f", "-", "--dry-run")
	require.Contains(t, dry, "+ create     Connection projects/default/connections/crm\n    + description: The CRM\n")
	require.Contains(t, dry, "    + oauth2.clientSecret: (write-only, sent)\n")
	require.Contains(t, dry, "    + invocationParameters.headers[x-tenant].value: (write-only, sent)\n")
	require.Contains(t, dry, "+ create     Rule projects/default/buses/orders/rules/completed\n")
	require.Contains(t, dry, "6 to create, 0 to update, 0 unchanged; nothing was changed\n")
	require.Contains(t, s.run(exitDone, "", "connections", "list", "-o", "json"), `"connections": []`)

	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-", "--wait", "30s"), "6 created, 0 updated, 0 unchanged\n")
	for _, args := range [][]string{{"--dry-run"}, nil} {
		again := s.run(exitDone, declared, append([]string{"apply", "-f", "-"}, args...)...)
		require.Contains(t, again, "0 ")
		require.Contains(t, again, "6 unchanged")
		require.NotContains(t, again, "~")
	}

	s.env["CRM_SECRET"] = secondSecret
	require.Equal(t, "~ update     Connection projects/default/connections/crm\n    + oauth2.clientSecret: (write-only, sent)\n"+
		"~ update     Connection projects/default/connections/key\n    + apiKey.value: (write-only, sent)\n"+
		"    + invocationParameters.headers[x-tenant].value: (write-only, sent)\n", changes(s.run(exitDone, declared, "apply", "-f", "-", "--dry-run")))
	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-", "--wait", "30s"), "0 created, 2 updated, 4 unchanged\n")

	other := strings.NewReplacer("description: The CRM\n", "", "connection: crm\n", "connection: crm\nrateLimitPerSecond: 50\n").Replace(declared)
	require.Equal(t, "~ update     Connection projects/default/connections/crm\n    - description: The CRM\n    + oauth2.clientSecret: (write-only, sent)\n"+
		"~ update     Destination projects/default/destinations/orders\n    ~ rateLimitPerSecond: 300 → 50\n", changes(s.run(exitDone, other, "apply", "-f", "-")))

	var report struct {
		DryRun  bool
		Changes []struct{ Action, Kind, Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(s.run(exitDone, other, "apply", "-f", "-", "-o", "json")), &report))
	require.False(t, report.DryRun)
	require.Len(t, report.Changes, 6)
	for _, change := range report.Changes {
		require.Equal(t, "unchanged", change.Action, change.Name)
	}
	s.refused()
}

// changes is what of an apply's output is not "unchanged", without the summary.
func changes(output string) string {
	var out strings.Builder
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "~") || strings.HasPrefix(line, "+") || strings.HasPrefix(line, "    ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// refused shows that nothing is changed if anything is refused, and that everything that is refused is named.
func (s *suite) refused() {
	out := s.run(exitFailed, `
kind: Bus
id: fine
---
kind: Destination
id: far
connection: nowhere
endpoint: https://api.example
---
kind: Rule
id: odd
eventPattern: '{"source":'
`, "apply", "-f", "-")
	require.Contains(s.t, out, "error: standard input:5 (document 2): Destination projects/default/destinations/far: CONNECTION_NOT_FOUND: ")
	require.Contains(s.t, out, "error: standard input:10 (document 3): Rule projects/default/buses/default/rules/odd: INVALID_EVENT_PATTERN: ")
	require.Contains(s.t, s.run(exitDone, "kind: Bus\nid: fine\n", "apply", "-f", "-", "--dry-run"), "1 to create")
	require.Contains(s.t, s.run(exitFailed, "kind: Bus\nid: a\n---\nkind: Bus\nid: a\n", "apply", "-f", "-"), "Bus projects/default/buses/a: declared already: standard input:1 (document 1)")
	require.Contains(s.t, s.run(exitFailed, `
kind: Connection
id: broken
oauth2: {grantType: CLIENT_CREDENTIALS, tokenEndpoint: "`+s.asURL+authserver.PathToken+`", clientId: shop, clientSecret: wrong-plain}
`, "apply", "-f", "-", "--wait", "30s"), "the connection is not authorized: it is DEAUTHORIZED, CLIENT_BROKEN")
	s.run(exitDone, "", "connections", "delete", "broken")
}

func (s *suite) connections() {
	t := s.t
	require.Contains(t, s.run(exitDone, "", "connections", "list"), "OAUTH2 CLIENT_CREDENTIALS  AUTHORIZED")
	require.Contains(t, s.run(exitDone, "", "connections", "get", "key"), "header x-tenant=[redacted]")
	tested := s.run(exitDone, "", "connections", "test", "crm")
	require.Contains(t, tested, "✓  TOKEN_RESPONSE")
	require.Contains(t, tested, "The connection works.\n")
}

func (s *suite) tokens() {
	t := s.t
	require.NotContains(t, s.run(exitDone, "", "token", "get", "crm"), "Access token")
	var token struct{ AccessToken, Fingerprint, Generation string }
	require.NoError(t, json.Unmarshal([]byte(s.run(exitDone, "", "token", "get", "crm", "--show-secret", "-o", "json")), &token))
	require.NotEmpty(t, token.AccessToken)
	var next struct{ AccessToken, Fingerprint, Generation string }
	require.NoError(t, json.Unmarshal([]byte(s.run(exitDone, "", "token", "refresh", "crm", "-o", "json")), &next))
	require.Equal(t, redacted, next.AccessToken)
	require.NotEqual(t, token.Fingerprint, next.Fingerprint)
	var watched struct {
		Token struct{ AccessToken, State string }
	}
	require.NoError(t, json.Unmarshal([]byte(s.run(exitDone, "", "token", "watch", "crm", "--count", "1", "-o", "json")), &watched))
	require.Equal(t, "AUTHORIZED", watched.Token.State)
	require.Equal(t, redacted, watched.Token.AccessToken)
	require.Contains(t, s.run(exitDone, "", "token", "rotations", "crm"), "COMMITTED")
}

// grants has an end user's accounts imported, shown, ended and erased.
func (s *suite) grants() {
	t := s.t
	s.run(exitDone, "kind: Connection\nid: drive\noauth2:\n  grantType: AUTHORIZATION_CODE\n  tokenEndpoint: "+s.asURL+authserver.PathToken+
		"\n  clientId: shop\n  clientSecret: {valueFrom: {env: CRM_SECRET}}\n  authorizationEndpoint: "+s.asURL+authserver.PathAuthorize+"\n", "apply", "-f", "-")
	require.Contains(t, s.run(exitDone, "", "connect", "drive", "--grant", "d", "--end-user", "ada-d", "--no-wait"), "/connect/default.")
	require.Contains(t, s.run(exitFailed, "", "connect", "drive", "--return-url", "https://evil.example/", "--no-wait"), "RETURN_URL_NOT_ALLOWED")
	for _, id := range []string{"a", "b", "c"} {
		s.run(exitDone, firstSecret, "grants", "import", "drive", id, "--end-user", "ada-"+id, "--metadata", "plan=pro", "--access-token", "-",
			"--expires", time.Now().Add(24*time.Hour).Format(time.RFC3339))
	}
	var exported struct {
		Grants []struct {
			Grant struct{ Metadata map[string]string }
			Token struct{ Generation string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.run(exitDone, "", "grants", "export", "ada-a")), &exported))
	require.Equal(t, "pro", exported.Grants[0].Grant.Metadata["plan"])
	require.Contains(t, s.run(exitUsage, "", "grants", "revoke", "drive"), "--all")
	require.Contains(t, s.run(exitUsage, "", "grants", "revoke", "drive", "a", "--all"), "leave the id")
	require.Equal(t, "1 grant would be ended\n", s.run(exitDone, "", "grants", "revoke", "drive", "--end-user", "ada-b", "--dry-run"))
	require.Contains(t, s.run(exitDone, "", "grants", "revoke", "drive", "--end-user", "ada-b", "--follow"), "SUCCEEDED")
	require.Contains(t, s.run(exitDone, "", "grants", "erase", "ada-a", "--follow"), "SUCCEEDED")
	require.Contains(t, s.run(exitDone, "", "grants", "jobs", "list"), "ERASE")
	require.Equal(t, "{\"grants\":[]}", strings.Join(strings.Fields(s.run(exitDone, "", "grants", "export", "ada-a")), ""))
	require.NotContains(t, s.run(exitDone, "", "grants", "list", "drive"), "ada-a")
	require.Contains(t, s.run(exitDone, "", "calls", "list", "drive", "ada-c", "--class", "server_error", "--since", "1h"), "STATUS")
	require.Contains(t, s.run(exitUsage, "", "calls", "list", "--class", "bad"), "--class")
}

func (s *suite) deliver() {
	t := s.t
	s.run(exitDone, `{"source":"shop","detailType":"OrderCompleted","detail":{"id":"7"}}`, "events", "put", "--bus", "orders", "-f", "-")
	require.Eventually(t, func() bool {
		return strings.Contains(s.run(exitDone, "", "deliveries", "list", "--destination", "orders"), "SUCCEEDED")
	}, time.Minute, 20*time.Millisecond)
	require.Len(t, s.api.Delivered(), 1)
	require.Contains(t, s.run(exitDone, "", "destinations", "pause", "orders", "--reason", "moving"), "moving")
	require.Contains(t, s.run(exitDone, "", "destinations", "list"), "PAUSED")
	require.Contains(t, s.run(exitDone, "", "destinations", "get", "orders"), "Waiting:      0 deliveries")
	require.Contains(t, s.run(exitDone, "", "destinations", "resume", "orders"), "ACTIVE")
	s.signingKeys()
	require.True(t, slices.ContainsFunc(s.api.Received(), func(c resourceapi.Call) bool { return c.Path == "/orders/7" && c.Status == 200 }))

	var list struct {
		Deliveries []struct{ Name, ErrorCode string }
	}
	require.Eventually(t, func() bool {
		require.NoError(t, json.Unmarshal([]byte(s.run(exitDone, "", "deliveries", "list", "--state", "dead", "-o", "json")), &list))
		return len(list.Deliveries) == 1
	}, time.Minute, 20*time.Millisecond)
	dead := last(list.Deliveries[0].Name)
	require.Contains(t, s.run(exitDone, "", "deliveries", "get", dead), "ERROR_FROM_TARGET")
	require.Contains(t, s.run(exitDone, "", "deliveries", "redrive", "--filter", "", "--dry-run"), "1 delivery would be started anew")
	require.Contains(t, s.run(exitDone, "", "deliveries", "redrive", dead), dead+" is PENDING")
	require.Eventually(t, func() bool {
		return strings.Contains(s.run(exitDone, "", "deliveries", "get", dead), "Redriven:     1 time") &&
			strings.Contains(s.run(exitDone, "", "deliveries", "get", dead), "DEAD")
	}, time.Minute, 20*time.Millisecond)
}

func (s *suite) signingKeys() {
	t := s.t
	require.Contains(t, s.run(exitDone, "", "destinations", "signing-keys", "create", "orders", "--algorithm", "ed25519"), "whpk_")
	require.Contains(t, s.run(exitDone, "", "destinations", "signing-keys", "create", "orders", "--retire-others-after", "24h"), "whsec_")
	const imported = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	require.Contains(t, s.run(exitUsage, "", "destinations", "signing-keys", "create", "orders", "--secret", imported), "command line")
	created := s.run(exitDone, imported+"\n", "destinations", "signing-keys", "create", "orders", "--secret", "-", "-o", "json")
	require.NotContains(t, created, imported)
	var answer struct{ SigningKey struct{ Name string } }
	require.NoError(t, json.Unmarshal([]byte(created), &answer))
	require.Contains(t, s.run(exitDone, "", "destinations", "signing-keys", "list", "orders"), "in 23h59m")
	key := last(answer.SigningKey.Name)
	require.Contains(t, s.run(exitDone, "", "destinations", "signing-keys", "delete", "orders", key), "deleted")
	require.NotContains(t, s.run(exitDone, "", "destinations", "signing-keys", "list", "orders"), key)
}
