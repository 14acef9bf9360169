package child_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/bench/child"
)

type settings struct {
	Greeting string `json:"greeting"`
}

// TestMain makes the test binary a child process where the tests start it as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "child" {
		os.Exit(inside())
	}
	goleak.VerifyTestMain(m)
}

func inside() int {
	var config settings
	ctx, err := child.Configure(context.Background(), os.Stdin, &config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "configured")
	if config.Greeting == "" {
		return 3
	}
	fmt.Println("not yet ready")
	if err := child.Announce(os.Stdout, map[string]string{"greeting": config.Greeting}); err != nil {
		return 1
	}
	if config.Greeting == "die" {
		return 4
	}
	<-ctx.Done()
	return 0
}

func command(t *testing.T, greeting string, addrs map[string]string) child.Command {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	return child.Command{
		Name: "greeter", Path: executable, Args: []string{"child"}, Config: settings{greeting},
		LogFile: filepath.Join(t.TempDir(), "log"), Ready: child.Addresses(addrs),
	}
}

func TestUsage(t *testing.T) {
	addrs := map[string]string{}
	p, err := child.Start(t.Context(), command(t, "hello", addrs))
	require.NoError(t, err)
	require.Equal(t, "hello", addrs["greeting"])
	used, err := p.Usage()
	require.NoError(t, err)
	require.Positive(t, used.RSS)
	require.GreaterOrEqual(t, used.PeakRSS, used.RSS)
	require.NoError(t, p.Stop())
	<-p.Ended()
	_, err = p.Usage()
	require.ErrorContains(t, err, "greeter")

	before, err := child.MachineCPU()
	require.NoError(t, err)
	require.Positive(t, before)
	own, err := child.Self()
	require.NoError(t, err)
	for start := own; own.CPU < start.CPU+100*time.Millisecond; { // the machine's count goes in steps of 10 ms
		own, err = child.Self()
		require.NoError(t, err)
	}
	after, err := child.MachineCPU()
	require.NoError(t, err)
	require.Greater(t, after, before)
}

func TestNeverReady(t *testing.T) {
	_, err := child.Start(t.Context(), command(t, "", map[string]string{}))
	require.ErrorContains(t, err, "greeter did not become ready")
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "configured", "the log is shown")

	c := command(t, "hello", nil)
	c.Ready = func(string) bool { return false }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = child.Start(ctx, c)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestNoProgram(t *testing.T) {
	c := command(t, "hello", map[string]string{})
	c.Path += "-missing"
	_, err := child.Start(t.Context(), c)
	require.ErrorIs(t, err, os.ErrNotExist)
	c.LogFile = filepath.Join(t.TempDir(), "missing", "log")
	_, err = child.Start(t.Context(), c)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestDeathIsNoticed(t *testing.T) {
	addrs := map[string]string{}
	p, err := child.Start(t.Context(), command(t, "die", addrs))
	require.NoError(t, err)
	<-p.Ended()
	require.ErrorContains(t, p.Err(), "greeter ended: exit status 4")
	require.ErrorContains(t, p.Stop(), "exit status 4")
}

func TestConfigure(t *testing.T) {
	var config settings
	reader, writer := io.Pipe()
	go func() { _, _ = writer.Write([]byte(`{"greeting":"hi"}` + "\nmore\n")) }()
	ctx, err := child.Configure(t.Context(), reader, &config)
	require.NoError(t, err)
	require.Equal(t, "hi", config.Greeting)
	require.NoError(t, ctx.Err())
	require.NoError(t, writer.Close())
	<-ctx.Done()

	for _, text := range []string{"", "{}", "no json\n"} {
		_, err := child.Configure(t.Context(), strings.NewReader(text), &config)
		require.ErrorIs(t, err, child.ErrNoParent)
	}
}

func TestAddresses(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, child.Announce(&out, map[string]string{"a": "1"}))
	addrs := map[string]string{}
	ready := child.Addresses(addrs)
	require.False(t, ready("something else"))
	require.True(t, ready(strings.TrimSpace(out.String())))
	require.Equal(t, map[string]string{"a": "1"}, addrs)
}
