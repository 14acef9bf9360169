package app_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/app"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// run starts a process of the suite and stops it with the test; it returns where it listens and its log after the stop.
func run(t *testing.T, change func(*app.Config)) (addrs app.Addrs, stop func() string) {
	t.Helper()
	config, err := app.DefaultConfig()
	require.NoError(t, err)
	config.DataDir, config.HTTPAddr, config.GRPCAddr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	change(&config)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	ready, done := make(chan app.Addrs, 1), make(chan error, 1)
	go func() {
		done <- app.Run(ctx, config, app.Options{LogOutput: &log, Ready: func(a app.Addrs) { ready <- a }})
	}()
	var stopped bool
	stop = func() string {
		cancel()
		if !stopped {
			stopped = true
			require.NoError(t, <-done)
		}
		return log.String()
	}
	t.Cleanup(func() { stop() })
	select {
	case addrs = <-ready:
	case err := <-done:
		stopped = true
		require.NoError(t, err, "the process ended before it was ready")
	}
	return addrs, stop
}

func get(t *testing.T, addrs app.Addrs, path string, withKey bool) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addrs.HTTP+path, nil)
	require.NoError(t, err)
	if withKey {
		key, err := os.ReadFile(addrs.AdminKeyFile)
		require.NoError(t, err)
		request.Header.Set("X-Api-Key", strings.TrimSpace(string(key)))
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	return response.StatusCode
}

func TestRunOnBothEngines(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			addrs, stop := run(t, func(c *app.Config) {
				if engine == sqldb.Postgres {
					c.Database = sqltest.PostgresDSN(t)
				}
			})
			require.True(t, addrs.AdminKeyCreated)
			require.True(t, addrs.MasterKeyCreated)
			require.Equal(t, http.StatusOK, get(t, addrs, "/healthz", false))
			require.Equal(t, http.StatusOK, get(t, addrs, "/readyz", false))
			for _, path := range []string{"/metrics", "/openapi.json", "/v1/projects/default/connections"} {
				require.Equal(t, http.StatusUnauthorized, get(t, addrs, path, false), path)
				require.Equal(t, http.StatusOK, get(t, addrs, path, true), path)
			}
			key, err := os.ReadFile(addrs.AdminKeyFile)
			require.NoError(t, err)
			log := stop()
			require.Contains(t, log, "stopped")
			require.NotRegexp(t, "level=(WARN|ERROR)", log, "an orderly stop is nothing to worry about")
			require.NotContains(t, log, strings.TrimSpace(string(key)))
		})
	}
}

// A process without the gateway role still has health checks and metrics, and no REST face.
func TestRunOneRole(t *testing.T) {
	addrs, _ := run(t, func(c *app.Config) {
		c.Roles = []string{"token"}
		c.Peers = map[string]string{"connection": "127.0.0.1:1"}
	})
	require.Equal(t, http.StatusOK, get(t, addrs, "/readyz", false))
	require.Equal(t, http.StatusOK, get(t, addrs, "/metrics", true))
	require.Equal(t, http.StatusNotFound, get(t, addrs, "/v1/projects/default/connections", true))
}

func TestRunRefuses(t *testing.T) {
	config, err := app.DefaultConfig()
	require.NoError(t, err)
	config.DataDir, config.HTTPAddr, config.GRPCAddr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"

	t.Run("an address in use", func(t *testing.T) {
		addrs, _ := run(t, func(*app.Config) {})
		taken := config
		taken.HTTPAddr = addrs.HTTP
		require.ErrorContains(t, app.Run(t.Context(), taken, app.Options{LogOutput: &bytes.Buffer{}}), "http_addr")
	})
	t.Run("a data folder in use", func(t *testing.T) {
		var dir string
		run(t, func(c *app.Config) { dir = c.DataDir })
		taken := config
		taken.DataDir = dir
		require.ErrorContains(t, app.Run(t.Context(), taken, app.Options{LogOutput: &bytes.Buffer{}}), "in use")
	})
	t.Run("a database that does not answer", func(t *testing.T) {
		unreachable := config
		unreachable.Database = "postgres://freshet:hunter2@127.0.0.1:1/none"
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := app.Run(ctx, unreachable, app.Options{LogOutput: &bytes.Buffer{}})
		require.ErrorContains(t, err, "database of role connection")
		require.NotContains(t, fmt.Sprint(err), "hunter2")
	})
}
