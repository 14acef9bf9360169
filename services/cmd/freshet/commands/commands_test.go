package commands

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is one run of the command line.
type call struct {
	args  string // separated by spaces; a part in single quotes is one argument
	stdin string
	env   map[string]string
}

// outcome is what a run printed and returned, in the form of a golden file.
func (c call) outcome(ctx context.Context, server *scripted) string {
	var stdout, stderr bytes.Buffer
	env := map[string]string{"FRESHET_SERVER": server.addr, "FRESHET_ADMIN_KEY_FILE": server.keyFile}
	for name, value := range c.env {
		if env[name] = value; value == "" {
			delete(env, name)
		}
	}
	code := run(ctx, arguments(c.args), &session{
		stdin: strings.NewReader(c.stdin), stdout: &stdout, stderr: &stderr, now: func() time.Time { return start },
		lookupEnv: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
	})
	var out strings.Builder
	fmt.Fprintf(&out, "$ freshet %s\n%s--- exit %d\n", c.args, stdout.String(), code)
	if stderr.Len() > 0 {
		fmt.Fprintf(&out, "--- stderr\n%s", stderr.String())
	}
	if requests := server.recorded(); requests != "" {
		fmt.Fprintf(&out, "--- requests\n%s\n", requests)
	}
	return out.String()
}

func arguments(text string) []string {
	var out []string
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// golden compares with testdata/name.golden; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestOutput(t *testing.T) {
	t.Setenv("COLUMNS", "80") // which kong wraps help to
	alone := map[string]string{"FRESHET_ADMIN_KEY_FILE": ""}
	server := newScripted(t)
	for name, calls := range map[string][]call{
		"connections_list": {
			{args: "connections list"},
			{args: "connections list -o json --state authorized"},
			{args: "connections list --project empty -o json"},
			{args: "connections list --project empty"},
			{args: "connections list --state BROKEN"},
		},
		"connections_get": {
			{args: "connections get crm"},
			{args: "connections get projects/default/connections/legacy"},
			{args: "connections get crm -o json"},
			{args: "connections get nope"},
			{args: "connections get UPPER/case"},
			{args: "connections get crm --project Bad!"},
		},
		"connections_change": {
			{args: "connections authorize legacy"}, {args: "connections deauthorize legacy -o json"}, {args: "connections delete crm --etag e0"},
		},
		"connections_test": {{args: "connections test crm"}, {args: "connections test legacy"}, {args: "connections test legacy -o json"}},
		"token_get": {
			{args: "token get crm --min-ttl 60s"},
			{args: "token get crm --show-secret"},
			{args: "token get crm -o json"},
			{args: "token get crm --show-secret -o json"},
			{args: "token get projects/default/connections/crm/token"},
			{args: "token get crm/grants/ann"},
		},
		"providers": {
			{args: "providers list"},
			{args: "providers list -o json"},
			{args: "providers show acme"},
			{args: "providers show providers/acme -o json"},
			{args: "providers lint testdata/provider.yaml -", stdin: "id: x\nnames: y\n", env: alone},
			{args: "providers lint testdata/none.yaml", env: alone},
		},
		"connections_probe": {
			{args: "connections probe -f testdata/probe.yaml --docs https://acme.example/docs"},
			{args: "connections probe -f testdata/probe.yaml --docs https://acme.example/docs --id acme --name Acme --yes --watch 1m"},
			{
				args:  "connections probe --token-endpoint https://acme.example/token --client-id shop --refresh-token-file - --docs https://acme.example/docs --yes -o json",
				stdin: "r0\n",
			},
			{args: "connections probe --client-id shop --docs https://acme.example/docs", env: alone},
			{args: "connections probe -f - --docs https://acme.example/docs", stdin: "refreshToken: [canary", env: alone},
			{args: "connections probe -f testdata/probe.yaml", env: alone},
		},
		"token_rehearse": {
			{args: "token rehearse crm --plan"},
			{args: "token rehearse crm --plan -o json --class grant_dead,not_sent"},
			{args: "token rehearse crm --class too_early"},
			{args: "token rehearse crm --class NOPE"},
			{args: "token rehearse crm --window 2h"},
		},
		"token_watch": {
			{args: "token watch crm"}, {args: "token watch crm --count 2 -o json"}, {args: "token watch crm --count 1 --show-secret"},
		},
		"token_refresh":   {{args: "token refresh crm"}, {args: "token refresh other --timeout 1s"}},
		"token_rotations": {{args: "token rotations crm --limit 2"}, {args: "token rotations crm --limit 2 -o json"}},
		"token_dpop_proof": {
			{args: "token dpop-proof crm --method PATCH --url https://api.example/orders/7 --nonce n-1 --fingerprint 0123456789abcdef0123456789abcdef"},
			{args: "token dpop-proof crm/grants/ann --url https://api.example/ -o json"},
			{args: "token dpop-proof crm"},
		},
		"events_put": {
			{args: `events put --source shop --detail-type OrderCompleted --detail '{"id":1.00}' --resource a,b --resource c --time 2026-03-01T12:00:00+01:00`},
			{args: "events put --bus orders --source shop --detail-type OrderCompleted --detail - -o json", stdin: "{\"id\": 1e2}\n"},
			{args: "events put --source shop --detail-type OrderCompleted --detail @testdata/detail.json"},
			{args: "events put --source freshet.x --detail-type t --detail {}"},
			{args: "events put --source shop"},
			{args: "events put -f - --source shop"},
			{args: "events put -f testdata/none.jsonl"},
			{args: "events put --source a --detail-type b --detail @testdata/none.json"},
		},
		"events_put_file": {
			{args: "events put -f testdata/events.jsonl"},
			{args: "events put -f - -o json", stdin: eventLines(2)},
			{args: "events put -f -", stdin: eventLines(1) + "{\"source\":\"shop\",\"detial\":{}}\n" + eventLines(1)},
			{args: "events put -f -", stdin: `{"source":"shop"} {}`},
		},
		"deliveries_list": {
			{args: "deliveries list --limit 2"},
			{args: `deliveries list --state dead --destination orders --filter 'error_code = TIMEOUT' --limit 2 -o json`},
			{args: "deliveries list --limit 3"},
			{args: "deliveries list --state LOST"},
		},
		"deliveries_get": {{args: "deliveries get 01JNQ4Y5Z6A7B8C9D0E1F2G3H4"}, {args: "deliveries get -o json " + dead}, {args: "deliveries get 7"}},
		"deliveries_redrive": {
			{args: "deliveries redrive 01JNQ4Y5Z6A7B8C9D0E1F2G3H4"},
			{args: "deliveries redrive -o json 01JNQ4Y5Z6A7B8C9D0E1F2G3H4"},
			{args: "deliveries redrive 01JNQ4Y5Z6A7B8C9D0E1F2G3H4 01JNQ4Y5Z6A7B8C9D0E1F2G3H5"},
			{args: "deliveries redrive"},
			{args: "deliveries redrive --filter= --dry-run"},
			{args: "deliveries redrive --filter 'rule = \"r\"' --limit 2"},
			{args: "deliveries redrive --filter= -o json"},
			{args: `deliveries redrive 01JNQ4Y5Z6A7B8C9D0E1F2G3H4 --to spare --merge-patch '{"country":"AT"}'`},
			{args: "deliveries redrive 01JNQ4Y5Z6A7B8C9D0E1F2G3H4 --body ''"},
			{args: "deliveries redrive --filter= --to spare"},
			{args: "deliveries redrive --dry-run 01JNQ4Y5Z6A7B8C9D0E1F2G3H4"},
		},
		"buses": {
			{args: "buses list"},
			{args: "buses get orders -o json"},
			{args: "buses retain orders --max-age 48h --dead-letter-max-age 0s --max-bytes 1073741824"},
			{args: "buses retain projects/other/buses/orders"},
		},
		"archives": {
			{args: "archives list"},
			{args: "archives get orders -o json"},
			{args: `archives create orders --pattern '{"source":["shop"]}' --retention-days 90 --description 'a quarter'`},
			{args: "archives delete orders --bus other"},
		},
		"replays": {
			{args: "replays list"},
			{args: "replays get june"},
			{args: "replays create june --archive orders --start 2026-01-01T00:00:00Z --end 2026-02-01T00:00:00Z --rule crm --rate 200"},
			{args: "replays create june --bus other --start 2026-01-01T00:00:00Z --end 2026-02-01T00:00:00Z --follow -o json"},
			{args: "replays create june --start 2026-01-01T00:00:00Z"},
			{args: "replays cancel june"},
			{args: "replays delete june"},
		},
		"redrives": {
			{args: "redrives list"},
			{args: "redrives get monday --follow"},
			{args: "redrives create monday --filter 'error_code = TIMEOUT' --destination spare --current-targets --rate 20"},
			{args: "redrives create monday --dry-run -o json"},
			{args: "redrives pause monday"},
			{args: "redrives resume monday -o json"},
			{args: "redrives cancel monday -o json"},
			{args: "redrives delete monday"},
		},
		"schedules": {
			{args: "schedules next 'cron(30 2 ? * SUN *)' --time-zone Europe/Berlin --after 2027-03-20T00:00:00Z --count 3"},
			{args: "schedules next 'rate(90 minutes)' --count 2"},
			{args: "schedules next 'at(2020-01-01T00:00:00)'"},
			{args: "schedules next 'cron(* * * * *)'"},
			{args: "schedules next 'rate(1 day)' --time-zone Mars/Olympus"},
			{args: "schedules list"},
			{args: "schedules get morning -o json"},
			{args: `schedules create morning 'rate(1 day)' --bus orders --source clock --detail-type Morning --end 2027-01-01T00:00:00Z --missed-runs skip`},
			{args: "schedules create morning 'rate(1 day)' --source clock --detail-type Morning --missed-runs never"},
			{args: "schedules disable morning"},
			{args: "schedules enable projects/default/buses/orders/schedules/morning"},
			{args: "schedules delete morning --etag e1"},
		},
		"webhooks": {
			{args: "webhooks list"},
			{args: "webhooks list -o json --bus orders"},
			{args: "webhooks get slack"},
			{
				args:  "webhooks create slack --scheme hmac --secret - --header X-Slack-Signature --prefix v0= --timestamp-header X-Slack-Request-Timestamp --signed-content v0:{timestamp}:{body} --tolerance 1m --source slack --detail-type $.body.type --keep-header user-agent",
				stdin: "s3cret-12\n",
			},
			{args: "webhooks create slack --scheme github"},
			{args: "webhooks create slack --scheme github --secret plain"},
			{args: "webhooks create slack --scheme none --secret @x"},
			{args: "webhooks update slack --state disabled --source= -o json"},
			{args: "webhooks update slack --secret -", stdin: "s3cret-34\n"},
			{args: "webhooks update slack --previous-secret @x"},
			{args: "webhooks update slack"},
			{args: "webhooks delete slack --bus other"},
		},
		"config": {
			{args: "config", env: alone},
			{args: "config --diff", env: alone},
			{args: "config --diff --config testdata/defaults.yaml", env: alone}, // what the call before printed
			{args: "config --diff --http-addr 127.0.0.1:8081", env: map[string]string{
				"FRESHET_ADMIN_KEY_FILE": "", "FRESHET_EGRESS_ALLOW_HTTP": "true", "FRESHET_DIFF": "true",
			}},
			{args: "config --diff --config testdata/settings.yaml", env: alone},
			{args: "config --config testdata/unknown.yaml"},
			{args: "config --http-addr nowhere --log-level loud"},
		},
		"pattern_match": {
			{args: "pattern match", stdin: `{"pattern":{"a":[{"prefix":"x"}]},"event":{"a":"xy"}}` + "\n\n" +
				`{"event":{"a":"xy"},"pattern":{"a":["x"],"a":["y"]}}` + "\n" +
				`{"pattern":{"a":{"b":[{"numeric":["<","5"]}]}},"event":{}}` + "\n" + `{"pattern":{"a":[1]},"event":{"a":1.0}}`},
			{args: "pattern match", stdin: `{"pattern":{"a":[1]},"event":{"a":1}}` + "\n" + `{"pattern":{}}`},
			{args: "pattern match", stdin: "no\n"},
			{args: "pattern match"},
			{args: "bench match --rounds 0"},
		},
		"pattern_try": {
			{args: `pattern test --pattern '{"detail-type":["T"]}' --event -`, stdin: wholeEvent},
			{args: `pattern test --pattern '{"source":["T"]}' --event -`, stdin: wholeEvent},
			{args: `pattern test --pattern '{"source":["T"]}' --event '{"id":1,"time":"now","resources":[1]}'`},
			{args: `pattern test --pattern '{"source":[]}' --event '{}'`},
			{args: `pattern test --pattern - --event -`},
			{args: `pattern explain --pattern - --event '{"a":[{"b":1,"c":1},{"b":2,"c":2}],"d":"x"}'`, stdin: `{"a":{"b":[1],"c":[{"numeric":[">",1]}]},"d":[{"prefix":"y"},"x"]}`},
			{args: `pattern explain --pattern '{"a":[1],"$or":[{"b":[{"exists":false}]},{"c":[2]}]}' --event '{"a":2,"b":3}'`},
			{args: `pattern explain --pattern '{"a":[1]}' --event []`},
			{args: `pattern explain --pattern @testdata/none.json --event {}`},
		},
		"usage": {
			{args: "token get --help"},
			{args: "apply --help"},
			{args: "nope"},
			{args: "token get"},
			{args: "token get crm -o xml"},
			{args: "connections list", env: map[string]string{"FRESHET_OUTPUT": "json", "FRESHET_PROJECT": "empty", "FRESHET_STATE": "nope"}},
		},
		"apply_refused": {
			{args: "apply"}, {args: "apply -f testdata/none.yaml"}, {args: "apply -f testdata/bad.yaml -f -", stdin: "kind: Bus\nid: a\nx: y\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range calls {
				got = append(got, c.outcome(t.Context(), server))
			}
			golden(t, name, strings.Join(got, "\n"))
		})
	}
}

func TestHelp(t *testing.T) {
	server := newScripted(t)
	for _, args := range []string{"", "--help"} {
		out := call{args: args}.outcome(t.Context(), server)
		require.Contains(t, out, "--- exit 0\n")
		for _, want := range []string{"serve ", "apply ", "connections test ", "deliveries redrive ", "Exit codes: 0 done; 1 failed; 2 "} {
			require.Contains(t, out, want)
		}
	}
}

const wholeEvent = `{"version":"0","id":"1","detail-type":"T","source":"s","account":"p","time":"2026-03-01T12:00:00Z","region":"local",` +
	`"resources":[],"detail":{}}`

func eventLines(n int) string {
	return strings.Repeat(`{"source":"shop","detailType":"OrderCompleted","detail":{"id": 7.10}}`+"\n", n)
}

func TestEventsPutInBatches(t *testing.T) {
	server := newScripted(t)
	big := `{"source":"shop","detailType":"t","detail":"{\"a\":\"` + strings.Repeat("x", 600<<10) + `\"}"}` + "\n"
	out := call{args: "events put -f -", stdin: eventLines(23) + big + big}.outcome(t.Context(), server)
	require.Contains(t, out, "--- exit 0\n--- stderr\n25 events put, 0 refused\n")
	require.Equal(t, 4, strings.Count(out, "PutEventsRequest "))
}

func TestErrorsOfTheConnection(t *testing.T) {
	server := newScripted(t)
	other := filepath.Join(t.TempDir(), "other.key")
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("k", 40)), 0o600))
	open := filepath.Join(t.TempDir(), "open.key")
	require.NoError(t, os.WriteFile(open, []byte(strings.Repeat("k", 40)), 0o600))
	require.NoError(t, os.Chmod(open, 0o644))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := listener.Addr().String()
	require.NoError(t, listener.Close())

	for name, tc := range map[string]struct {
		args string
		env  map[string]string
		want []string
	}{
		"nobody": {args: "--server " + nobody, want: []string{
			"error: no server answers at " + nobody + ": ", "connection refused\n", "Start one with: freshet serve. Or name another with --server.",
		}},
		"no key": {env: map[string]string{"FRESHET_ADMIN_KEY_FILE": "", "FRESHET_DATA_DIR": "/nowhere/data"}, want: []string{
			"error: there is no admin key at /nowhere/data/admin.key: freshet serve creates it",
		}},
		"open key":     {args: "--admin-key-file " + open, want: []string{"open to other users", "chmod 600"}},
		"wrong key":    {args: "--admin-key-file " + other, want: []string{"error: UNAUTHENTICATED: "}},
		"not local":    {args: "--server 192.0.2.1:9090 --timeout 50ms", want: []string{"error: "}},
		"no tls there": {args: "--tls", want: []string{"error: no server answers at "}},
		"no authority": {args: "--tls-ca-file " + other, want: []string{"error: --tls-ca-file: " + other + " holds no certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := call{args: "connections list " + tc.args, env: tc.env}.outcome(t.Context(), server)
			require.Contains(t, out, "--- exit 1\n--- stderr\n")
			for _, want := range tc.want {
				require.Contains(t, out, want)
			}
			require.NotContains(t, out, strings.Repeat("k", 40))
		})
	}
}

func TestInterruption(t *testing.T) {
	server := newScripted(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Contains(t, call{args: "token watch crm"}.outcome(ctx, server), "--- exit 0\n")
	require.Contains(t, call{args: "token refresh crm"}.outcome(ctx, server), "--- exit 1\n--- stderr\nerror: interrupted\n")
}

func TestSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"1.2ms": 1234567, "0s": 0, "1s": 1999 * time.Millisecond, "3m12s": 192*time.Second + 1, "1h0m": time.Hour, "47h59m": 48*time.Hour - 1, "2d1h": 49*time.Hour + 1,
	} {
		require.Equal(t, want, span(d))
	}
}
