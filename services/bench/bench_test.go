package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/bench"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func host(t *testing.T) bench.Host {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	return bench.Host{Executable: executable, Dir: t.TempDir(), Timeout: 2 * time.Minute}
}

func delivery(t *testing.T) bench.DeliveryConfig {
	t.Helper()
	return bench.DeliveryConfig{Host: host(t), Events: 200, Publishers: 8, BodyBytes: 1024, Destinations: 4, PacedEvents: 20, SteadyEvents: 50}
}

func watching(t *testing.T) bench.WatchConfig {
	t.Helper()
	return bench.WatchConfig{Host: host(t), Streams: 50, Connections: 3, Rotations: 2}
}

// requireEmpty checks that a run left nothing.
func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func requireDelivered(t *testing.T, config bench.DeliveryConfig) *bench.DeliveryResult {
	t.Helper()
	result, err := bench.Delivery(t.Context(), config)
	require.NoError(t, err)
	require.Zero(t, result.Lost)
	require.Zero(t, result.Duplicates)
	require.Zero(t, result.Unauthorized)
	require.Equal(t, config.Events, result.Events)
	require.Positive(t, result.RawPostsPerSecond)
	require.InDelta(t, result.DeliveredPerSecond/result.RawPostsPerSecond, result.Ratio, 0.001)
	require.GreaterOrEqual(t, result.AckP99MS, result.AckP50MS)
	require.GreaterOrEqual(t, result.EndToEndP99MS, result.EndToEndP50MS)
	require.Positive(t, result.EndToEndP50MS)
	require.Positive(t, result.PeakRSSMiB)
	require.GreaterOrEqual(t, result.CPUSeconds, result.ServerCPU)
	requireEmpty(t, config.Dir)
	return result
}

func TestDelivery(t *testing.T) {
	t.Run("SQLite, API key", func(t *testing.T) {
		config := delivery(t)
		config.Backlog = 100
		result := requireDelivered(t, config)
		require.Positive(t, result.SteadyAckP50MS)
		require.Positive(t, result.BacklogRatio)
		require.Equal(t, "sqlite", result.Store)
		require.Equal(t, "api_key", result.AuthorizationBy)
		require.InDelta(t, 0.5, result.Target, 0)
	})
	t.Run("PostgreSQL, OAuth 2.0", func(t *testing.T) {
		config := delivery(t)
		config.OAuth, config.Database = true, sqltest.PostgresDSN(t)
		result := requireDelivered(t, config)
		require.Equal(t, "postgres", result.Store)
		require.Equal(t, "oauth2", result.AuthorizationBy)
		require.InDelta(t, 0.35, result.Target, 0)
		require.NotNil(t, requireDelivered(t, config), "a database may be used again")
	})
}

func TestWatch(t *testing.T) {
	config := watching(t)
	result, err := bench.Watch(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, config.Streams, result.Streams)
	require.Positive(t, result.MessageBytes)
	for _, f := range []bench.FanOut{result.FanOut, result.Raw} {
		require.Positive(t, f.LastMS)
		require.GreaterOrEqual(t, f.LastMS, f.P99MS)
		require.GreaterOrEqual(t, f.P99MS, f.P50MS)
		require.GreaterOrEqual(t, f.FromCallP99MS, f.P99MS)
		require.Positive(t, f.PeakRSSMiB)
	}
	require.InDelta(t, result.Raw.P99MS/result.P99MS, result.Ratio, 0.001)
	requireEmpty(t, config.Dir)
}

func TestProxy(t *testing.T) {
	config := bench.ProxyConfig{Host: host(t), Calls: 100, Callers: 4, BodyBytes: 1024}
	result, err := bench.Proxy(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, config.Calls, result.Calls)
	require.Positive(t, result.CallsPerSecond)
	require.InDelta(t, result.CallsPerSecond/result.DirectPerSecond, result.Ratio, 0.001)
	require.GreaterOrEqual(t, result.DirectP99MS, result.DirectP50MS)
	requireEmpty(t, config.Dir)
}

func TestRefresh(t *testing.T) {
	config := bench.RefreshConfig{Host: host(t), Tokens: 30, Kept: true}
	config.Database = sqltest.PostgresDSN(t)
	result, err := bench.Refresh(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, "postgres", result.Store)
	require.Zero(t, result.NotRefreshed)
	require.Zero(t, result.Refused)
	require.Positive(t, result.RefreshesPerSecond)
	require.GreaterOrEqual(t, result.KeptPostsPerSecond, result.RawPostsPerSecond)
	require.InDelta(t, result.RefreshesPerSecond/result.RawPostsPerSecond, result.Ratio, 0.001)
	requireEmpty(t, config.Dir)
}

func TestSchedule(t *testing.T) {
	config := bench.ScheduleConfig{Host: host(t), Tokens: 60, Few: 20, Refreshes: 10}
	result, err := bench.Schedule(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, 20, result.Few.Tokens)
	require.Equal(t, 60, result.Many.Tokens)
	for _, s := range []bench.Stocked{result.Few, result.Many} {
		require.Positive(t, s.ReadySeconds)
		require.Positive(t, s.RefreshesPerSecond)
		require.GreaterOrEqual(t, s.PeakRSSMiB, s.IdleRSSMiB)
	}
	requireEmpty(t, config.Dir)
}

// TestCommandLine checks what programs read: the last line is one object.
func TestCommandLine(t *testing.T) {
	for name, args := range map[string][]string{
		"delivery": {"--events", "50", "--publishers", "2", "--destinations", "2", "--paced-events", "5", "--steady-events", "20"},
		"watch":    {"--streams", "10", "--connections", "2", "--rotations", "1"},
		"refresh":  {"--tokens", "20"},
	} {
		t.Run(name, func(t *testing.T) {
			executable, err := os.Executable()
			require.NoError(t, err)
			var stdout, stderr bytes.Buffer
			command := exec.CommandContext(t.Context(), executable, append([]string{"bench", name, "--json", "--dir", t.TempDir()}, args...)...)
			// What a suite's owner has set does not reach the benchmark.
			command.Env = append(os.Environ(), "FRESHET_DATABASE=postgres://127.0.0.1:1/none", "FRESHET_ROLES=token")
			command.Stdout, command.Stderr = &stdout, &stderr
			require.NoError(t, command.Run(), "%s%s", &stdout, &stderr)
			lines := slices.Collect(strings.Lines(stdout.String()))
			require.Greater(t, len(lines), 5, "a summary for people comes first")
			var result map[string]any
			require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &result))
			require.Equal(t, name, result["name"])
			require.Equal(t, "sqlite", result["store"])
			for _, key := range []string{"ratio", "target", "cores", "fsync_p50_ms", "others_cores", "total_seconds", "peak_rss_mib"} {
				require.Contains(t, result, key)
			}
		})
	}
}

func TestFailedRuns(t *testing.T) {
	t.Run("no program", func(t *testing.T) {
		config := delivery(t)
		config.Executable += "-missing"
		_, err := bench.Delivery(t.Context(), config)
		require.ErrorIs(t, err, os.ErrNotExist)
		requireEmpty(t, config.Dir)
	})
	t.Run("a server that cannot start", func(t *testing.T) {
		config := delivery(t)
		config.Database = "postgres://127.0.0.1:1/none"
		_, err := bench.Delivery(t.Context(), config)
		require.ErrorContains(t, err, "server did not become ready")
		requireEmpty(t, config.Dir)
	})
	t.Run("too little time", func(t *testing.T) {
		config := delivery(t)
		config.PacedEvents, config.Timeout = 100_000, 3*time.Second
		_, err := bench.Delivery(t.Context(), config)
		require.ErrorContains(t, err, "the run was not over after 3s")
		requireEmpty(t, config.Dir)
	})
	t.Run("interrupted", func(t *testing.T) {
		config := watching(t)
		config.Rotations = 100
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := bench.Watch(ctx, config)
		require.ErrorIs(t, err, context.Canceled)
		requireEmpty(t, config.Dir)
	})
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*bench.DeliveryConfig){
		"events": func(c *bench.DeliveryConfig) { c.Events = 0 }, "publishers": func(c *bench.DeliveryConfig) { c.Publishers = 1025 },
		"body": func(c *bench.DeliveryConfig) { c.BodyBytes = 63 }, "destinations": func(c *bench.DeliveryConfig) { c.Destinations = 65 },
		"paced events": func(c *bench.DeliveryConfig) { c.PacedEvents = 0 }, "database": func(c *bench.DeliveryConfig) { c.Database = "mysql://h/d" },
		"timeout": func(c *bench.DeliveryConfig) { c.Timeout = -1 },
	} {
		config := delivery(t)
		require.NoError(t, config.Validate())
		change(&config)
		require.ErrorContains(t, config.Validate(), name)
	}
	for name, change := range map[string]func(*bench.ScheduleConfig){
		"refreshes": func(c *bench.ScheduleConfig) { c.Refreshes = 0 }, "few": func(c *bench.ScheduleConfig) { c.Few = 19 },
		"tokens": func(c *bench.ScheduleConfig) { c.Tokens = 39 }, "database": func(c *bench.ScheduleConfig) { c.Database = "mysql://h/d" },
	} {
		config := bench.ScheduleConfig{Host: host(t), Tokens: 40, Few: 20, Refreshes: 10}
		require.NoError(t, config.Validate())
		change(&config)
		require.ErrorContains(t, config.Validate(), name)
	}
	refresh := bench.RefreshConfig{Host: host(t), Tokens: 1}
	require.NoError(t, refresh.Validate())
	refresh.Tokens = 0
	require.ErrorContains(t, refresh.Validate(), "tokens")
	for name, change := range map[string]func(*bench.WatchConfig){
		"streams": func(c *bench.WatchConfig) { c.Streams = 0 }, "connections": func(c *bench.WatchConfig) { c.Connections = 257 },
		"rotations": func(c *bench.WatchConfig) { c.Rotations = 0 },
	} {
		config := watching(t)
		require.NoError(t, config.Validate())
		change(&config)
		require.ErrorContains(t, config.Validate(), name)
	}
}

func TestIsolation(t *testing.T) {
	config := bench.IsolationConfig{Host: host(t), Events: 30, Waiting: 100, BodyBytes: 1024}
	result, err := bench.Isolation(t.Context(), config)
	require.NoError(t, err)
	var states []string
	for _, b := range result.Beside {
		states = append(states, b.State)
		require.Positive(t, b.P50MS)
		require.GreaterOrEqual(t, b.P99MS, b.P50MS)
	}
	require.Equal(t, []string{"well", "slow", "dead", "limited", "well_again"}, states)
	require.Positive(t, result.Ratio)
	requireEmpty(t, config.Dir)

	config.Events, config.Waiting = 0, 100_001
	_, err = bench.Isolation(t.Context(), config)
	require.ErrorContains(t, err, "events: 0 is not within 1 to 100000")
	require.ErrorContains(t, err, "waiting: 100001 is not within 1 to 100000")
}
