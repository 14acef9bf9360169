package commands

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo"
)

func TestDemoCommand(t *testing.T) {
	// The folder and the addresses of a suite that may run on this machine are not the demo's.
	dir := filepath.Join(t.TempDir(), "data")
	env := map[string]string{"FRESHET_DATA_DIR": dir, "FRESHET_HTTP_ADDR": "nowhere", "FRESHET_DURATION": "24h", "TERM": "xterm"}
	lookupEnv := func(name string) (string, bool) { value, ok := env[name]; return value, ok }

	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), []string{"demo", "--duration", "1s", "--rate", "50"}, strings.NewReader(""), &stdout, &stderr, lookupEnv)
	require.Zero(t, code, stderr.String())
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var summary demo.Summary
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &summary))
	require.Positive(t, summary.Events)
	require.Equal(t, summary.Events, summary.Delivered)
	require.NotContains(t, stdout.String(), "\x1b[", "what is no terminal gets plain lines")
	require.NoDirExists(t, dir)

	stdout.Reset()
	code = Run(t.Context(), []string{"demo", "--rate", "501"}, strings.NewReader(""), &stdout, &stderr, lookupEnv)
	require.Equal(t, exitUsage, code)
	require.Equal(t, "error: rate: 501 is not within 1 to 500\nSee: freshet demo --help\n", stderr.String())
	require.Empty(t, stdout.String())
}
