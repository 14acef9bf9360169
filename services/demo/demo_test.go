package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests that run a demo run one after the other: each is a whole suite, whose tokens live for seconds.

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var output bytes.Buffer
	config := Config{TokenLifetime: 4 * time.Second, Rate: 20, Duration: 10 * time.Second, DataDir: dir, Output: &output}
	summary, err := Run(t.Context(), config)
	require.NoError(t, err, output.String())

	lines := strings.Split(strings.TrimSuffix(output.String(), "\n"), "\n")
	var printed Summary
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &printed))
	require.Equal(t, summary, printed)
	for _, member := range []string{
		`"rotations":`, `"pushes":`, `"min_lead_ms":`, `"events":`, `"delivered":`, `"unauthorized":0`, `"lost":0`, `"duplicates":0`,
		`"attempts":`, `"served_expired":0`, `"refused":0`,
	} {
		require.Contains(t, lines[len(lines)-1], member)
	}
	// Two tokens that live for 4 s are rotated every 2 to 2.5 s: in 10 s 4 times each, or 3 times if the last comes too late.
	require.GreaterOrEqual(t, summary.Rotations, 6)
	require.InDelta(t, summary.Rotations+1, summary.Pushes, 1, "rotations are pushed, and so is that of the API key; a slow watcher may skip one")
	require.Positive(t, summary.MinLeadMS)
	require.LessOrEqual(t, summary.MinLeadMS, int64(2000), "never more than half the life")
	require.InDelta(t, 200, summary.Events, 20)
	require.Equal(t, summary.Events, summary.Delivered)
	require.Equal(t, 2*summary.Events, summary.Attempts)

	text := output.String()
	require.Regexp(t, `(?m)^rotation crm generation 2 pushed with \d\.\d\ds left$`, text)
	require.Regexp(t, `(?m)^rotation billing generation 2 pushed with \d\.\d\ds left$`, text)
	require.Contains(t, text, "\nrotation warehouse generation 2 pushed\n")
	require.Contains(t, text, "the API accepts only the new key from now on")
	require.Contains(t, text, "token watch crm --server 127.0.0.1:")
	require.FileExists(t, filepath.Join(dir, logName))
	require.FileExists(t, filepath.Join(dir, "token.db"), "a folder that was given stays")
}

// TestDemoFails has the CRM's API refuse a token that has not expired, which no schedule can foresee.
func TestDemoFails(t *testing.T) {
	var output bytes.Buffer
	config := Config{TokenLifetime: 20 * time.Second, Duration: 4 * time.Second, Output: &output}.withDefaults()
	f, err := openFolder("")
	require.NoError(t, err)
	others, err := openOutside(t.Context(), &config, f.logger())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, others.close()); require.NoError(t, f.close()) })

	revoked := make(chan struct{})
	go func() {
		defer close(revoked)
		api := others.apis["crm"]
		for {
			changed := api.Changed()
			if calls := api.Received(); len(calls) > 0 && calls[0].JTI != "" {
				api.RevokeToken(calls[0].JTI)
				return
			}
			select {
			case <-changed:
			case <-t.Context().Done():
				return
			}
		}
	}()
	summary, err := run(t.Context(), &config, f, others, f.logger())
	<-revoked
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "calls were answered 401")
	require.Positive(t, summary.Unauthorized)
	require.Positive(t, summary.Rotations, "the refused token is replaced")
	require.Zero(t, summary.Lost, "and what it was refused for is delivered all the same")
	require.Contains(t, output.String(), `"unauthorized":`)
}

// TestDemoUntilInterrupted ends a demo without duration, on a terminal.
func TestDemoUntilInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	output := &screen{saw: " pushed with ", then: interrupt}
	summary, err := Run(ctx, Config{TokenLifetime: 3 * time.Second, Output: output, Live: true})
	require.NoError(t, err)
	require.Positive(t, summary.Rotations)
	require.Zero(t, summary.Lost)

	text := output.text.String()
	require.Equal(t, 1, strings.Count(text, enterScreen))
	view, tail, found := strings.Cut(text, leaveScreen+endOfLine)
	require.True(t, found, "the terminal is left as it was found")
	require.Contains(t, view, "OAuth, secret in body")
	require.Equal(t, 1, strings.Count(tail, "\n"))
	require.True(t, json.Valid([]byte(tail)))
	dir := regexp.MustCompile(`log +(\S+)`).FindStringSubmatch(text)[1]
	require.NoDirExists(t, filepath.Dir(dir))
}

// screen calls then once it saw something.
type screen struct {
	text bytes.Buffer
	saw  string
	then func()
}

func (s *screen) Write(p []byte) (int, error) {
	if s.then != nil && bytes.Contains(p, []byte(s.saw)) {
		s.then()
		s.then = nil
	}
	return s.text.Write(p)
}

func TestDemoSaysWhyItCannotStart(t *testing.T) {
	_, err := Run(t.Context(), Config{TokenLifetime: time.Millisecond, Rate: 501, Duration: -1})
	require.ErrorContains(t, err, "token-lifetime: 1ms is less than 1s")
	require.ErrorContains(t, err, "rate: 501 is not within 1 to 500")
	require.ErrorContains(t, err, "duration: -1ns is negative")

	_, err = Run(t.Context(), Config{HTTPAddr: "nowhere", Output: &bytes.Buffer{}})
	require.ErrorContains(t, err, `the suite did not start: http_addr: "nowhere" is not host:port`)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Run(t.Context(), Config{DataDir: file})
	require.ErrorContains(t, err, "not a directory")
}
