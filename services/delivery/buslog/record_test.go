package buslog_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/buslog"
)

func write(t *testing.T, c buslog.Config, step buslog.Step, details buslog.Details) map[string]any {
	t.Helper()
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil)).With("part", "delivery")
	c.Write(t.Context(), logger, time.UnixMilli(1), step, buslog.Subject{Bus: "b", Event: "e"}, details)
	if out.Len() == 0 {
		return nil
	}
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	return line
}

// TestLevels: each level has the steps of those before it, and Off and nothing said have none.
func TestLevels(t *testing.T) {
	count := func(level buslog.Level) (n int) {
		for step := buslog.EventReceipt; step <= buslog.InvocationDLQ; step++ {
			if write(t, buslog.Config{Level: level}, step, buslog.Details{}) != nil {
				require.GreaterOrEqual(t, level, step.Level())
				n++
			}
		}
		return n
	}
	require.Zero(t, count(0))
	require.Zero(t, count(buslog.Off))
	require.Equal(t, 6, count(buslog.Error))
	require.Equal(t, 12, count(buslog.Info))
	require.Equal(t, 16, count(buslog.Trace))
}

func TestRecord(t *testing.T) {
	details := buslog.Details{
		Facts:   []slog.Attr{slog.Int("attempt", 2)},
		Content: []slog.Attr{slog.String("text", strings.Repeat("é", 40<<10)), slog.String("empty", "")},
	}
	line := write(t, buslog.Config{Level: buslog.Error, Detail: buslog.NoDetail}, buslog.InvocationFailure, details)
	require.Equal(t, map[string]any{
		"time": time.UnixMilli(1).Format(time.RFC3339Nano), "level": "WARN", "msg": "bus log", "part": "delivery", "message_type": "INVOCATION_FAILURE",
		"log_level": "ERROR", "bus": "b", "event_id": "e", "details": map[string]any{"attempt": 2.},
	}, line)
	line = write(t, buslog.Config{Level: buslog.Trace, Detail: buslog.FullDetail}, buslog.EventReceipt, details)
	require.Equal(t, "INFO", line["level"])
	require.Equal(t, map[string]any{"attempt": 2., "text": strings.Repeat("é", 32<<10) + "…"}, line["details"])
}
